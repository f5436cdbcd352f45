/** Heads as sync and the reducer leave them: what the journal and the file say of one is all of it. */
import { existsSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import type { Backend, Durability } from '../src/backends/backend.ts';
import type { FileSystem } from '../src/backends/json-file/file-system.ts';
import { type JsonFileOptions, jsonFile } from '../src/backends/json-file.ts';
import type { Change, TaskHead } from '../src/core/head.ts';
import { selectAll } from '../src/core/record.ts';
import { crashCopy, newFile, say } from './support/json-file.ts';
import { SimulatedDisk } from './support/json-file-disk.ts';
import { heldWrites } from './support/json-file-handles.ts';

const io = { code: 'IO_ERROR' };
const time = (ms: number) => new Date(Date.parse('2026-01-01') + ms).toISOString();
const keyOf = (taskId: string, callerId?: string) => ({ callerId, taskType: 'incoming' as const, taskId });

function openBackend(path: string, options: JsonFileOptions & { durability?: Durability } = {}): Promise<Backend> {
  const { durability, ...others } = options;
  return jsonFile(others).open({ name: 'x', path, durability, timeoutMs: 1000 });
}

function newHead(taskId: string, fields: Partial<TaskHead> = {}): TaskHead {
  const body = { id: taskId, sessionId: 's', status: { state: 'working' as const, timestamp: time(0) } };
  const head = { key: keyOf(taskId), revision: 1, isStreaming: false, createdAt: time(0), updatedAt: time(0), body };
  return { ...head, ...fields };
}

/** Puts this head where the task's is, with items appended. */
async function put(backend: Backend, head: TaskHead, items: Partial<Change> = {}): Promise<void> {
  await backend.commit(
    head.key,
    () => ({ head, messages: [], parts: [], reset: false, quiet: false, ...items }),
    selectAll,
  );
}

const headIn = async (backend: Backend, { key }: TaskHead) => (await backend.read(key, selectAll))?.head;

describe('a head', () => {
  const first = newHead('t', { messageCount: 1 });
  const { agentUrl: _, ...withoutUrl } = newHead('t', { messageCount: 1, revision: 3, updatedAt: time(5) });
  const steps: [what: string, next: TaskHead, items?: Partial<Change>][] = [
    ['of a time of its own', { ...first, revision: 2, updatedAt: time(1) }],
    ['whose revision makes a jump', { ...first, revision: 7 }],
    ['whose revision stays', first],
    ['with a note of sync', { ...first, revision: 2, sync: { known: [1, { a: null }] }, pendingSince: 5 }],
    ['with an address, then without', withoutUrl],
    ['streaming', { ...first, revision: 2, isStreaming: true, pushNotification: { url: 'http://a' } }],
    ['with a field that was not there', { ...first, revision: 2, body: { ...first.body, metadata: { a: [1] } } }],
    [
      'of another state',
      { ...first, revision: 2, body: { ...first.body, status: { state: 'completed', timestamp: time(1) } } },
    ],
    ['without its session', { ...first, revision: 2, body: { id: 't', status: first.body.status } }],
    [
      'with artifacts',
      {
        ...first,
        revision: 2,
        artifacts: [
          { header: { index: 4 }, partCount: 1 },
          { header: { index: 2, name: 'b' }, partCount: 0 },
        ],
      },
      { parts: [{ slot: 0, parts: [{ type: 'text', text: 'p' }] }] },
    ],
    ['with an empty list of artifacts', { ...first, revision: 2, artifacts: [] }],
    ['with another message', { ...first, revision: 2, messageCount: 2 }, { messages: [say('two')] }],
  ];

  it.each(steps)('%s is found again after a crash, and so is the one after it', async (_, next, items) => {
    const path = newFile();
    const backend = await openBackend(path);
    const before = { ...first, agentUrl: 'http://before', sync: { old: true }, pendingSince: 1 };
    await put(backend, before, { messages: [say('one')] });
    await put(backend, next, items);
    const crashed = await openBackend(crashCopy(path));
    expect(await headIn(crashed, next)).toEqual(next);
    await crashed.close();
    const artifacts = next.artifacts?.map(({ header, partCount }) => ({ header: { ...header, name: 'z' }, partCount }));
    const last = { ...next, revision: next.revision + 1, updatedAt: time(9), ...(artifacts && { artifacts }) };
    await put(backend, last);
    const again = await openBackend(crashCopy(path));
    expect(await headIn(again, last)).toEqual(last);
    await again.close();
    await backend.close();
    const reopened = await openBackend(path);
    expect(await headIn(reopened, last)).toEqual(last);
    await reopened.close();
  });
});

it('what is pending is told oldest first, wherever it lies, and no more than is asked for', async () => {
  const path = newFile();
  const first = await openBackend(path);
  for (const [n, pendingSince] of [50, 10, 30, undefined, 70, 90].entries()) {
    await put(first, newHead(`file ${n}`, pendingSince === undefined ? {} : { pendingSince }));
  }
  await first.close();
  const { fs, held, letGo } = heldWrites();
  const backend = await openBackend(path, { fs, foldFrom: 1000, durability: 'relaxed' });
  await put(backend, newHead('file 1', { revision: 2 }));
  await put(backend, newHead('folding a', { pendingSince: 20 }));
  await put(backend, newHead('folding b', { pendingSince: 60, sync: { long: 'x'.repeat(2000) } }));
  await put(backend, newHead('folding c', { pendingSince: 5 }));
  await vi.waitFor(() => expect(held).not.toEqual([]), { timeout: 20_000 });
  await put(backend, newHead('changed', { pendingSince: 40 }));
  await put(backend, newHead('folding c', { revision: 2 }));
  await backend.commit(keyOf('file 4'), () => 'remove', selectAll);
  const pending = async (limit: number) => (await backend.pending(limit)).map(({ pendingSince }) => pendingSince);
  expect(await pending(100)).toEqual([20, 30, 40, 50, 60, 90]);
  expect(await pending(2)).toEqual([20, 30]);
  letGo();
  await backend.close();
  const again = await openBackend(path);
  expect((await again.pending(100)).map(({ pendingSince }) => pendingSince)).toEqual([20, 30, 40, 50, 60, 90]);
  expect((await again.pending(3)).map(({ pendingSince }) => pendingSince)).toEqual([20, 30, 40]);
  await again.close();
});

describe.each(['strict', 'relaxed'] as const)('a value beside the tasks, %s', (durability) => {
  it('is there after a crash, as the last call left it', async () => {
    const path = newFile();
    const first = await openBackend(path, { durability });
    for (const name of ['kept', 'gone', '__proto__']) await first.setMeta(name, [name]);
    await first.close();
    const backend = await openBackend(path, { durability });
    await backend.setMeta('gone', undefined);
    await backend.setMeta('new', { a: null });
    const copy = crashCopy(path);
    const crashed = await openBackend(copy);
    const values = async (from: Backend) =>
      Promise.all(['kept', 'gone', '__proto__', 'new'].map((name) => from.getMeta(name)));
    expect(await values(crashed)).toEqual([['kept'], undefined, ['__proto__'], { a: null }]);
    await crashed.close();
    await backend.close();
    // What the journal alone has is a change, though nothing was changed since.
    for (const closed of [path, copy]) {
      const again = await openBackend(closed);
      expect(await values(again)).toEqual([['kept'], undefined, ['__proto__'], { a: null }]);
      await again.close();
    }
  });

  it('that was refused is as it was before', async () => {
    const path = newFile();
    const disk = new SimulatedDisk();
    const backend = await openBackend(path, { durability, fs: disk.fs });
    await backend.setMeta('a', 1);
    disk.space = 10;
    await expect(backend.setMeta('a', 2)).rejects.toMatchObject(io);
    disk.space = Number.POSITIVE_INFINITY;
    expect(await backend.getMeta('a')).toBe(1);
    if (durability === 'strict') {
      disk.failSync = true;
      const ends = await Promise.allSettled([backend.setMeta('a', 3), backend.setMeta('a', 4), backend.getMeta('a')]);
      expect(ends).toMatchObject([{ reason: io }, { reason: io }, { value: 1 }]);
      disk.failSync = false;
    }
    // The journal that failed is left; what is told now is not written behind something unknown.
    await backend.setMeta('b', 5);
    expect(existsSync(path)).toBe(durability === 'strict');
    const crashed = await openBackend(crashCopy(path));
    expect([await crashed.getMeta('a'), await crashed.getMeta('b')]).toEqual([1, 5]);
    await crashed.close();
    await backend.close();
  });
});

it('a value beside the tasks is kept though the file could not be written anew when the journal failed', async () => {
  const path = newFile();
  await (await openBackend(path)).close();
  const disk = new SimulatedDisk();
  const open = new Set<number>();
  const fs: FileSystem = {
    ...disk.fs,
    openSync: ((...args: Parameters<FileSystem['openSync']>) => {
      const fd = disk.fs.openSync(...args);
      open.add(fd);
      return fd;
    }) as FileSystem['openSync'],
    closeSync: (fd) => {
      open.delete(fd);
      disk.fs.closeSync(fd);
    },
    close: ((fd: number, done: () => void) => {
      open.delete(fd);
      disk.fs.close(fd, done);
    }) as FileSystem['close'],
  };
  const backend = await openBackend(path, { fs });
  await backend.setMeta('a', 1);
  disk.failSync = true;
  await expect(backend.setMeta('a', 2)).rejects.toMatchObject(io);
  disk.failSync = false;
  disk.onChange = (what, file) => {
    if (what === 'rename' && file.endsWith('.json.tmp')) throw Object.assign(new Error('EIO'), { code: 'EIO' });
  };
  for (let n = 0; n < 3; n++) await expect(backend.setMeta('a', 3)).rejects.toMatchObject(io);
  disk.onChange = () => {};
  await backend.close();
  await vi.waitFor(() => expect([...open]).toEqual([]), { timeout: 20_000 });
  const again = await openBackend(path);
  expect(await again.getMeta('a')).toBe(1);
  await again.close();
});
