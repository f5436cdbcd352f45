/** Disks that are full, fail, or lose their power. */
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { StoredTask } from '../src/core/task.ts';
import type { LocalTaskStore } from '../src/local-task-store.ts';
import { elkarSync } from '../src/sync.ts';
import { crashCopy, documentIn, newFile, open, say, texts } from './support/json-file.ts';
import { SimulatedDisk } from './support/json-file-disk.ts';
import { scaled, seededRandom } from './support/long.ts';
import { newFolder } from './support/places.ts';

const say2 = (store: LocalTaskStore, id: string, text: string) => store.upsertTask({ id, message: say(text) });

describe.each(['strict', 'relaxed'] as const)('a disk that is full, %s', (durability) => {
  it('refuses the change, keeps what was there, and takes changes again when it has space', async () => {
    const path = newFile();
    const disk = new SimulatedDisk();
    const store = await open(path, { durability, fs: disk.fs });
    await say2(store, 'a', 'one');
    for (const space of [0, 1, 100]) {
      disk.space = space;
      await expect(say2(store, 'a', 'x'.repeat(200))).rejects.toMatchObject({
        code: 'IO_ERROR',
        operation: 'upsertTask',
      });
      await expect(say2(store, 'b', 'x'.repeat(200))).rejects.toMatchObject({ code: 'IO_ERROR' });
      await expect(store.deleteTask('a')).rejects.toMatchObject({ code: 'IO_ERROR' });
      expect(texts(await store.getTask('a'))).toEqual(['one']);
      expect(await store.getTask('b')).toBeUndefined();
      expect((await store.listTasks()).tasks).toHaveLength(1);
      await using crashed = await open(crashCopy(path));
      expect(texts(await crashed.getTask('a'))).toEqual(['one']);
      disk.space = 0;
    }
    disk.space = Number.POSITIVE_INFINITY;
    await say2(store, 'a', 'two');
    await store.close();
    await using again = await open(path);
    expect(texts(await again.getTask('a'))).toEqual(['one', 'two']);
  });

  it('ends an import with its error, though the source has more to come', async () => {
    const disk = new SimulatedDisk();
    await using from = await open(newFile(), {});
    await using store = await open(newFile(), { durability, fs: disk.fs });
    for (let i = 0; i < 600; i++) await say2(from, `t${i}`, 'one');
    async function* source() {
      disk.space = 0;
      for await (const line of from.exportTasks()) {
        yield line;
        // Whatever is refused must be heard before the next line comes: a process ends at a rejection that nobody hears.
        await new Promise(setImmediate);
      }
    }
    await expect(store.importTasks(source())).rejects.toMatchObject({ code: 'IO_ERROR', operation: 'importTasks' });
    expect((await store.listTasks()).tasks).toEqual([]);
    disk.space = Number.POSITIVE_INFINITY;
  });

  it('keeps everything in the journal when the file cannot be written anew', async () => {
    const path = newFile();
    const disk = new SimulatedDisk();
    const store = await open(path, { durability, fs: disk.fs, foldFrom: 2000 });
    disk.onChange = (what, file) => {
      if (what === 'write' && file.endsWith('.tmp'))
        throw Object.assign(new Error('ENOSPC: simulated'), { code: 'ENOSPC' });
    };
    const written = await growTasks(store);
    await verify(store, written);
    await expect(store.close()).rejects.toMatchObject({ code: 'IO_ERROR', operation: 'close' });
    disk.onChange = () => {};
    await using again = await open(path);
    await verify(again, written);
    await again.close();
    expect(documentIn(path).tasks).toHaveLength(Object.keys(written).length);
  });

  it('keeps what changed while the file could not be written anew, and writes it with the next', async () => {
    const path = newFile();
    const disk = new SimulatedDisk();
    const store = await open(path, { durability, fs: disk.fs, foldFrom: 2000 });
    await say2(store, 'a', 'first');
    const meanwhile: Promise<unknown>[] = [];
    disk.onChange = (what, file) => {
      if (!file.endsWith('.json.tmp')) return;
      if (what === 'write') meanwhile.push(say2(store, 'a', `meanwhile ${meanwhile.length}`));
      if (what === 'rename') throw Object.assign(new Error('EIO: simulated'), { code: 'EIO' });
    };
    while (meanwhile.length < 3) await say2(store, 'a', 'x'.repeat(100));
    await Promise.all(meanwhile);
    await vi.waitFor(() => expect(readdirSync(dirname(path)).filter((name) => name.endsWith('.tmp'))).toEqual([]));
    disk.onChange = () => {};
    const { task } = (await store.updateTask('a', { status: { state: 'completed' } })) as StoredTask;
    const { tasks } = await store.listTasks();
    expect(tasks).toMatchObject([{ status: { state: 'completed' }, messageCount: task.history?.length }]);
    await store.close();
    await using again = await open(path);
    expect((await again.getTask('a'))?.task).toEqual(task);
  });

  it('puts no other task in the place of one that is made anew while the file is, after that failed once', async () => {
    const path = newFile();
    const disk = new SimulatedDisk();
    const store = await open(path, { durability, fs: disk.fs, foldFrom: 2000 });
    const fill = async (count: number) => {
      for (let n = 0; n < count; n++) await say2(store, 'long', 'x'.repeat(100));
    };
    await say2(store, 'a', 'one');
    let failed = false;
    disk.onChange = (what, file) => {
      if (!file.endsWith('.json.tmp') || what !== 'rename') return;
      failed = true;
      throw Object.assign(new Error('EIO: simulated'), { code: 'EIO' });
    };
    await fill(12);
    await vi.waitFor(() => expect(failed).toBe(true));
    await store.deleteTask('a');
    let again: Promise<unknown> | undefined;
    disk.onChange = (what, file) => {
      if (what === 'open' && file.endsWith('.json.tmp')) queueMicrotask(() => (again ??= say2(store, 'a', 'two')));
    };
    await fill(60);
    await vi.waitFor(() => expect(again).toBeDefined());
    await again;
    await store.close();
    await using reopened = await open(path);
    expect((await reopened.getTask('long'))?.task.history).toHaveLength(72);
    expect(texts(await reopened.getTask('a'))).toEqual(['two']);
  });

  it('goes on in a new file when a sync failed, relying on nothing that the old one says', async () => {
    const path = newFile();
    const disk = new SimulatedDisk();
    const store = await open(path, { durability, fs: disk.fs });
    await say2(store, 'a', 'one');
    disk.failSync = true;
    if (durability === 'strict') {
      const results = await Promise.allSettled([
        say2(store, 'a', 'lost'),
        say2(store, 'b', 'lost'),
        store.deleteTask('a'),
      ]);
      for (const result of results) expect(result).toMatchObject({ status: 'rejected', reason: { code: 'IO_ERROR' } });
      expect(texts(await store.getTask('a'))).toEqual(['one']);
      expect(await store.getTask('b')).toBeUndefined();
      await expect(say2(store, 'a', 'lost')).rejects.toMatchObject({ code: 'IO_ERROR' });
    }
    disk.failSync = false;
    await say2(store, 'a', 'two');
    expect(texts(await store.getTask('a'))).toEqual(['one', 'two']);
    await using crashed = await open(crashCopy(path));
    expect(texts(await crashed.getTask('a'))).toEqual(['one', 'two']);
    await store.close();
  });
});

