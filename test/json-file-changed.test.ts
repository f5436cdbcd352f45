/** What other programs, and calls that were given up, do to a file that is open, or was. */
import nodeFs, {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { FileSystem } from '../src/backends/json-file/file-system.ts';
import type { LocalTaskStore } from '../src/local-task-store.ts';
import { crashCopy, documentIn, journalOf, newFile, open, say, texts } from './support/json-file.ts';
import { SimulatedDisk } from './support/json-file-disk.ts';

const corrupt = { code: 'STORE_CORRUPT' };
const idsIn = async (store: LocalTaskStore) => (await store.listTasks()).tasks.map(({ id }) => id).sort();

/** A closed store with three tasks. */
async function closedStore(length = 1): Promise<string> {
  const path = newFile();
  await using store = await open(path);
  for (const id of ['a', 'b', 'c']) await store.upsertTask({ id, message: say(`text of ${id}`.padEnd(length)) });
  return path;
}

it('a file that was edited while it was open keeps the edit, and what the store changed', async () => {
  const path = await closedStore();
  const store = await open(path);
  await store.upsertTask({ id: 'd', message: say('new') });
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll('text of a', 'a longer text of a'));
  // Its lines lie elsewhere now: none of them may be taken for another.
  const message = expect.stringContaining(`${path}: another program has changed it`);
  await expect(store.close()).rejects.toMatchObject({ ...corrupt, operation: 'close', message });
  await using again = await open(path);
  expect(await idsIn(again)).toEqual(['a', 'b', 'c', 'd']);
  expect(texts(await again.getTask('a'))).toEqual(['a longer text of a']);
  expect(texts(await again.getTask('d'))).toEqual(['new']);
});

it.each(['before', 'while'])(
  'a file that is cut off %s it is written anew keeps no store from closing',
  async (when) => {
    const path = await closedStore(200_000);
    const text = readFileSync(path, 'utf8');
    const read = (...args: unknown[]) => {
      // Just where the next line begins: of it there is not even a byte to read.
      const done = args.pop() as (...ends: unknown[]) => void;
      (nodeFs.read as (...args: unknown[]) => void)(...args, (...ends: unknown[]) => {
        if (when === 'while') truncateSync(path, text.indexOf('{"id":"b"'));
        done(...ends);
      });
    };
    const store = await open(path, { fs: { ...nodeFs, read } as unknown as FileSystem });
    await store.upsertTask({ id: 'd', message: say('new') });
    if (when === 'before') truncateSync(path, text.indexOf('text of b') + 1000);
    await expect(store.close()).rejects.toMatchObject(corrupt);
    writeFileSync(path, text);
    await using again = await open(path);
    expect(await idsIn(again)).toEqual(['a', 'b', 'c', 'd']);
  },
);

it('a file that was edited while it was written anew keeps the edit', async () => {
  const path = await closedStore();
  let edited = false;
  const write = (...args: unknown[]) => {
    if (!edited) writeFileSync(path, readFileSync(path, 'utf8').replaceAll('text of a', 'a longer text of a'));
    edited = true;
    return (nodeFs.write as (...args: unknown[]) => void)(...args);
  };
  const store = await open(path, { fs: { ...nodeFs, write } as unknown as FileSystem });
  await store.upsertTask({ id: 'd', message: say('new') });
  await expect(store.close()).rejects.toMatchObject(corrupt);
  await using again = await open(path);
  expect(texts(await again.getTask('a'))).toEqual(['a longer text of a']);
  expect(texts(await again.getTask('d'))).toEqual(['new']);
});

it.each(['strict', 'relaxed'] as const)(
  'a change that was given up and comes after the end touches no file: %s',
  async (durability) => {
    const path = await closedStore();
    const touched: string[] = [];
    const fs: Record<string, unknown> = { ...nodeFs };
    for (const name of ['openSync', 'write', 'writeSync', 'ftruncateSync', 'fdatasync', 'fdatasyncSync'] as const) {
      fs[name] = (...args: unknown[]) => {
        touched.push(name);
        return (nodeFs[name] as (...args: unknown[]) => unknown)(...args);
      };
    }
    const store = await open(path, { durability, fs: fs as unknown as FileSystem });
    await store.upsertTask({ id: 'd', message: say('new') });
    const { port } = store;
    const key = { callerId: undefined, taskType: 'incoming', taskId: 'a' } as const;
    await store.close();
    touched.length = 0;
    // By then the numbers of its files may be those of others.
    await expect(port.transact(key, () => 'remove')).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    await expect(port.backend.setMeta('a', 1)).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    expect(touched).toEqual([]);
  },
);

