/** Files in Node, and memory: appends, reads, opening, compaction. */

import { rate, rateOf } from '../lib/measure.mjs';
import { message, scratch, storedTask, task } from '../lib/work.mjs';
import { adapters } from './adapters.mjs';

/** Opens a store of `filled` tasks beside the one that is worked on, works, cleans up. */
async function withStore(name, { filled = 0, history = 1 }, work) {
  const { folder, remove } = scratch();
  let store = await adapters[name].open(folder);
  try {
    if (filled > 0) await store.fill(Array.from({ length: filled }, (_, i) => storedTask(`filler-${i}`, i)));
    // A store at rest, not one that is still busy with what filled it.
    if (filled > 0 && adapters[name].durable !== 'nothing') {
      await store.close();
      store = await adapters[name].open(folder);
    }
    const own = task('own');
    await store.create({ ...own, history: [own.history[0]] });
    for (let i = 1; i < history; i++) await store.append('own', message(i));
    return await work(store);
  } finally {
    await store.close();
    remove();
  }
}

/** A contestant a store: appends a second. */
function appends(names, { count, callers = 1, ...state }) {
  const contestant = (name) => () =>
    withStore(name, state, async (store) => {
      await rate(Math.min(200, count(name) / 10), (i) => store.append('own', message(i)));
      if (callers === 1) return rate(count(name), (i) => store.append('own', message(i)));
      return (await rateOf(callers, count(name), (i) => store.append('own', message(i)))).rate;
    });
  return Object.fromEntries(names.map((name) => [name, contestant(name)]));
}

const durabilityNotes = (names) =>
  Object.fromEntries(names.map((name) => [name, `survives: ${adapters[name].durable}`]));

/** Slow ones do less, so that a round ends. */
const slow = /lowdb|SDK, database|level|lmdb/;
/** What copies a task for each append takes ever longer for one. */
const MOST_COPIES = 2_000;
const scaled = (fast, few) => (name) =>
  slow.test(name) ? few : name === 'A2A SDK, memory' ? Math.min(fast, MOST_COPIES) : fast;
/** Many callers of Holdfast are through with 20,000 in a tenth of a second, most of it while the engine still compiles. */
const longEnough = (n) => (name) => (name === 'Holdfast, strict' ? 100_000 * n : scaled(20_000 * n, 300 * n)(name));

