/** When the journal is brought to the disk, and when it is folded into the file: often enough, and no more often. */
import type { NoParamCallback } from 'node:fs';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { LocalTaskStore } from '../src/local-task-store.ts';
import { documentIn, newFile, open, say, texts } from './support/json-file.ts';
import { SimulatedDisk } from './support/json-file-disk.ts';

const view = { historyLength: 0 };
const patiently = { timeout: 20_000 };
const add = (store: LocalTaskStore, id: string, length: number) =>
  store.upsertTask({ id, message: say('x'.repeat(length)) }, view);
const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
};

/** A closed store of some 200 kB: a task's first message is its status, too. */
async function largeFile(): Promise<string> {
  const path = newFile();
  const store = await open(path, { durability: 'relaxed' });
  for (let n = 0; n < 10; n++) await add(store, `t${n}`, 10_000);
  await store.close();
  return path;
}

/** How many messages of a task the file has. */
function lengthOf(path: string, id: string): number | undefined {
  return documentIn(path).tasks.find((stored) => stored.id === id)?.task.history?.length;
}

/** A disk that counts how often the file is begun anew, and may fail to put the new one in its place. */
function countingDisk() {
  const disk = new SimulatedDisk();
  const seen = { disk, begun: 0, fails: false };
  disk.onChange = (what, file) => {
    if (!file.endsWith('.json.tmp')) return;
    if (what === 'open') seen.begun++;
    if (what === 'rename' && seen.fails) throw Object.assign(new Error('EIO: simulated'), { code: 'EIO' });
  };
  return seen;
}

describe.each(['strict', 'relaxed'] as const)('a journal, %s', (durability) => {
  it('is folded into the file when it has outgrown it, not before', async () => {
    const path = await largeFile();
    const seen = countingDisk();
    await using store = await open(path, { durability, fs: seen.disk.fs, foldFrom: 1000 });
    for (let n = 0; n < 19; n++) await add(store, 't0', 10_000);
    await turns(20);
    expect(seen.begun).toBe(0);
    for (let n = 0; n < 2; n++) await add(store, 't0', 10_000);
    await vi.waitFor(() => expect(lengthOf(path, 't0')).toBe(22), patiently);
    expect(seen.begun).toBe(1);
  });

  it('is folded however large the file is, when it has the size that memory may take', async () => {
    const path = await largeFile();
    const seen = countingDisk();
    await using store = await open(path, { durability, fs: seen.disk.fs, foldFrom: 1000, foldAt: 20_000 });
    await add(store, 't0', 10_000);
    await turns(20);
    expect(seen.begun).toBe(0);
    await add(store, 't0', 10_000);
    await vi.waitFor(() => expect(lengthOf(path, 't0')).toBe(3), patiently);
    expect(seen.begun).toBe(1);
  });

  it('that goes on growing while the file is rewritten holds up long changes, and short ones hardly', async () => {
    const path = newFile();
    const { fs } = new SimulatedDisk();
    const held: (() => void)[] = [];
    let holds = false;
    const fsync = (fd: number, done: NoParamCallback) => {
      if (holds) held.push(() => fs.fsync(fd, done));
      else fs.fsync(fd, done);
    };
    const slow = { ...fs, fsync: fsync as typeof fs.fsync };
    await using store = await open(path, { durability, fs: slow, foldFrom: 500, foldAt: 1000 });
    holds = true;
    for (let n = 0; n < 30; n++) await add(store, `t${n}`, 200);
    let isDone = false;
    const long = add(store, 'long', 500_000).then(() => {
      isDone = true;
    });
    for (let n = 0; n < 3; n++) await add(store, 'short', 10);
    const isHeldUp = !isDone;
    holds = false;
    for (const sync of held) sync();
    await long;
    expect(isHeldUp).toBe(true);
    expect((await store.listTasks()).tasks).toHaveLength(32);
  }, 10_000);

  it('that could not be folded is not tried again before much more has come', async () => {
    const path = newFile();
    const seen = countingDisk();
    await using store = await open(path, { durability, fs: seen.disk.fs, foldFrom: 10_000 });
    seen.fails = true;
    await add(store, 't', 11_000);
    for (let n = 0; n < 50; n++) {
      await add(store, 't', 10);
      await turns(5);
    }
    expect(seen.begun).toBe(1);
    seen.fails = false;
    await add(store, 't', 11_000);
    await vi.waitFor(() => expect(documentIn(path).tasks).toHaveLength(1), patiently);
    expect(seen.begun).toBe(2);
  });
});

