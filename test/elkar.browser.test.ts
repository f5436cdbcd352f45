/** The client and the endpoint where there is nothing but what browsers offer. */
import { describe, expect, it } from 'vitest';
import { ElkarClientStore } from '../src/elkar.ts';
import { openTaskStore } from '../src/memory.ts';
import { apiKeys, createElkarHandler } from '../src/server.ts';
import { testTaskStore } from '../src/testing.ts';

const endpoints = new Map<string, typeof fetch>();

async function endpointAt(place: string): Promise<typeof fetch> {
  const handle = createElkarHandler({ store: await openTaskStore(), authorize: apiKeys({ secret: 'agent' }) });
  const connected: typeof fetch = (url, init) => handle(new Request(url, init));
  endpoints.set(place, connected);
  return connected;
}

testTaskStore(
  { describe, expect, it },
  {
    name: 'client → endpoint, both in the page',
    open: async (place) => {
      const connected = endpoints.get(place) ?? (await endpointAt(place));
      const options = { baseUrl: 'http://elkar.example/api', apiKey: 'secret', server: 'holdfast' as const };
      return new ElkarClientStore({ ...options, fetch: connected });
    },
    clock: false,
    hugeMessages: false,
  },
);

it("takes the browser's own fetch, and a page in place of an answer for what it is", async () => {
  const store = new ElkarClientStore({ baseUrl: `${location.origin}/api`, apiKey: 'secret' });
  const code = (promise: Promise<unknown>) => promise.catch((error: { code?: string }) => error.code);
  expect(await code(store.getTask('t1'))).toBe('REMOTE_UNREACHABLE');
  const nobody = new ElkarClientStore({ baseUrl: 'http://127.0.0.1:1/api', apiKey: 'secret' });
  expect(await code(nobody.getTask('t1'))).toBe('REMOTE_UNREACHABLE');
});
