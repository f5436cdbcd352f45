/** Runs in the page: one measurement a call, on a database of its own. Answers operations a second, or milliseconds. */

import { validate } from '../../dist/core/shape.js';
import { updateTaskParamsShape } from '../../dist/core/task-shapes.js';
import { message, task } from '../lib/fixtures.mjs';
import { adapters } from './adapters.js';

let runs = 0;

async function fresh(name) {
  const place = `bench-${name.replaceAll(' ', '-')}-${Date.now()}-${runs++}`;
  return { place, store: await adapters[name](place) };
}

async function drop(place, store) {
  await store.close();
  indexedDB.deleteDatabase(place);
}

async function rate(count, call) {
  const start = performance.now();
  for (let i = 0; i < count; i++) await call(i);
  return (count / (performance.now() - start)) * 1000;
}

async function together(count, call) {
  const start = performance.now();
  await Promise.all(Array.from({ length: count }, (_, i) => call(i)));
  return (count / (performance.now() - start)) * 1000;
}

const tasks = (count) => Array.from({ length: count }, (_, i) => task(`t${i}`, i));
const history = (count) => Array.from({ length: count }, (_, i) => message(i));

const fill = async (store, list) => {
  if (store.bulk) return store.bulk(list);
  for (let i = 0; i < list.length; i += 200) await Promise.all(list.slice(i, i + 200).map((one) => store.create(one)));
};

/**
 * How many times as long the calls of one take as those of another: medians of turns so short that what else the machine does
 * falls on both.
 */
async function timesAsLong(count, one, other) {
  const calls = [one, other];
  const turns = [[], []];
  for (let i = 0; i < count; i += TURN) {
    for (const which of (i / TURN) % 2 === 0 ? [0, 1] : [1, 0]) {
      turns[which].push(1 / (await rate(TURN, (n) => calls[which](i + n))));
    }
  }
  const [first, second] = turns.map((times) => times.sort((a, b) => a - b)[times.length >> 1]);
  return first / second;
}

const TURN = 20;

/** A page without a BroadcastChannel tells nobody. */
async function mute(open) {
  const { BroadcastChannel } = globalThis;
  globalThis.BroadcastChannel = undefined;
  try {
    return await open();
  } finally {
    globalThis.BroadcastChannel = BroadcastChannel;
  }
}

const works = {
  creates: async (store, { count }) => {
    const list = tasks(count);
    return rate(count, (i) => store.create(list[i]));
  },
  createsAtOnce: async (store, { count }) => {
    const list = tasks(count);
    return together(count, (i) => store.create(list[i]));
  },
  bulk: async (store, { count }) => {
    const list = tasks(count);
    const start = performance.now();
    await store.bulk(list);
    return (count / (performance.now() - start)) * 1000;
  },
  appends: async (store, { count, from = 1, filled = 0 }) => {
    if (filled > 0) await fill(store, tasks(filled));
    await store.create({ ...task('own'), history: history(from) });
    await rate(Math.min(count, 20), (i) => store.append('own', message(i)));
    return rate(count, (i) => store.append('own', message(i)));
  },
  appendsAtOnce: async (store, { count }) => {
    await store.create({ ...task('own'), history: history(1) });
    return together(count, (i) => store.append('own', message(i)));
  },
  history: async (store, { count, from }) => {
    await store.create({ ...task('own'), history: [message(0)] });
    for (let i = 1; i < from; i += 50) await Promise.all(history(50).map((one) => store.append('own', one)));
    return rate(count, async () => (await store.get('own')).history.length);
  },
  /** The same history as one record, read by its key. */
  wholeRecord: async (store, { count, from }) => {
    await store.create({ ...task('own'), history: history(from) });
    return rate(count, async () => (await store.get('own')).history.length);
  },
  gets: async (store, { count }) => {
    await fill(store, tasks(1_000));
    return rate(count, async (i) => (await store.get(`t${(i * 7) % 1_000}`)).history.length);
  },
  getsAtOnce: async (store, { count }) => {
    await fill(store, tasks(1_000));
    return together(count, async (i) => (await store.get(`t${(i * 7) % 1_000}`)).history.length);
  },
  /** Until nothing is left to do: what a store puts off is in it. */
  bulkAndClose: async (store, { count }) => {
    const list = tasks(count);
    const start = performance.now();
    await store.bulk(list);
    await store.close();
    return (count / (performance.now() - start)) * 1000;
  },
  newest: async (store, { count }) => rate(count, () => store.newest('completed')),
  newestLive: async (store, { count }) =>
    rate(count, async (i) => {
      await store.append(`t${(i * 7) % 1_000}`, message(i));
      await store.newest('completed');
    }),
};

