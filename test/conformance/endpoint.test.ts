/** The contract over the wire: client → endpoint over HTTP → store. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ElkarClientStore } from '../../src/elkar.ts';
import { openTaskStore as openJsonFile } from '../../src/json-file.ts';
import { openTaskStore as openMemory } from '../../src/memory.ts';
import { apiKeys, createElkarHandler } from '../../src/server.ts';
import type { TaskStore } from '../../src/task-store.ts';
import { testTaskStore } from '../../src/testing.ts';
import { type Served, serveRequests } from '../support/http.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-'));

const under: Record<string, (place: string) => Promise<TaskStore>> = {
  memory: (name) => openMemory({ name }),
  'a JSON file': (name) => openJsonFile({ path: join(folder, `${name}.json`) }),
};

for (const server of ['holdfast', 'elkar'] as const) {
  for (const [name, open] of Object.entries(under)) {
    const endpoints = new Map<string, { served: Served; store: TaskStore }>();

    const endpointAt = async (place: string) => {
      const store = await open(place);
      const handler = createElkarHandler({ store, authorize: apiKeys({ secret: 'agent' }) });
      const endpoint = { served: await serveRequests(handler), store };
      endpoints.set(place, endpoint);
      return endpoint;
    };

    const closeAt = async (place: string) => {
      const endpoint = endpoints.get(place);
      endpoints.delete(place);
      await endpoint?.served.close();
      await endpoint?.store.close();
    };

    testTaskStore(
      { describe, expect, it },
      {
        name: `client for ${server} → endpoint over HTTP → ${name}`,
        open: async (place) => {
          const { served } = endpoints.get(place) ?? (await endpointAt(place));
          return new ElkarClientStore({ baseUrl: `${served.origin}/api`, apiKey: 'secret', server });
        },
        clock: false,
        hugeMessages: false,
        cleanUp: closeAt,
      },
    );
  }
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));