/** What may be done to a file that is open, and is no loss to anybody. */
const harmless: Readonly<Record<string, (path: string) => void>> = {
  'a later time': (path) => utimesSync(path, new Date(), new Date(Date.now() + 60_000)),
  'an earlier time': (path) => utimesSync(path, 1, 1),
  'a copy of it put in its place, as sync folders do': (path) => {
    cpSync(path, `${path}.new`);
    renameSync(`${path}.new`, path);
  },
  'itself written over it': (path) => writeFileSync(path, readFileSync(path)),
  'nothing: it was deleted': (path) => rmSync(path),
  'nothing: it was moved elsewhere': (path) => renameSync(path, `${path}.moved`),
};

it.each(Object.entries(harmless))('an open file that was given %s is written anew as ever', async (_, change) => {
  const path = await closedStore();
  const store = await open(path, { foldFrom: 500 });
  change(path);
  await store.upsertTask({ id: 'd', message: say('x'.repeat(1000)) });
  await vi.waitFor(() => expect(generationOf(path)).toBe(2));
  change(path);
  await store.upsertTask({ id: 'e', message: say('new') });
  await store.close();
  expect(keptBeside(path)).toEqual([]);
  await using again = await open(path);
  expect(await idsIn(again)).toEqual(['a', 'b', 'c', 'd', 'e']);
});

const keptBeside = (path: string) =>
  readdirSync(dirname(path))
    .filter((name) => name.includes('.kept-'))
    .map((name) => join(dirname(path), name));
const generationOf = (path: string) =>
  existsSync(path) ? (documentIn(path).holdfast as { generation: number }).generation : undefined;

it('a file that was replaced while it was open keeps the replacement, what the store changed, and the store as it would have been', async () => {
  const path = await closedStore();
  const store = await open(path);
  await store.upsertTask({ id: 'd', message: say('new') });
  // An editor that saves by renaming, with as many letters as before.
  writeFileSync(`${path}~`, readFileSync(path, 'utf8').replaceAll('text of a', 'TEXT OF A'));
  utimesSync(`${path}~`, statSync(path).atime, statSync(path).mtime);
  renameSync(`${path}~`, path);
  await expect(store.close()).rejects.toMatchObject({ ...corrupt, operation: 'close' });
  const [kept = '', ...others] = keptBeside(path);
  expect(others).toEqual([]);
  await using ours = await open(kept);
  expect(texts(await ours.getTask('a'))).toEqual(['text of a']);
  expect(texts(await ours.getTask('d'))).toEqual(['new']);
  await using again = await open(path);
  expect(texts(await again.getTask('a'))).toEqual(['TEXT OF A']);
  expect(texts(await again.getTask('d'))).toEqual(['new']);
});

it('an edit of the same length, whose lines lie elsewhere, is kept', async () => {
  const path = await closedStore();
  const store = await open(path);
  await store.upsertTask({ id: 'd', message: say('new') });
  const before = readFileSync(path, 'utf8');
  const text = before.replace('text of a', 'text').replace('text of b', 'text of b, too');
  expect(text).toHaveLength(before.length);
  writeFileSync(path, text);
  await expect(store.close()).rejects.toMatchObject(corrupt);
  expect(readFileSync(path, 'utf8')).toBe(text);
});

it('a backup that is put back while the store is open stays, and so does what it took the place of', async () => {
  const path = await closedStore();
  const backup = readFileSync(path, 'utf8');
  cpSync(path, `${path}.backup`);
  const before = await open(path);
  await before.upsertTask({ id: 'd', message: say('after the backup') });
  await before.close();
  const store = await open(path, { foldFrom: 500 });
  renameSync(`${path}.backup`, path);
  for (let n = 0; n < 20; n++) await store.upsertTask({ id: 'e', message: say('x'.repeat(500)) });
  await expect(store.close()).rejects.toMatchObject(corrupt);
  expect(readFileSync(path, 'utf8')).toBe(backup);
  const [kept = '', ...others] = keptBeside(path);
  expect(others).toEqual([]);
  // Which may take the place of the other: the journals are older than it.
  renameSync(kept, path);
  await using again = await open(path);
  expect(await idsIn(again)).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect((await again.getTask('e'))?.task.history).toHaveLength(20);
});

