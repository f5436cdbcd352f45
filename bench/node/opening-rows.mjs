/** Opening a large file, and folding the journal into it. Each opening is a process of its own, so that memory can be told. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { JSONFilePreset } from 'lowdb/node';
import { openTaskStore } from '../../dist/json-file.js';
import { message, scratch, storedTask } from '../lib/work.mjs';

const child = fileURLToPath(new URL('open-child.mjs', import.meta.url));

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
  const opened = (kind, figure) => async () => {
    const { folder } = await prepared();
    return JSON.parse(execFileSync(process.execPath, ['--expose-gc', child, kind, folder], { encoding: 'utf8' }))[
      figure
    ];
  };
  const title = `${count.toLocaleString('en-US')} tasks of 2 KB`;
  return [
    {
      id: 'open',
      title: `Open a file of ${title}, to the first answer`,
      unit: 'ms',
      contestants: { Holdfast: opened('holdfast', 'ms'), lowdb: opened('lowdb', 'ms') },
      rounds: 5,
      goals: [{ of: 'Holdfast', against: 'lowdb', atMost: 1 / 25 }],
    },
    {
      id: 'open-memory',
      title: `Memory held after opening a file of ${title}`,
      unit: 'MB',
      contestants: { Holdfast: opened('holdfast', 'mb'), lowdb: opened('lowdb', 'mb') },
      rounds: 3,
      goals: [{ of: 'Holdfast', against: 'lowdb', atMost: 1 / 10 }],
    },
    ...['stall', 'wait'].map((figure) => ({
      id: `compaction-${figure}`,
      title:
        figure === 'stall'
          ? `Longest stall of the event loop while ${title} are compacted and writes go on`
          : 'Longest wait of a write meanwhile',
      unit: 'ms',
      contestants: { Holdfast: async () => (await compaction((await prepared()).folder))[figure] },
      rounds: 3,
      goals: [{ of: 'Holdfast', atMost: figure === 'stall' ? 15 : 50 }],
    })),
  ];
}

/** Writes for ten seconds, in which the journal is folded into the file again and again, and watches the event loop. */
async function compaction(folder) {
  const path = join(folder, 'tasks.json');
  const store = await openTaskStore({ path, durability: 'relaxed' });
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
  return { stall, wait };
}
