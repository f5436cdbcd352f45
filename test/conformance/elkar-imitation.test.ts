/** The contract, as far as its capabilities go, on an Elkar server as it is. */
import { afterEach, describe, expect, it } from 'vitest';
import { ElkarClientStore } from '../../src/elkar.ts';
import { testTaskStore } from '../../src/testing.ts';
import { type ElkarImitation, elkarImitation } from '../support/elkar-imitation.ts';
import { type Served, serveRequests } from '../support/http.ts';

const servers = new Map<string, { served: Served; elkar: ElkarImitation }>();
const misdeeds: string[] = [];

async function serverAt(place: string) {
  const elkar = elkarImitation();
  const server = { elkar, served: await serveRequests(elkar.handle) };
  servers.set(place, server);
  return server;
}

testTaskStore(
  { describe, expect, it },
  {
    name: "client → Elkar's server, imitated, over HTTP",
    open: async (place) => {
      const { served } = servers.get(place) ?? (await serverAt(place));
      return new ElkarClientStore({ baseUrl: `${served.origin}/api`, apiKey: 'secret' });
    },
    clock: false,
    hugeMessages: false,
    cleanUp: async (place) => {
      const server = servers.get(place);
      servers.delete(place);
      misdeeds.push(...(server?.elkar.misdeeds ?? []));
      await server?.served.close();
    },
  },
);

afterEach(() => {
  expect(misdeeds.splice(0)).toEqual([]);
});