it('a file that came to where there was none stays', async () => {
  const path = newFile();
  const store = await open(path);
  await store.upsertTask({ id: 'd', message: say('new') });
  const other = await closedStore();
  cpSync(other, path);
  await expect(store.close()).rejects.toMatchObject(corrupt);
  expect(readFileSync(path)).toEqual(readFileSync(other));
});

/** What a store that was killed has left: the file, and the journal that it had come to. */
async function leftByDead(): Promise<string> {
  const path = await closedStore();
  const store = await open(path);
  await store.upsertTask({ id: 'd', message: say('acknowledged') });
  const left = crashCopy(path);
  await store.close();
  return left;
}

it('a later file from another machine, where the store went on, costs no change that a killed process has left in its journal', async () => {
  const path = await leftByDead();
  const elsewhere = newFile();
  cpSync(path, elsewhere);
  for (const id of ['e', 'f']) {
    await using other = await open(elsewhere);
    await other.upsertTask({ id, message: say('elsewhere') });
  }
  const before = readFileSync(path);
  cpSync(elsewhere, path);
  const expected = {
    ...corrupt,
    message: expect.stringContaining(`${path}.journal.1: the journal belongs to another`),
  };
  await expect(open(path)).rejects.toMatchObject(expected);
  await expect(open(path, { readOnly: true })).rejects.toMatchObject(expected);
  // Both ways on that it tells of.
  const [journal, aside] = [`${path}.journal.1`, join(dirname(path), 'aside')];
  renameSync(journal, aside);
  const later = await open(path);
  expect(await idsIn(later)).toEqual(['a', 'b', 'c', 'e', 'f']);
  await later.close();
  renameSync(aside, journal);
  writeFileSync(path, before);
  await using earlier = await open(path);
  expect(await idsIn(earlier)).toEqual(['a', 'b', 'c', 'd']);
});

