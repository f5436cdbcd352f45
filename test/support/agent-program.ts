/** An agent as a process of its own, over a JSON file: it counts in chunks until it is killed. Prints its port. */
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { openTaskStore } from '../../src/json-file.ts';
import { createA2AHandler, TaskManagerWithStore } from '../../src/task-manager.ts';
import { card, chunk, says } from './agent.ts';

const store = await openTaskStore({ path: process.argv[2] as string });
const manager = new TaskManagerWithStore({
  agentCard: card,
  store,
  sendTaskHandler: async (task) => {
    const [part] = task.params.message.parts;
    const until = part?.type === 'text' && part.text === 'finish' ? 0 : Number.POSITIVE_INFINITY;
    for (let i = 0; i < until; i++) {
      await task.upsertArtifacts([chunk(`${i},`)]);
      if (i % 10 === 0) await task.setStatus({ state: 'working', message: says(`at ${i}`) });
    }
    await task.setStatus('completed');
  },
});
const server = serve({ fetch: createA2AHandler(manager), port: 0, hostname: '127.0.0.1' }, () => {
  console.log((server.address() as AddressInfo).port);
});