export function fileRows({ quick }) {
  const n = quick ? 0.2 : 1;
  const strict = [
    'Holdfast, strict',
    'better-sqlite3, FULL',
    'A2A SDK, database',
    'lmdb',
    'classic-level, sync',
    'bare write + fdatasync',
  ];
  if (adapters['node:sqlite, FULL']) strict.push('node:sqlite, FULL');
  const relaxed = [
    'Holdfast, relaxed',
    'better-sqlite3, NORMAL',
    'A2A SDK, memory',
    'classic-level',
    'lowdb',
    'bare write',
  ];
  const together = ['Holdfast, strict', 'better-sqlite3, FULL', 'A2A SDK, database', 'bare write + fdatasync'];
  const filled = quick ? 2_000 : 10_000;

  return [
    {
      id: 'append-strict',
      title: 'Append to one task, each awaited, safe from a power cut',
      unit: 'ops/s',
      contestants: appends(strict, { count: scaled(2_000 * n, 300 * n) }),
      notes: durabilityNotes(strict),
      goals: [
        { of: 'Holdfast, strict', against: 'bare write + fdatasync', atLeast: 0.9 },
        { of: 'Holdfast, strict', against: 'better-sqlite3, FULL', atLeast: 1 },
      ],
    },
    ...[64, 512].map((callers) => ({
      id: `append-strict-${callers}`,
      title: `Append by ${callers} callers at once, safe from a power cut`,
      unit: 'ops/s',
      contestants: appends(together, { callers, count: longEnough(n) }),
      notes: durabilityNotes(together),
      goals: [
        { of: 'Holdfast, strict', against: 'better-sqlite3, FULL', atLeast: callers === 64 ? 12 : 25 },
        { of: 'Holdfast, strict', against: 'A2A SDK, database', atLeast: 50 },
      ],
    })),
    {
      id: 'p99-strict-512',
      title: '99th percentile of an append among 512 callers',
      unit: 'ms',
      contestants: {
        'Holdfast, strict': () =>
          withStore('Holdfast, strict', {}, async (store) => {
            return (await rateOf(512, 40_000 * n, (i) => store.append('own', message(i)))).p99;
          }),
      },
      goals: [{ of: 'Holdfast, strict', atMost: 15 }],
    },
    {
      id: 'append-relaxed',
      title: `Append beside ${filled.toLocaleString('en-US')} tasks, safe from a killed process`,
      unit: 'ops/s',
      contestants: appends(relaxed, { count: scaled(20_000 * n, 10), filled }),
      notes: durabilityNotes(relaxed),
      goals: [
        { of: 'Holdfast, relaxed', against: 'better-sqlite3, NORMAL', atLeast: 3 },
        { of: 'Holdfast, relaxed', against: 'A2A SDK, memory', atLeast: 80 },
        { of: 'Holdfast, relaxed', against: 'bare write', atLeast: 0.35 },
        { of: 'Holdfast, relaxed', against: 'lowdb', atLeast: 5_000 },
      ],
    },
    {
      id: 'append-beside',
      title: `Append, strict: beside ${filled.toLocaleString('en-US')} tasks, and in an empty store`,
      unit: 'ops/s',
      contestants: {
        ...Object.fromEntries(
          [filled, 0].map((tasks) => [
            tasks ? 'Holdfast, full' : 'Holdfast, empty',
            appends(['Holdfast, strict'], { count: () => 2_000 * n, filled: tasks })['Holdfast, strict'],
          ]),
        ),
        lowdb: appends(['lowdb'], { count: () => 10, filled }).lowdb,
      },
      goals: [
        { of: 'Holdfast, full', against: 'Holdfast, empty', atLeast: 1 / 1.15 },
        { of: 'Holdfast, full', against: 'lowdb', atLeast: 400 },
      ],
    },
    {
      id: 'append-long',
      title: 'Append, strict: to a task of 10, 5,000 and 10,000 messages',
      unit: 'ops/s',
      contestants: Object.fromEntries(
        [10, 5_000, 10_000].flatMap((history) => {
          const run = (name, count) => appends([name], { count: () => count, history })[name];
          const row = [[`Holdfast, ${history}`, run('Holdfast, strict', 2_000 * n)]];
          if (history === 5_000) row.push(['A2A SDK, database, 5000', run('A2A SDK, database', 20)]);
          return row;
        }),
      ),
      goals: [
        { of: 'Holdfast, 5000', against: 'Holdfast, 10', atLeast: 1 / 1.15 },
        { of: 'Holdfast, 10000', against: 'Holdfast, 10', atLeast: 1 / 1.3 },
        { of: 'Holdfast, 5000', against: 'A2A SDK, database, 5000', atLeast: 40 },
      ],
    },
    {
      id: 'get',
      title: 'Get a task of 2 KB, repeated',
      unit: 'ops/s',
      contestants: Object.fromEntries(
        ['Holdfast, strict', 'A2A SDK, memory', 'better-sqlite3, FULL'].map((name) => [
          name,
          () =>
            withStore(name, { history: 6, filled: 1_000 }, (store) =>
              rate(20_000 * n, async () => touch(await store.get('own'))),
            ),
        ]),
      ),
      goals: [{ of: 'Holdfast, strict', against: 'A2A SDK, memory', atLeast: 6 }],
    },
    {
      id: 'newest',
      title: `Newest 50 of ${filled.toLocaleString('en-US')} tasks by state, repeated`,
      unit: 'ops/s',
      contestants: Object.fromEntries(
        ['Holdfast, strict', 'A2A SDK, memory', 'better-sqlite3, FULL'].map((name) => [
          name,
          () =>
            withStore(name, { filled }, (store) =>
              rate((/SDK/.test(name) ? 200 : 20_000) * n, () => store.newest('completed')),
            ),
        ]),
      ),
      goals: [{ of: 'Holdfast, strict', against: 'A2A SDK, memory', atLeast: 100 }],
    },
  ];
}

/** Answers are looked at, so that none is let off by being lazy. */
function touch(stored) {
  return (stored.task ?? stored).history.length;
}