describe.each(['strict', 'relaxed'] as const)('what stood in a journal, %s,', (durability) => {
  it.each<[string, (journal: string) => void]>([
    ['removed', (journal) => rmSync(journal)],
    ['replaced by a sync folder', (journal) => renameSync(`${journal}~`, journal)],
    ['emptied', (journal) => truncateSync(journal)],
    ['cut off', (journal) => truncateSync(journal, 200)],
  ])('is written anew with the next change where it was %s', async (_, change) => {
    const passes = vi.spyOn(performance, 'now').mockReturnValue(0);
    onTestFinished(() => void passes.mockRestore());
    const path = await closedStore();
    await using store = await open(path, { durability });
    await store.upsertTask({ id: 'd', message: say('acknowledged') });
    const journal = journalOf(path);
    cpSync(journal, `${journal}~`);
    change(journal);
    passes.mockReturnValue(1000);
    await store.upsertTask({ id: 'e', message: say('new') });
    await using again = await open(crashCopy(path));
    expect(await idsIn(again)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });
});

it.each([1, 300_000])(
  'a strict journal that is cut off is written anew also where %s more bytes came meanwhile',
  async (bytes) => {
    const passes = vi.spyOn(performance, 'now').mockReturnValue(0);
    onTestFinished(() => void passes.mockRestore());
    const path = await closedStore();
    await using store = await open(path);
    for (const id of ['d', 'e']) await store.upsertTask({ id, message: say('acknowledged') });
    truncateSync(journalOf(path), 200);
    await store.upsertTask({ id: 'f', message: say('x'.repeat(bytes)) });
    passes.mockReturnValue(1000);
    await store.upsertTask({ id: 'g', message: say('new') });
    await using again = await open(crashCopy(path));
    expect(await idsIn(again)).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
  },
);

it('who closes a store whose folder was deleted is not told that its changes are in the journal', async () => {
  const path = newFile();
  const store = await open(path);
  await store.upsertTask({ id: 't', message: say('first') });
  rmSync(dirname(path), { recursive: true });
  const closing = store.close();
  await expect(closing).rejects.toMatchObject({ code: 'IO_ERROR', message: expect.stringContaining('journal') });
  await expect(closing).rejects.toThrow(/its journal with the changes since then is gone/);
});

it('a journal that is removed as soon as it is there costs no change', async () => {
  const passes = vi.spyOn(performance, 'now').mockReturnValue(0);
  onTestFinished(() => void passes.mockRestore());
  const path = await closedStore();
  const fsync = (...args: Parameters<FileSystem['fsync']>) => {
    rmSync(`${path}.journal.1`, { force: true });
    nodeFs.fsync(...args);
  };
  await using store = await open(path, { fs: { ...nodeFs, fsync } as unknown as FileSystem });
  passes.mockReturnValue(1000);
  await store.upsertTask({ id: 'd', message: say('new') });
  await using again = await open(crashCopy(path));
  expect(await idsIn(again)).toEqual(['a', 'b', 'c', 'd']);
});

it('journals that are removed while the file is written anew cost no change either', async () => {
  const passes = vi.spyOn(performance, 'now').mockReturnValue(0);
  onTestFinished(() => void passes.mockRestore());
  const path = await closedStore();
  let isHeld = true;
  const held: (() => void)[] = [];
  const write = (...args: unknown[]) => {
    const go = () => (nodeFs.write as (...args: unknown[]) => void)(...args);
    if (isHeld) held.push(go);
    else go();
  };
  await using store = await open(path, { foldFrom: 500, fs: { ...nodeFs, write } as unknown as FileSystem });
  await store.upsertTask({ id: 'd', message: say('x'.repeat(1000)) });
  await vi.waitFor(() => expect(held).toHaveLength(1));
  for (const generation of [1, 2]) rmSync(`${path}.journal.${generation}`);
  passes.mockReturnValue(1000);
  const changes = ['e', 'f'].map((id) => store.upsertTask({ id, message: say('new') }));
  isHeld = false;
  held[0]?.();
  await Promise.all(changes);
  await using again = await open(crashCopy(path));
  expect(await idsIn(again)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
});

it('a file of the same generation from another machine does not get the changes that were made to ours', async () => {
  const path = await closedStore();
  const elsewhere = newFile();
  cpSync(path, elsewhere);
  const other = await open(elsewhere);
  await other.upsertTask({ id: 'e', message: say('elsewhere') });
  await other.close();
  await using store = await open(path, { foldFrom: 500 });
  await store.upsertTask({ id: 'd', message: say('x'.repeat(1000)) });
  await vi.waitFor(() => expect(generationOf(path)).toBe(generationOf(elsewhere)));
  await store.upsertTask({ id: 'f', message: say('acknowledged') });
  const left = crashCopy(path);
  const before = readFileSync(left);
  cpSync(elsewhere, left);
  await expect(open(left)).rejects.toMatchObject({
    ...corrupt,
    message: expect.stringContaining('the journal belongs to another file'),
  });
  expect(readFileSync(left)).toEqual(readFileSync(elsewhere));
  writeFileSync(left, before);
  await using again = await open(left);
  expect(await idsIn(again)).toEqual(['a', 'b', 'c', 'd', 'f']);
});

it.each([
  ['whose writer is among those that the file names', 1],
  ['since the file names no writers, as those of earlier versions do not', 0],
])('a journal that the file holds already is removed: one %s', async (_, named) => {
  const path = await leftByDead();
  const left = readFileSync(`${path}.journal.1`);
  for (let round = 0; round < 2 - named; round++) {
    await using store = await open(path);
    await store.upsertTask({ id: 'e', message: say('new') });
  }
  if (!named) writeFileSync(path, readFileSync(path, 'utf8').replace(/"writers":\[[^\]]*\],/, ''));
  writeFileSync(`${path}.journal.1`, left);
  await using again = await open(path);
  expect(await idsIn(again)).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(existsSync(`${path}.journal.1`)).toBe(false);
});

/** Those told from now on, until the test ends. */
function warningsOfProcess(): readonly Error[] {
  const warnings: Error[] = [];
  const warn = (warning: Error) => warnings.push(warning);
  process.on('warning', warn);
  onTestFinished(() => {
    process.off('warning', warn);
  });
  return warnings;
}

it('a file that cannot be written anew is told of while the store is open, once, and again after it could', async () => {
  const path = await closedStore();
  const warnings = warningsOfProcess();
  let attempts = 0;
  let isFull = true;
  const write = (...args: unknown[]) => {
    if (!isFull) return (nodeFs.write as (...args: unknown[]) => void)(...args);
    attempts++;
    const done = args.pop() as (error: Error) => void;
    setImmediate(() => done(Object.assign(new Error('ENOSPC: simulated'), { code: 'ENOSPC' })));
  };
  const store = await open(path, { foldFrom: 500, fs: { ...nodeFs, write } as unknown as FileSystem });
  const grow = () => store.upsertTask({ id: 'e', message: say('x'.repeat(500)) });
  const growUntil = (condition: () => boolean) =>
    vi.waitFor(
      async () => {
        await grow();
        expect(condition()).toBe(true);
      },
      { interval: 1, timeout: 5_000 },
    );
  await growUntil(() => attempts > 2);
  expect(warnings).toMatchObject([{ name: 'TaskStoreWarning', code: 'IO_ERROR' }]);
  expect(warnings[0]?.message).toContain(`${path} could not be written anew (ENOSPC: simulated)`);
  isFull = false;
  await growUntil(() => (generationOf(path) ?? 0) > 1);
  isFull = true;
  await growUntil(() => warnings.length === 2);
  isFull = false;
  await store.close();
});

it('a file that cannot be written anew again, after a journal that failed had it written, is told of again', async () => {
  const path = await closedStore();
  const warnings = warningsOfProcess();
  const disk = new SimulatedDisk();
  let isFull = true;
  disk.onChange = (what, file) => {
    if (isFull && what === 'write' && file.endsWith('.tmp')) throw new Error('ENOSPC: simulated');
  };
  const store = await open(path, { foldFrom: 500, fs: disk.fs });
  const grow = () => store.upsertTask({ id: 'e', message: say('x'.repeat(500)) });
  const growUntilWarned = (times: number) => vi.waitFor(() => grow().then(() => expect(warnings).toHaveLength(times)));
  await growUntilWarned(1);
  disk.failSync = true;
  await expect(grow()).rejects.toMatchObject({ code: 'IO_ERROR' });
  disk.failSync = isFull = false;
  const before = generationOf(path) ?? 0;
  await grow();
  expect(generationOf(path)).toBeGreaterThan(before);
  isFull = true;
  await growUntilWarned(2);
  isFull = false;
  await store.close();
});

it('a file that was written over is named once in the error of close', async () => {
  const path = await closedStore();
  // As others lay it out: its lines are not passed through, but parsed.
  writeFileSync(path, JSON.stringify(documentIn(path), undefined, 2));
  const store = await open(path);
  await store.upsertTask({ id: 'd', message: say('new') });
  writeFileSync(path, 'x'.repeat(statSync(path).size));
  const error = await store.close().catch((error: Error) => error);
  expect(error).toMatchObject(corrupt);
  expect((error as Error).message.split(path)).toHaveLength(2);
});

it('a folder that could not be synced once is no change by others', async () => {
  const path = await closedStore();
  const disk = new SimulatedDisk();
  const store = await open(path, { fs: disk.fs, foldFrom: 500 });
  let failed = false;
  let placed = false;
  disk.onChange = (what, file) => {
    if (what === 'rename' && file.endsWith('.json.tmp')) placed = true;
    if (failed || !placed || what !== 'sync' || file !== '') return;
    failed = true;
    throw Object.assign(new Error('EIO: simulated'), { code: 'EIO' });
  };
  for (let n = 0; n < 20; n++) await store.upsertTask({ id: 'e', message: say('x'.repeat(500)) });
  await vi.waitFor(() => expect(failed).toBe(true));
  await store.close();
  await using again = await open(path);
  expect(await idsIn(again)).toEqual(['a', 'b', 'c', 'e']);
});

it.each([
  { why: 'the disk fails', known: false, code: 'IO_ERROR' },
  { why: 'the disk fails', known: true, code: 'IO_ERROR' },
  { why: 'the file was written over', known: false, code: 'STORE_CORRUPT' },
  { why: 'the file was written over', known: true, code: 'STORE_CORRUPT' },
])(
  'what cannot be read any more, for $why, is told as such by every call: heads known $known',
  async ({ known, code }) => {
    const path = await closedStore(20_000);
    let fails = false;
    const readSync = ((...args: Parameters<typeof nodeFs.readSync>) => {
      if (fails) throw Object.assign(new Error('EIO: simulated'), { code: 'EIO' });
      return nodeFs.readSync(...args);
    }) as FileSystem['readSync'];
    const store = await open(path, { fs: { ...nodeFs, readSync } });
    if (known) await store.listTasks();
    const text = readFileSync(path);
    fails = code === 'IO_ERROR';
    if (!fails) writeFileSync(path, Buffer.alloc(text.length, '#'));
    const expected = { name: 'TaskStoreError', code, message: expect.stringContaining(path) };
    if (!known) await expect(store.listTasks()).rejects.toMatchObject({ ...expected, operation: 'listTasks' });
    await expect(store.getTask('a')).rejects.toMatchObject({ ...expected, operation: 'getTask', taskId: 'a' });
    await expect(store.exportTasks().next()).rejects.toMatchObject(expected);
    fails = false;
    writeFileSync(path, text);
    await store.close();
  },
);
