/** What other programs, and calls that were given up, do to a file that is open, or was. */
import nodeFs, { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { FileSystem } from '../src/backends/json-file/file-system.ts';
import type { LocalTaskStore } from '../src/local-task-store.ts';
import { newFile, open, say, texts } from './support/json-file.ts';

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
  await expect(store.close()).rejects.toMatchObject({ ...corrupt, operation: 'close' });
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
    await expect(port.setMeta('a', 1)).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    expect(touched).toEqual([]);
  },
);
