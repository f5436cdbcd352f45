/** An A2A agent in Node, its tasks in a file. Kill the process while it counts and start it again: it goes on where it was. */
import { openTaskStore } from 'holdfast';
import { count } from './a2a-count.ts';

await using store = await openTaskStore({ path: process.argv[2] ?? 'a2a-counter.json' });

await count(store, console.log);
