/**
 * Appends in a fresh process, to many tasks that come and go: `appends-child.mjs <count> <folder>` prints the most memory
 * that was held, in MB, in the first and in the second half: `[first, second]`.
 */
import { join } from 'node:path';
import { openTaskStore } from '../../dist/json-file.js';
import { message } from '../lib/work.mjs';

const count = Number(process.argv[2]);
const none = { historyLength: 0, includeArtifacts: false };
const store = await openTaskStore({ path: join(process.argv[3], 'tasks.json'), durability: 'relaxed' });
const most = [0, 0];
for (let i = 0; i < count; i++) {
  const id = `t${Math.floor(i / 1_000)}`;
  if (i % 1_000 === 0) await store.upsertTask({ id, message: message(0) });
  await store.updateTask(id, { newMessages: [message(i, 60)] }, none);
  if (i % (count / 100) > 0) continue;
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  const half = i < count / 2 ? 0 : 1;
  most[half] = Math.max(most[half], (heapUsed + external) / 1e6);
}
await store.close();
console.log(JSON.stringify(most));
