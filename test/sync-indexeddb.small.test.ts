/** Sync of a task that is too large to be kept in memory (`small-limits`). */
import { expect, test } from 'vitest';
import type { Message } from '../src/core/task.ts';
import { openTaskStore } from '../src/indexeddb.ts';
import { openTaskStore as openInMemory } from '../src/memory.ts';
import { createElkarHandler } from '../src/server.ts';
import { elkarSync } from '../src/sync.ts';

const baseUrl = 'http://remote.test/api';
const says = (text: string): Message => ({ role: 'agent', parts: [{ type: 'text', text }] });

test('what others wrote to it is brought in', async () => {
  const handle = createElkarHandler({ store: await openInMemory(), authorize: () => 'agent' });
  const send = ((url: string, init: RequestInit) => handle(new Request(url, init))) as typeof fetch;
  const sync = elkarSync({ baseUrl, apiKey: 'secret', fetch: send, gatherMs: 0 });
  await using store = await openTaskStore({ name: 'large', sync });
  await store.upsertTask({ id: 't', message: says('1') });
  const long = 'long '.repeat(200);
  for (let n = 2; n <= 60; n++) await store.updateTask('t', { newMessages: [says(long)] });
  await store.sync.flush();
  await send(`${baseUrl}/tasks/t`, {
    method: 'PUT',
    headers: { 'x-api-key': 'secret', 'content-type': 'application/json' },
    body: JSON.stringify({ caller_id: 'holdfast', new_messages: [says('theirs')] }),
  });
  await store.sync.pull('t');
  const history = (await store.getTask('t'))?.task.history;
  expect(history).toHaveLength(61);
  expect(history?.at(-1)).toMatchObject(says('theirs'));
});
