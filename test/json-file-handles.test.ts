/** Files are open for as long as somebody needs them; an opening that fails holds none, and says what failed. */
import nodeFs, { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { FileSystem } from '../src/backends/json-file/file-system.ts';
import type { TaskStoreError } from '../src/core/errors.ts';
import { crashCopy, newFile, open, say, texts } from './support/json-file.ts';
import { collectGarbage, watchedFiles } from './support/json-file-handles.ts';
import { newFolder } from './support/places.ts';

const soon = { interval: 1, timeout: 20_000 };

/** A store that ended without closing, with changes in its file and in each of two journals, and without an index. */
async function crashed(): Promise<string> {
  const path = newFile();
  const first = await open(path);
  await first.upsertTask({ id: 't', message: say('in the file') });
  await first.close();
  const { fs, hasFailed, open: stillOpen } = watchedFiles(0, (operation) => operation === 'renameSync');
  const store = await open(path, { fs, foldFrom: 1000 });
  await store.upsertTask({ id: 't', message: say(`in the first journal ${'x'.repeat(1000)}`) });
  await vi.waitFor(() => expect(hasFailed() && !stillOpen().some((file) => file.endsWith('.tmp'))).toBe(true), soon);
  await store.upsertTask({ id: 't', message: say('in the second') });
  const copy = crashCopy(path);
  await store.close();
  rmSync(`${copy}.index`);
  expect(readdirSync(dirname(copy)).sort()).toEqual(['tasks.json', 'tasks.json.journal.1', 'tasks.json.journal.2']);
  return copy;
}

const firstWords = (told: unknown[]) => told.map((text) => String(text).split(' x')[0]);
const everything = ['in the file', 'in the first journal', 'in the second'];

function copyOf(path: string): string {
  const folder = newFolder();
  cpSync(dirname(path), folder, { recursive: true });
  return join(folder, basename(path));
}

/** The code of what went wrong, if anything did; an error itself keeps alive what was at work. */
async function openAndClose(path: string, fs: FileSystem, readOnly: boolean): Promise<string | undefined> {
  try {
    const store = await open(path, { fs, readOnly });
    await store.close();
    return undefined;
  } catch (error) {
    return (error as TaskStoreError).code;
  }
}

it.each([false, true])(
  'an opening that fails, whatever it fails at, holds nothing and says that the disk failed: reading only %s',
  async (readOnly) => {
    const path = await crashed();
    let refused = 0;
    for (let failing = 0; ; failing++) {
      const copy = copyOf(path);
      const { fs, open: stillOpen, hasFailed } = watchedFiles(failing);
      const code = await openAndClose(copy, fs, readOnly);
      if (code !== undefined) refused++;
      expect([undefined, 'IO_ERROR'], `operation ${failing}`).toContain(code);
      await vi.waitFor(() => {
        if (stillOpen().length > 0) collectGarbage();
        expect(stillOpen(), `operation ${failing}`).toEqual([]);
      }, soon);
      expect(existsSync(`${copy}.lock`)).toBe(false);
      expect(readdirSync(dirname(copy)).filter((name) => name.includes('.corrupt-'))).toEqual([]);
      await using again = await open(copy);
      expect(firstWords(texts(await again.getTask('t'))), `operation ${failing}`).toEqual(everything);
      await again.close();
      if (!hasFailed()) break;
    }
    expect(refused).toBeGreaterThan(5);
  },
);

it('who only reads, and finds the file rewritten meanwhile, reads it anew and lets go of the old one', async () => {
  const path = newFile();
  const store = await open(path);
  await store.upsertTask({ id: 't', message: say('one') });
  await store.close();
  const more = await open(path);
  await more.upsertTask({ id: 't', message: say('two') });
  const early = crashCopy(path);
  await more.close();
  const { fs, open: stillOpen } = watchedFiles();
  const readdirSync = ((folder: string) => {
    // The other process folds its journal into the file just before it is looked for.
    if (existsSync(`${early}.journal.1`)) {
      rmSync(`${early}.journal.1`);
      for (const end of ['', '.index']) nodeFs.renameSync(`${path}${end}`, `${early}${end}`);
    }
    return nodeFs.readdirSync(folder);
  }) as FileSystem['readdirSync'];
  const reader = await open(early, { readOnly: true, fs: { ...fs, readdirSync } });
  expect(texts(await reader.getTask('t'))).toEqual(['one', 'two']);
  expect(stillOpen()).toEqual([early]);
  await reader.close();
  await vi.waitFor(() => expect(stillOpen()).toEqual([]), soon);
});

it('who only reads gives up where the file is rewritten each time', async () => {
  const path = newFile();
  await (await open(path)).close();
  const { fs, open: stillOpen } = watchedFiles();
  let times = 0;
  const readdirSync = ((folder: string) => {
    if (++times < 50) nodeFs.utimesSync(path, times, times);
    return nodeFs.readdirSync(folder);
  }) as FileSystem['readdirSync'];
  const opening = open(path, { readOnly: true, fs: { ...fs, readdirSync } });
  await expect(opening).rejects.toMatchObject({ code: 'IO_ERROR' });
  await vi.waitFor(() => expect(stillOpen()).toEqual([]), soon);
});

it.each(['strict', 'relaxed'] as const)(
  'a store that is closed holds no file, whatever failed before: %s',
  async (durability) => {
    const path = newFile();
    let turn = 0;
    const failsNow = (operation: string, file: string) =>
      ['openSync', 'write', 'fsync', 'renameSync'].includes(operation) && file.endsWith('.tmp') && ++turn % 7 === 0;
    const { fs, open: stillOpen, hasFailed } = watchedFiles(3, failsNow);
    const store = await open(path, { fs, durability, foldFrom: 500, foldAt: 2000 });
    for (let n = 0; n < 60 || !hasFailed(); n++) {
      await store.upsertTask({ id: `t${n}`, message: say('x'.repeat(300)) });
      await new Promise(setImmediate);
    }
    await vi.waitFor(() => expect(stillOpen().length).toBeLessThan(5), soon);
    await store.close();
    await vi.waitFor(() => expect(stillOpen()).toEqual([]), soon);
  },
);
