/** Opens one store in a fresh process: `open-child.mjs <kind> <folder>` prints `{ ms, mb }`. */
import { join } from 'node:path';

const [kind, folder] = process.argv.slice(2);

const kinds = {
  holdfast: async () => {
    const { openTaskStore } = await import('../../dist/json-file.js');
    return async () => {
      const store = await openTaskStore({ path: join(folder, 'tasks.json') });
      return [store, await store.getTask('t7')];
    };
  },
  lowdb: async () => {
    const { JSONFilePreset } = await import('lowdb/node');
    return async () => {
      const db = await JSONFilePreset(join(folder, 'low.json'), { tasks: {} });
      return [db, db.data.tasks.t7];
    };
  },
};

const open = await kinds[kind]();
globalThis.gc();
const before = process.memoryUsage();
const start = performance.now();
const [held, answer] = await open();
const ms = performance.now() - start;
if (!answer) throw new Error('t7 is not there');
globalThis.gc();
const after = process.memoryUsage();
const total = ({ heapUsed, external }) => heapUsed + external;
console.log(JSON.stringify({ ms, mb: (total(after) - total(before)) / 1e6 }));
await held.close?.();