it.each(['strict', 'relaxed'] as const)(
  'a disk that takes no byte, and does not say why, refuses changes: %s',
  async (durability) => {
    const path = newFile();
    const disk = new SimulatedDisk();
    let takes = true;
    const writeSync = ((...args: Parameters<typeof disk.fs.writeSync>) =>
      takes ? disk.fs.writeSync(...args) : 0) as typeof disk.fs.writeSync;
    const write = ((...args: unknown[]) =>
      takes
        ? (disk.fs.write as (...args: unknown[]) => void)(...args)
        : setImmediate(() => (args.at(-1) as (error: null, count: number) => void)(null, 0))) as typeof disk.fs.write;
    const store = await open(path, { durability, fs: { ...disk.fs, writeSync, write } });
    await say2(store, 'a', 'one');
    takes = false;
    await expect(say2(store, 'a', 'refused')).rejects.toMatchObject({ code: 'IO_ERROR' });
    await expect(store.close()).rejects.toMatchObject({ code: 'IO_ERROR' });
    await using again = await open(path);
    expect(texts(await again.getTask('a'))).toEqual(['one']);
  },
);

it('sync that cannot note what it found on a full disk says so, and tries again', async () => {
  const path = newFile();
  const before = await open(path);
  await Promise.all(Array.from({ length: 700 }, (_, i) => say2(before, `t${i}`, 'from before sync')));
  await before.close();
  const disk = new SimulatedDisk();
  const errors: (string | undefined)[] = [];
  const sync = elkarSync({ baseUrl: 'http://127.0.0.1:9/api', apiKey: 'k' });
  const store = await open(path, { fs: disk.fs, sync });
  disk.space = 200;
  store.sync?.subscribe(({ lastError }) => errors.push(lastError?.code));
  await expect.poll(() => store.sync?.status.lastError?.code ?? errors.at(-1)).toBe('IO_ERROR');
  disk.space = Number.POSITIVE_INFINITY;
  await expect.poll(() => store.sync?.status.pendingTasks).toBe(700);
  await store.close();
});

