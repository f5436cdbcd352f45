/**
 * Opening a large file, and folding the journal into it. Each is a process of its own, so that memory can be told, and so that
 * nobody waits while what other stores have left is collected.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { JSONFilePreset } from 'lowdb/node';
import { openTaskStore } from '../../dist/json-file.js';
import { scratch, storedTask } from '../lib/work.mjs';

/** What the process `file` prints. */
function run(file, ...args) {
  const path = fileURLToPath(new URL(file, import.meta.url));
  return JSON.parse(execFileSync(process.execPath, ['--expose-gc', path, ...args], { encoding: 'utf8' }));
}

/** Files are written once and opened in every round. */
async function prepare(count) {
  const { folder, remove } = scratch();
  const store = await openTaskStore({ path: join(folder, 'tasks.json') });
  for (let from = 0; from < count; from += 5_000) {
    await store.importTasks(
      Array.from({ length: Math.min(5_000, count - from) }, (_, i) => storedTask(`t${from + i}`, from + i)),
    );
  }
  await store.close();
  const low = await JSONFilePreset(join(folder, 'low.json'), { tasks: {} });
  for (let i = 0; i < count; i++) low.data.tasks[`t${i}`] = storedTask(`t${i}`, i).task;
  await low.write();
  return { folder, remove };
}

function once(make) {
  let made;
  return () => (made ??= make());
}

export function openingRows({ quick }) {
  const count = quick ? 10_000 : 100_000;
  const prepared = once(() => prepare(count));
  const opened = (kind, figure) => async () => run('open-child.mjs', kind, (await prepared()).folder)[figure];
  /** Both figures are of the same runs. */
  const compactions = [];
  const compacted = {
    stall: async () => {
      compactions.push(run('compaction-child.mjs', (await prepared()).folder));
      return compactions.at(-1).stall;
    },
    wait: async () => (compactions.shift() ?? run('compaction-child.mjs', (await prepared()).folder)).wait,
  };
  const title = `${count.toLocaleString('en-US')} tasks of 2 KB`;
  return [
    {
      id: 'open',
      title: `Open a file of ${title}, to the first answer`,
      unit: 'ms',
      contestants: { Holdfast: opened('holdfast', 'ms'), lowdb: opened('lowdb', 'ms') },
      goals: [{ of: 'Holdfast', against: 'lowdb', atMost: 1 / 25 }],
    },
    {
      id: 'open-memory',
      title: `Memory held after opening a file of ${title}`,
      unit: 'MB',
      contestants: { Holdfast: opened('holdfast', 'mb'), lowdb: opened('lowdb', 'mb') },
      goals: [{ of: 'Holdfast', against: 'lowdb', atMost: 1 / 10 }],
    },
    ...['stall', 'wait'].map((figure) => ({
      id: `compaction-${figure}`,
      title:
        figure === 'stall'
          ? `Longest stall of the event loop while ${title} are compacted and writes go on`
          : 'Longest wait of a write meanwhile',
      unit: 'ms',
      contestants: { Holdfast: compacted[figure] },
      goals: [{ of: 'Holdfast', atMost: figure === 'stall' ? 15 : 50 }],
    })),
  ];
}