it.each(['strict', 'relaxed'] as const)(
  'a journal that cannot be begun is not tried at each change: %s',
  async (durability) => {
    const path = newFile();
    const disk = new SimulatedDisk();
    let tried = 0;
    let fails = true;
    disk.onChange = (what, file) => {
      if (what !== 'open' || !file.endsWith('.journal.1')) return;
      tried++;
      if (fails) throw Object.assign(new Error('EMFILE: simulated'), { code: 'EMFILE' });
    };
    await using store = await open(path, { durability, fs: disk.fs, foldFrom: 10_000 });
    await add(store, 't', 11_000);
    for (let n = 0; n < 50; n++) {
      await add(store, 't', 10);
      await turns(5);
    }
    expect(tried).toBe(1);
    fails = false;
    await add(store, 't', 11_000);
    await vi.waitFor(() => expect(lengthOf(path, 't')).toBe(52), patiently);
    expect(tried).toBe(2);
  },
);

it.each(['strict', 'relaxed'] as const)(
  'goes on under the fake timers of a test: %s',
  async (durability) => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const path = newFile();
    const store = await open(path, { durability });
    await store.upsertTask({ id: 't', message: say('a') });
    await Promise.all(['b', 'c'].map((text) => store.updateTask('t', { newMessages: [say(text)] })));
    await store.deleteTask('none');
    await store.close();
    await using again = await open(path, { durability });
    expect(texts(await again.getTask('t'))).toEqual(['a', 'b', 'c']);
  },
  10_000,
);

it('goes on where timers are numbers, as those of jsdom', async () => {
  const { setInterval, setTimeout } = globalThis;
  vi.stubGlobal('setInterval', (then: () => void, ms: number) => +setInterval(then, ms));
  vi.stubGlobal('setTimeout', (then: () => void, ms: number) => +setTimeout(then, ms));
  onTestFinished(() => void vi.unstubAllGlobals());
  const path = newFile();
  for (const durability of ['strict', 'relaxed'] as const) {
    const store = await open(path, { durability });
    await store.upsertTask({ id: 't', message: say(durability) });
    await store.close();
  }
  await using again = await open(path);
  expect(texts(await again.getTask('t'))).toEqual(['strict', 'relaxed']);
});

describe('a change under relaxed', () => {
  afterEach(() => void vi.useRealTimers());

  it('is brought to the disk a tenth of a second later, together with those that came meanwhile', async () => {
    const path = newFile();
    const disk = new SimulatedDisk();
    let syncs = 0;
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const held: (() => void)[] = [];
    let holds = true;
    const fdatasync = ((fd: number, done: NoParamCallback) => {
      syncs++;
      if (holds) held.push(() => disk.fs.fdatasync(fd, done));
      else disk.fs.fdatasync(fd, done);
    }) as typeof disk.fs.fdatasync;
    const end = async () => {
      for (const sync of held.splice(0)) sync();
      await turns(5);
    };
    const store = await open(path, { durability: 'relaxed', fs: { ...disk.fs, fdatasync } });
    for (let n = 0; n < 5; n++) await add(store, 't', 10);
    await vi.advanceTimersByTimeAsync(99);
    expect(syncs).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(syncs).toBe(1);
    // The sync is under way, and knows nothing of this one.
    await add(store, 't', 10);
    await vi.advanceTimersByTimeAsync(1000);
    expect(syncs).toBe(1);
    await end();
    await vi.advanceTimersByTimeAsync(100);
    expect(syncs).toBe(2);
    await end();
    await vi.advanceTimersByTimeAsync(1000);
    expect(syncs).toBe(2);
    await add(store, 't', 10);
    await vi.advanceTimersByTimeAsync(100);
    expect(syncs).toBe(3);
    await end();
    await add(store, 't', 10);
    holds = false;
    await store.close();
    syncs = 0;
    await vi.advanceTimersByTimeAsync(1000);
    expect(syncs).toBe(0);
  });
});