it('a call that found nothing to do says so only if what it found got to the disk', async () => {
  const disk = new SimulatedDisk();
  await using from = await open(newFile(), {});
  await say2(from, 'a', 'kept');
  let lines = '';
  for await (const line of from.exportTasks()) lines += line;
  await using store = await open(newFile(), { fs: disk.fs });
  disk.failSync = true;
  const created = say2(store, 'a', 'lost');
  const imported = store.importTasks(lines);
  await expect(created).rejects.toMatchObject({ code: 'IO_ERROR' });
  disk.failSync = false;
  expect(await imported).toEqual({ imported: 1, skipped: 0, failed: [] });
  expect(texts(await store.getTask('a'))).toEqual(['kept']);
});

it('a list does not wait for changes that came after it', async () => {
  const disk = new SimulatedDisk();
  await using store = await open(newFile(), { fs: disk.fs });
  let writes = 0;
  let listed = false;
  const flood = () => {
    if (listed || ++writes > 2000) return;
    for (const id of ['a', 'b']) void say2(store, id, 'more');
  };
  // Every sync finds another change waiting when it ends.
  disk.onChange = (what) => {
    if (what === 'sync') flood();
  };
  flood();
  while (writes < 5) await new Promise(setImmediate);
  await store.listTasks();
  listed = true;
  expect(writes).toBeLessThan(50);
});

it.each(['strict', 'relaxed'] as const)(
  'a change that was refused leaves no trace in those that follow, %s',
  async (durability) => {
    const path = newFile();
    const disk = new SimulatedDisk();
    const store = await open(path, { durability, fs: disk.fs, foldFrom: 1000 });
    disk.onChange = (what, file) => {
      // The task stays where it is, while the journal goes on in another.
      if (what === 'write' && file.endsWith('.tmp')) throw Object.assign(new Error('simulated'), { code: 'ENOSPC' });
    };
    const kept: string[] = [];
    for (let round = 0; round < 30; round++) {
      disk.space = 10;
      await expect(say2(store, 'a', 'refused')).rejects.toMatchObject({ code: 'IO_ERROR' });
      disk.space = Number.POSITIVE_INFINITY;
      kept.push(`${round}`);
      await say2(store, 'a', `${round}`);
      for (let i = 0; i < 10; i++) {
        await say2(store, 'b', 'x'.repeat(100));
        await new Promise(setImmediate);
      }
    }
    await using crashed = await open(crashCopy(path));
    expect(texts(await crashed.getTask('a'))).toEqual(kept);
    disk.onChange = () => {};
    await store.close();
  },
);

