/**
 * Writes in a fresh process for ten seconds, in which the journal is folded into the file again and again, and watches the
 * event loop: `compaction-child.mjs <folder>` prints `{ stall, wait }`, the longest stall and the longest wait of a write in ms.
 */
import { join } from 'node:path';
import { openTaskStore } from '../../dist/json-file.js';
import { message } from '../lib/work.mjs';

const store = await openTaskStore({ path: join(process.argv[2], 'tasks.json'), durability: 'relaxed' });
let stall = 0;
let wait = 0;
let last = performance.now();
const timer = setInterval(() => {
  const now = performance.now();
  stall = Math.max(stall, now - last - 1);
  last = now;
}, 1);
const big = message(1, 20_000);
const end = performance.now() + 10_000;
for (let i = 0; performance.now() < end; i++) {
  const start = performance.now();
  await store.upsertTask({ id: `t${i % 1000}`, message: i % 10 ? message(i) : big });
  wait = Math.max(wait, performance.now() - start);
  // Without a pause nothing but microtasks would run.
  if (i % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
}
clearInterval(timer);
await store.close();
console.log(JSON.stringify({ stall, wait }));