/** What the safety of an append costs, by itself or as how many times the append without it. */
const costs = {
  validation: async (count) => {
    const changes = Array.from({ length: count }, (_, i) => ({ taskType: 'outgoing', newMessages: [message(i)] }));
    const start = performance.now();
    for (const change of changes) validate(updateTaskParamsShape, change);
    return ((performance.now() - start) * 1000) / count;
  },
  append: async (count, store) => 1e6 / (await rate(count, (i) => store.append('own', message(i)))),
  notice: (count, store, silent) =>
    timesAsLong(
      count,
      (i) => store.append('own', message(i)),
      (i) => silent.append('own', message(i)),
    ),
  listener: async (count, store, other) => {
    other.subscribe(() => {})();
    const call = (of) => (i) => of.append('own', message(i));
    return timesAsLong(count, call(other), call(store));
  },
};

globalThis.costOf = async (what, count) => {
  const one = await fresh('Holdfast');
  const other = await (what === 'notice' ? mute(() => fresh('Holdfast')) : fresh('Holdfast'));
  try {
    for (const { store } of [one, other]) {
      await store.create(task('own'));
      await rate(100, (i) => store.append('own', message(i)));
    }
    return await costs[what](count, one.store, other.store);
  } finally {
    for (const { place, store } of [one, other]) await drop(place, store);
  }
};

globalThis.measure = async (work, name, options) => {
  let { place, store } = await fresh(name);
  try {
    if (options.reopened) {
      // From the storage alone: nothing of it is in memory.
      await fill(store, tasks(options.reopened));
      await store.close();
      store = await adapters[name](place);
    }
    return await works[work](store, options);
  } finally {
    await drop(place, store);
  }
};

/** A filled database, for measurements that leave it as it is or nearly so: filled once, opened in each round. */
globalThis.fillFor = async (name, place, count) => {
  const store = await adapters[name](place);
  await fill(store, tasks(count));
  await store.close();
  // The browser tidies up after it.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
};

/** An origin whose last database is closed is put away by the browser, and got out again at the next open, whoever's that is. */
indexedDB.open('keeps the origin at hand');

globalThis.openTime = async (name, place) => {
  // What the one before has left to do is not this one's.
  await new Promise((resolve) => setTimeout(resolve, 200));
  const start = performance.now();
  const store = await adapters[name](place);
  const found = await store.get('t7');
  const ms = performance.now() - start;
  await store.close();
  if (!found) throw new Error('t7 is not there');
  return ms;
};

/** Appends to a task of its own in a filled database. */
globalThis.appendsIn = async (name, place, count) => {
  const store = await adapters[name](place);
  const id = `own-${runs++}`;
  try {
    await store.create({ ...task(id), history: history(1) });
    await rate(20, (i) => store.append(id, message(i)));
    return await rate(count, (i) => store.append(id, message(i)));
  } finally {
    await store.close();
  }
};

/** Goes on with a task for so many messages, and leaves the store open; answers how many it has. */
globalThis.goOn = async (name, count) => {
  const store = await adapters[name]('killed');
  // PouchDB rejects where there is none.
  const found = (await store.get('own').catch(() => undefined))?.history.length ?? 0;
  if (count > 0 && found === 0) await store.create({ ...task('own'), history: [] });
  for (let i = 0; i < count; i++) await store.append('own', message(i));
  return found + count;
};

/** Bytes on their way into the database: what put and add are handed. */
globalThis.bytesOf = async (name, count) => {
  const { place, store } = await fresh(name);
  let bytes = 0;
  const { put, add } = IDBObjectStore.prototype;
  const counted = (original) =>
    function (value, ...rest) {
      bytes += JSON.stringify(value).length;
      return original.call(this, value, ...rest);
    };
  IDBObjectStore.prototype.put = counted(put);
  IDBObjectStore.prototype.add = counted(add);
  try {
    await store.create({ ...task('own'), history: [message(0)] });
    bytes = 0;
    for (let i = 0; i < count; i++) await store.append('own', message(i));
    return bytes / 1e6;
  } finally {
    Object.assign(IDBObjectStore.prototype, { put, add });
    await drop(place, store);
  }
};