it('a sync that fails while the file is written anew loses nothing under relaxed', async () => {
  const path = newFile();
  const disk = new SimulatedDisk();
  const store = await open(path, { durability: 'relaxed', fs: disk.fs, foldFrom: 3000 });
  const written: Record<string, string[]> = {};
  const random = seededRandom('failing syncs');
  disk.onChange = (what, file) => {
    disk.failSync = what === 'sync' && file.includes('.journal.') && random() < 0.5;
  };
  for (let round = 0; round < 3; round++) await growTasks(store, written).catch(() => {});
  await verify(store, written);
  disk.onChange = () => {};
  disk.failSync = false;
  await say2(store, 'last', 'last');
  await verify(store, written);
  await store.close();
  await using again = await open(path);
  await verify(again, written);
  expect(texts(await again.getTask('last'))).toEqual(['last']);
});

it('a small disk that really is full refuses changes until there is space', async ({ skip }) => {
  const folder = newFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    skip('mounting is not allowed here');
  }
  onTestFinished(() => {
    execFileSync('umount', ['-l', folder]);
  });
  const path = join(folder, 'tasks.json');
  writeFileSync(join(folder, 'ballast'), Buffer.alloc(300_000));
  const store = await open(path);
  let kept = 0;
  const fill = async () => {
    for (;;) {
      await store.updateTask('t', { newMessages: [say(`${kept + 1} ${'x'.repeat(3000)}`)] }, { historyLength: 0 });
      kept++;
    }
  };
  await say2(store, 't', '0');
  await expect(fill()).rejects.toMatchObject({ code: 'IO_ERROR' });
  expect((await store.getTask('t'))?.task.history).toHaveLength(kept + 1);
  rmSync(join(folder, 'ballast'));
  await store.updateTask('t', { newMessages: [say('after')] });
  const copy = crashCopy(path);
  await store.close().catch((error) => expect(error).toMatchObject({ code: 'IO_ERROR' }));
  await using again = await open(copy);
  const stored = await again.getTask('t');
  expect(texts(stored).map((text) => String(text).split(' ')[0])).toEqual(
    [...Array(kept + 1).keys(), 'after'].map(String),
  );
});

it('ended at any moment while its file is written anew, a store has everything', async () => {
  const path = newFile();
  const disk = new SimulatedDisk();
  const store = await open(path, { durability: 'relaxed', fs: disk.fs, foldFrom: 3000 });
  const copies: { what: string; path: string; written: Record<string, string[]> }[] = [];
  const written: Record<string, string[]> = {};
  const seen = new Set<string>();
  const random = seededRandom('moments');
  disk.onChange = (what, file) => {
    const folding = readdirSync(dirname(path)).filter((name) => name.includes('.journal.')).length;
    const moment = `${what} ${file.slice(path.length)} with ${folding}`;
    if (seen.has(moment.replace(/\d+/g, '#')) && random() < 0.9) return;
    seen.add(moment.replace(/\d+/g, '#'));
    copies.push({ what: moment, path: crashCopy(path), written: structuredClone(written) });
  };
  await growTasks(store, written);
  await store.close();
  disk.onChange = () => {};
  expect(new Set(copies.map(({ what }) => what.split(' ')[0]))).toEqual(
    new Set(['open', 'write', 'sync', 'rename', 'remove']),
  );
  for (const copy of copies) {
    const reader = await open(copy.path, { durability: 'relaxed' });
    await verify(reader, copy.written, copy.what);
    await reader.close();
  }
});

