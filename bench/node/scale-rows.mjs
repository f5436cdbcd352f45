/** Cost against size: the same append beside ever more tasks, to an ever longer task; memory over very many. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openTaskStore } from '../../dist/json-file.js';
import { rate } from '../lib/measure.mjs';
import { message, scratch, storedTask } from '../lib/work.mjs';

async function microseconds({ tasks = 1, messages = 1 }, count) {
  const { folder, remove } = scratch();
  const open = () => openTaskStore({ path: join(folder, 'tasks.json'), durability: 'relaxed' });
  let store = await open();
  for (let from = 1; from < tasks; from += 5_000) {
    const batch = Math.min(5_000, tasks - from);
    await store.importTasks(Array.from({ length: batch }, (_, i) => storedTask(`t${from + i}`, from + i)));
  }
  const history = Array.from({ length: messages }, (_, i) => message(i));
  await store.importTasks([{ ...storedTask('own'), task: { ...storedTask('own').task, history } }]);
  // A store at rest, not one that is still busy with what filled it.
  await store.close();
  store = await open();
  const append = (i) => store.updateTask('own', { newMessages: [message(i)] });
  await rate(count / 4, append);
  const figure = 1e6 / (await rate(count, append));
  await store.close();
  remove();
  return figure;
}

/** The most memory held in either half, by a process that does nothing else. */
async function peaksOf(appends) {
  const { folder, remove } = scratch();
  const args = ['--expose-gc', fileURLToPath(new URL('appends-child.mjs', import.meta.url)), String(appends), folder];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  remove();
  return JSON.parse(stdout);
}

export function scaleRows({ quick }) {
  const sizes = quick ? [10, 1_000] : [10, 100, 1_000, 10_000, 100_000];
  const count = quick ? 1_000 : 5_000;
  const row = (what) => ({
    id: `scale-${what}`,
    title: `Append (relaxed) against the number of ${what} ${what === 'tasks' ? 'in the store' : 'in the task'}`,
    unit: 'µs',
    scale: true,
    contestants: Object.fromEntries(sizes.map((size) => [String(size), () => microseconds({ [what]: size }, count)])),
    goals: [{ of: String(sizes.at(-1)), against: String(sizes[0]), atMost: 1.3 }],
  });
  const appends = quick ? 200_000 : 4_000_000;
  let measured;
  const peaks = () => (measured ??= peaksOf(appends));
  return [
    row('tasks'),
    row('messages'),
    {
      id: 'memory-flat',
      title: `The most memory held in the course of ${appends.toLocaleString('en-US')} appends (relaxed)`,
      unit: 'MB',
      rounds: 1,
      contestants: { 'first half': async () => (await peaks())[0], 'second half': async () => (await peaks())[1] },
      goals: [{ of: 'second half', against: 'first half', atMost: 1.2 }],
    },
  ];
}
