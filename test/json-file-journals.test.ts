/** Journals that follow each other on a disk that fails, or loses its power, at the worst moments. */
import nodeFs from 'node:fs';
import { expect, it, vi } from 'vitest';
import type { FileSystem } from '../src/backends/json-file/file-system.ts';
import type { LocalTaskStore } from '../src/local-task-store.ts';
import { crashCopy, newFile, open, say, texts } from './support/json-file.ts';
import { SimulatedDisk } from './support/json-file-disk.ts';
import { heldWrites } from './support/json-file-handles.ts';
import { scaled, seededRandom } from './support/long.ts';

const io = { code: 'IO_ERROR' };
const fail = (code: string): never => {
  throw Object.assign(new Error(`${code}: simulated`), { code });
};
const isFile = (file: string) => file.endsWith('.json.tmp');
const add = (store: LocalTaskStore, id: string, text: string) => store.upsertTask({ id, message: say(text) });
const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
};
const cuts = scaled(20, 200);

/** What stands in the tasks `a` and `b` of the store that a power cut has left, wherever it came in between. */
async function left(path: string): Promise<unknown[][]> {
  await using store = await open(path);
  return [texts(await store.getTask('a')), texts(await store.getTask('b'))];
}

it('a store that could take no change opens again', async () => {
  const path = newFile();
  const first = await open(path);
  await add(first, 'a', 'one');
  await first.close();
  const disk = new SimulatedDisk();
  const store = await open(path, { fs: disk.fs });
  // That of the change, and that of the journal which was to take the place of the failed one.
  disk.failSync = true;
  for (let n = 0; n < 2; n++) await expect(add(store, 'a', 'refused')).rejects.toMatchObject(io);
  disk.failSync = false;
  await store.close();
  expect(await left(path)).toEqual([['one'], []]);
});

it('a journal that nothing was written to, and that cannot be removed, keeps no store from opening', async () => {
  const disk = new SimulatedDisk();
  const path = newFile();
  const first = await open(path);
  await add(first, 'a', 'one');
  await first.close();
  const store = await open(path, { fs: disk.fs, foldFrom: 1 });
  let copy = '';
  disk.onChange = (what, file) => {
    if (what === 'write' && isFile(file)) copy ||= crashCopy(path);
  };
  disk.failSync = true;
  await expect(add(store, 'a', 'refused')).rejects.toMatchObject(io);
  disk.failSync = false;
  await add(store, 'a', 'two');
  await store.close();
  disk.onChange = (what, file) => {
    if (what === 'remove' && file.endsWith('.journal.2')) fail('EPERM');
  };
  const again = await open(copy, { fs: disk.fs });
  expect(texts(await again.getTask('a'))).toEqual(['one']);
  await again.close();
  disk.onChange = () => {};
  expect(await left(copy)).toEqual([['one'], []]);
});

it('half a change that was cut off stays away when the power goes', async () => {
  const random = seededRandom('half a change');
  for (let cut = 0; cut < cuts; cut++) {
    const path = newFile();
    const disk = new SimulatedDisk();
    const store = await open(path, { fs: disk.fs, foldFrom: 1000 });
    await add(store, 'a', 'one');
    let refused: Promise<unknown> | undefined;
    disk.onChange = (what, file) => {
      if (what === 'write' && isFile(file)) fail('ENOSPC');
      // Just before changes go on in the next journal.
      if (what !== 'sync' || !file.endsWith('.journal.1') || refused) return;
      disk.space = 100;
      refused = add(store, 'a', 'refused'.repeat(100)).catch((error) => error);
      void refused.then(() => {
        disk.space = Number.POSITIVE_INFINITY;
      });
    };
    await add(store, 'b', 'y'.repeat(1000));
    await vi.waitFor(async () => expect(await refused).toMatchObject(io));
    await turns(20);
    await add(store, 'a', 'two');
    expect((await left(disk.cutPower(path, random)))[0]).toEqual(['one', 'two']);
    disk.onChange = () => {};
    await store.close();
  }
});

it.each(['long', 'short', 'a deletion'])(
  'what a failed sync refused stays away when the power goes: %s',
  async (what) => {
    const random = seededRandom(`refused, ${what}`);
    for (let cut = 0; cut < cuts; cut++) {
      const path = newFile();
      const disk = new SimulatedDisk();
      const store = await open(path, { fs: disk.fs });
      await add(store, 'a', 'one');
      disk.failSync = true;
      const text = 'refused'.repeat(what === 'long' ? 200 : 1);
      const refused = what === 'a deletion' ? [store.deleteTask('a')] : [add(store, 'a', text), add(store, 'b', text)];
      for (const end of await Promise.allSettled(refused)) expect(end).toMatchObject({ reason: io });
      disk.failSync = false;
      disk.onChange = (what, file) => {
        if (what === 'write' && isFile(file)) fail('ENOSPC');
      };
      const ends = [await add(store, 'a', 'two').catch((error) => error)];
      disk.onChange = () => {};
      ends.push(await add(store, 'a', 'three').catch((error) => error));
      const acknowledged = ['two', 'three'].filter((_, n) => !(ends[n] instanceof Error));
      expect(await left(disk.cutPower(path, random))).toEqual([['one', ...acknowledged], []]);
      await store.close();
    }
  },
);