it('after a power cut every change acknowledged under strict is there', async () => {
  const random = seededRandom('power cuts');
  const path = newFile();
  const disk = new SimulatedDisk();
  const store = await open(path, { fs: disk.fs, foldFrom: 4000 });
  const written: Record<string, string[]> = {};
  const cuts: { path: string; counts: [id: string, count: number][] }[] = [];
  const wanted = scaled(40, 300);
  disk.onChange = () => {
    if (random() >= 0.06) return;
    const counts = Object.entries(written).map(([id, texts]): [string, number] => [id, texts.length]);
    cuts.push({ path: disk.cutPower(path, random), counts });
  };
  while (cuts.length < wanted) await growTasks(store, written);
  disk.onChange = () => {};
  await store.close();
  for (const cut of cuts) {
    const reader = await open(cut.path, { durability: 'relaxed' });
    const acknowledged = cut.counts.map(([id, count]) => [id, written[id]?.slice(0, count)]);
    await verify(reader, Object.fromEntries(acknowledged), cut.path, true);
    await reader.close();
  }
});

it('after a power cut a store under relaxed opens, each task as it was at some moment before', async () => {
  const random = seededRandom('power cuts, relaxed');
  const path = newFile();
  const disk = new SimulatedDisk();
  const store = await open(path, { durability: 'relaxed', fs: disk.fs, foldFrom: 4000 });
  const written: Record<string, string[]> = {};
  const cuts: string[] = [];
  const wanted = scaled(60, 600);
  let most = 0;
  disk.onChange = () => {
    const journals = readdirSync(dirname(path)).filter((name) => name.includes('.journal.')).length;
    // While two journals are there, what the later one has must not outlive what the one before had.
    if (random() < (journals > 1 ? 0.2 : 0.01)) cuts.push(disk.cutPower(path, random));
    most = Math.max(most, journals);
  };
  while (cuts.length < wanted) await growTasks(store, written);
  disk.onChange = () => {};
  await store.close();
  for (const cut of cuts) {
    const reader = await open(cut, { durability: 'relaxed' });
    for (const [id, expected] of Object.entries(written)) {
      const kept = texts(await reader.getTask(id));
      expect(kept, `${cut} ${id}`).toEqual(expected.slice(0, kept.length));
    }
    await reader.close();
  }
  expect(most).toBeGreaterThan(1);
});

/** A few tasks that grow, some of them long, side by side; notes what was acknowledged. Ends when all have ended. */
async function growTasks(store: LocalTaskStore, written: Record<string, string[]> = {}) {
  const start = Object.keys(written).length;
  const callers = await Promise.allSettled(
    Array.from({ length: 4 }, async (_, caller) => {
      for (let n = 0; n < 60; n++) {
        const id = `${n % 5 === 0 ? start : 0}-${caller}-${n % 5}`;
        const text = `${start} ${n} ${'long '.repeat(n % 7 === 0 ? 400 : 4)}`;
        await store.upsertTask({ id, message: say(text) }, { historyLength: 0 });
        (written[id] ??= []).push(text);
        if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    }),
  );
  for (const caller of callers) if (caller.status === 'rejected') throw caller.reason;
  return written;
}

/** With `more`, what was under way may be there too: it was written, though not acknowledged yet. */
async function verify(store: LocalTaskStore, written: Record<string, string[]>, what = '', more = true): Promise<void> {
  const stored = new Map<string, StoredTask>();
  for await (const line of store.exportTasks()) {
    const task = JSON.parse(line) as StoredTask;
    stored.set(task.id, task);
  }
  for (const [id, expected] of Object.entries(written)) {
    const kept = texts(stored.get(id));
    expect(kept.slice(0, expected.length), `${what} ${id}`).toEqual(expected);
    expect(kept.length - expected.length, `${what} ${id}`).toBeLessThanOrEqual(more ? 1 : 0);
  }
}
