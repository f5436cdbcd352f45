/** Cost against size: the same append beside ever more tasks, to an ever longer task; memory over very many. */
import { join } from 'node:path';
import { openTaskStore } from '../../dist/json-file.js';
import { rate } from '../lib/measure.mjs';
import { message, scratch, storedTask } from '../lib/work.mjs';

const none = { historyLength: 0, includeArtifacts: false };

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

export function scaleRows({ quick }) {
  const sizes = quick ? [10, 1_000] : [10, 100, 1_000, 10_000, 100_000];
  const count = quick ? 1_000 : 5_000;
  const row = (what) => ({
    id: `scale-${what}`,
    title: `Append (relaxed) against the number of ${what} ${what === 'tasks' ? 'in the store' : 'in the task'}`,
    unit: 'µs',
    scale: true,
    rounds: 3,
    contestants: Object.fromEntries(sizes.map((size) => [String(size), () => microseconds({ [what]: size }, count)])),
    goals: [{ of: String(sizes.at(-1)), against: String(sizes[0]), atMost: 1.3 }],
  });
  return [
    row('tasks'),
    row('messages'),
    {
      id: 'memory-flat',
      title: `Memory after ${quick ? '100,000' : '1,000,000'} appends, against after a tenth of them`,
      unit: 'MB',
      rounds: 1,
      contestants: flat(quick ? 100_000 : 1_000_000),
      goals: [{ of: 'all', against: 'a tenth', atMost: 1.5 }],
    },
  ];
}

/** Many tasks that come and go, as an agent's do. */
function flat(count) {
  let figures;
  const run = async () => {
    const { folder, remove } = scratch();
    const store = await openTaskStore({ path: join(folder, 'tasks.json'), durability: 'relaxed' });
    const held = () => {
      globalThis.gc?.();
      return process.memoryUsage().rss / 1e6;
    };
    const result = {};
    for (let i = 0; i < count; i++) {
      const id = `t${Math.floor(i / 1_000)}`;
      if (i % 1_000 === 0) await store.upsertTask({ id, message: message(0) });
      await store.updateTask(id, { newMessages: [message(i, 60)] }, none);
      if (i === count / 10) result['a tenth'] = held();
    }
    result.all = held();
    await store.close();
    remove();
    return result;
  };
  const figure = (name) => async () => (await (figures ??= run()))[name];
  return { 'a tenth': figure('a tenth'), all: figure('all') };
}
