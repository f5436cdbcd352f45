/** A program, or a thread, that leaves a store open. Arguments: path, and `stay` where it is not to end by itself. */
import { parentPort } from 'node:worker_threads';
import { openTaskStore } from '../../src/json-file.ts';

const [path, end] = process.argv.slice(2);
const store = await openTaskStore({ path });
await store.upsertTask({ id: 't', message: { role: 'user', parts: [{ type: 'text', text: 'left behind' }] } });
parentPort?.postMessage('opened');
if (end === 'stay') await new Promise(() => setInterval(() => {}, 1000));