it('a journal stays until the file that holds it is there to stay', async () => {
  const random = seededRandom('names of files');
  for (let cut = 0; cut < cuts; cut++) {
    const disk = new SimulatedDisk();
    const path = newFile();
    const store = await open(path, { fs: disk.fs });
    await add(store, 'a', 'one');
    disk.onChange = (what, file) => {
      disk.failSync ||= what === 'rename' && isFile(file);
    };
    await expect(store.close()).rejects.toMatchObject(io);
    disk.failSync = false;
    let copy = '';
    disk.onChange = (what, file) => {
      if (what === 'open' && file.includes('.journal.')) copy ||= disk.cutPower(path, random);
    };
    const again = await open(path, { fs: disk.fs });
    disk.onChange = () => {};
    await again.close();
    expect(await left(copy)).toEqual([['one'], []]);
  }
});

it.each(['a', 'b'])('who only reads sees no later change without the earlier ones: of the task %s', async (id) => {
  const path = newFile();
  const disk = new SimulatedDisk();
  const writer = await open(path, { fs: disk.fs, foldFrom: 1000 });
  await add(writer, 'a', 'one');
  let early = '';
  let two: Promise<unknown> | undefined;
  disk.onChange = (what, file) => {
    if (what === 'write' && isFile(file)) fail('EIO');
    // The next journal is there, but changes still go to the one before.
    if (what !== 'sync' || !file.endsWith('.journal.1') || two) return;
    early = crashCopy(path);
    two = add(writer, id, 'two');
  };
  await add(writer, 'filler', 'y'.repeat(1000));
  await vi.waitFor(() => expect(two).toBeDefined());
  await two;
  await turns(20);
  await add(writer, id, 'three');
  const late = crashCopy(path);
  disk.onChange = () => {};
  await writer.close();

  // Between its looks at the two journals the one state of the disk becomes the other.
  let looks = 0;
  const openSync = ((file: string, ...rest: [string]) => {
    if (file.includes('.journal.') && ++looks === 2) {
      for (const n of [0, 1]) nodeFs.copyFileSync(`${late}.journal.${n}`, `${early}.journal.${n}`);
    }
    return nodeFs.openSync(file, ...rest);
  }) as FileSystem['openSync'];
  await using reader = await open(early, { readOnly: true, fs: { ...nodeFs, openSync } });
  expect(looks).toBeGreaterThan(1);
  const seen = texts(await reader.getTask(id));
  expect(seen).toEqual([...(id === 'a' ? ['one'] : []), 'two', 'three'].slice(0, seen.length));
});

/** A copy as a crash leaves it: the new file could not be put in its place, so that changes are in one journal and the next. */
async function twoJournals(durability: 'strict' | 'relaxed', more: (store: LocalTaskStore) => Promise<unknown>) {
  const path = newFile();
  const disk = new SimulatedDisk();
  const store = await open(path, { fs: disk.fs, foldFrom: 1000, durability });
  let failed = 0;
  disk.onChange = (what, file) => {
    if (what !== 'rename' || !isFile(file)) return;
    failed++;
    fail('EIO');
  };
  await add(store, 'a', 'one');
  await more(store);
  await vi.waitFor(() => expect(failed).toBe(1), { timeout: 20_000 });
  await turns(20);
  await add(store, 'a', 'last');
  const copy = crashCopy(path);
  disk.onChange = () => {};
  await store.close();
  return copy;
}

it('a journal that lost its end, though a later one has changes, is refused as corrupt', async () => {
  const copy = await twoJournals('strict', (store) => add(store, 'b', 'y'.repeat(1000)));

  const journal = nodeFs.readFileSync(`${copy}.journal.0`);
  const end = journal.lastIndexOf('\n');
  nodeFs.writeFileSync(`${copy}.journal.0`, journal.subarray(0, end - 10));
  // Nothing of it is shown, either: without what is lost, what follows may say something else.
  await expect(open(copy, { readOnly: true })).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  await expect(open(copy)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  nodeFs.writeFileSync(`${copy}.journal.0`, journal);
  expect(await left(copy)).toEqual([['one', 'last'], ['y'.repeat(1000)]]);
});

it('a task that is deleted and made anew while the file is written stands there once', async () => {
  const path = newFile();
  const first = await open(path);
  for (const id of ['a', 'b']) await add(first, id, 'one');
  await first.close();
  const { fs, held, letGo } = heldWrites();
  const store = await open(path, { fs, foldFrom: 1 });
  await add(store, 'b', 'y'.repeat(2000));
  await vi.waitFor(() => expect(held).not.toEqual([]), { timeout: 20_000 });
  // One lies in the file alone, the other is just being written.
  for (const id of ['a', 'b']) {
    await store.deleteTask(id);
    await add(store, id, 'anew');
  }
  const check = async (store: LocalTaskStore) => {
    expect((await store.listTasks()).tasks.map(({ id }) => id).sort()).toEqual(['a', 'b']);
    for (const id of ['a', 'b']) expect(texts(await store.getTask(id))).toEqual(['anew']);
  };
  await check(store);
  letGo();
  await vi.waitFor(() => expect(nodeFs.existsSync(`${path}.journal.1`)).toBe(false), { timeout: 20_000 });
  await check(store);
  await using crashed = await open(crashCopy(path));
  await check(crashed);
  await store.close();
  await using again = await open(path);
  await check(again);
});

it('a journal with a hole, though a later one has changes, is refused as corrupt', async () => {
  const copy = await twoJournals('relaxed', (store) =>
    Promise.all([add(store, 'b', 'y'.repeat(3000)), add(store, 'a', 'two')]),
  );
  // It could be of what was under way when the power went, were it the last journal.
  const journal = nodeFs.readFileSync(`${copy}.journal.0`);
  const hole = journal.indexOf('yyy');
  nodeFs.writeFileSync(`${copy}.journal.0`, Buffer.from(journal).fill(0, hole, hole + 500));
  await expect(open(copy, { readOnly: true })).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  await expect(open(copy)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
});
