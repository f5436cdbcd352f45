/** What was refused leaves no trace, and nothing is answered by what is then taken back. */
import { expect, it } from 'vitest';
import { jsonFile } from '../src/backends/json-file.ts';
import { selectAll } from '../src/core/record.ts';
import type { Part, StoredTask } from '../src/core/task.ts';
import { crashCopy, newFile, open, say, texts } from './support/json-file.ts';
import { SimulatedDisk } from './support/json-file-disk.ts';
import { scaled } from './support/long.ts';

const io = { code: 'IO_ERROR' };
const part = (text: string): Part[] => [{ type: 'text', text }];
const partsOf = (stored: StoredTask | undefined) =>
  stored?.task.artifacts?.map(({ parts }) => parts.map(({ text }) => text));

it.each(['sync', 'space'])('a refused part is gone, though another artifact got one before: no %s', async (fault) => {
  const path = newFile();
  const disk = new SimulatedDisk();
  const first = await open(path, { fs: disk.fs });
  await first.upsertTask({ id: 't', message: say('m') });
  const begun = ['a0', 'b0'].map((text, index) => ({ index, parts: part(text) }));
  await first.updateTask('t', { artifactsUpdates: begun });
  await first.close();
  const store = await open(path, { fs: disk.fs });
  const add = (index: number, text: string) =>
    store.updateTask('t', { artifactsUpdates: [{ index, parts: part(text) }] });
  await add(1, 'b1');
  if (fault === 'sync') disk.failSync = true;
  else disk.space = 0;
  await expect(add(0, 'refused')).rejects.toMatchObject(io);
  disk.failSync = false;
  disk.space = Number.POSITIVE_INFINITY;
  await add(0, 'a1');
  const kept = [
    ['a0', 'a1'],
    ['b0', 'b1'],
  ];
  expect(partsOf(await store.getTask('t'))).toEqual(kept);
  await using crashed = await open(crashCopy(path));
  expect(partsOf(await crashed.getTask('t'))).toEqual(kept);
  await store.close();
  await using again = await open(path);
  expect(partsOf(await again.getTask('t'))).toEqual(kept);
});

it.each(['sync', 'space'])(
  'a task of the file whose first change is refused is there as before: no %s',
  async (fault) => {
    const path = newFile();
    const disk = new SimulatedDisk();
    const first = await open(path);
    for (const id of ['a', 'b', 'c']) await first.upsertTask({ id, message: say(id) });
    await first.close();
    const store = await open(path, { fs: disk.fs });
    const check = async () => {
      expect((await store.listTasks()).tasks.map(({ id }) => id).sort()).toEqual(['a', 'b', 'c']);
      for (const id of ['a', 'b', 'c']) expect(texts(await store.getTask(id))).toEqual([id]);
    };
    if (fault === 'sync') disk.failSync = true;
    else disk.space = 0;
    // The second change of one task rests on its first.
    const refused = [
      store.upsertTask({ id: 'a', message: say('refused') }),
      store.deleteTask('b'),
      store.upsertTask({ id: 'c', message: say('refused') }),
      store.deleteTask('c'),
      store.upsertTask({ id: 'd', message: say('refused') }),
    ];
    for (const end of await Promise.allSettled(refused)) expect(end).toMatchObject({ reason: io });
    await check();
    disk.failSync = false;
    disk.space = Number.POSITIVE_INFINITY;
    await store.upsertTask({ id: 'a', message: say('more') });
    await store.deleteTask('a');
    await store.upsertTask({ id: 'a', message: say('a') });
    await check();
    await store.close();
    await using again = await open(path);
    expect((await again.listTasks()).tasks.map(({ id }) => id).sort()).toEqual(['a', 'b', 'c']);
  },
);

it('no call is refused for a change that does not get to the disk', async () => {
  const disk = new SimulatedDisk();
  await using store = await open(newFile(), { fs: disk.fs });
  await store.upsertTask({ id: 't', message: say('one') });
  const chunk = (text: string, lastChunk = false) =>
    store.updateTask('t', { artifactsUpdates: [{ index: 0, parts: part(text), lastChunk }] });
  await chunk('a');
  disk.failSync = true;
  const ends = await Promise.allSettled([store.deleteTask('t'), store.updateTask('t', { newMessages: [say('two')] })]);
  expect(ends).toMatchObject([{ reason: io }, { reason: io }]);
  const chunks = await Promise.allSettled([chunk('b', true), chunk('c')]);
  expect(chunks).toMatchObject([{ reason: io }, { reason: io }]);
  disk.failSync = false;
  expect(texts(await store.getTask('t'))).toEqual(['one']);
  expect(partsOf(await store.getTask('t'))).toEqual([['a']]);
});

it('a commit that does nothing answers the task as it was when it looked', async () => {
  const path = newFile();
  const first = await open(path);
  await first.upsertTask({ id: 't', message: say('zero') });
  await first.close();
  const backend = await jsonFile().open({ name: 'x', path, durability: undefined, timeoutMs: 1000 });
  const key = { callerId: undefined, taskType: 'incoming', taskId: 't' } as const;
  const append = (text: string) =>
    backend.commit(
      key,
      (head) => {
        if (!head) return undefined;
        const { revision, messageCount = 0 } = head;
        const next = { ...head, revision: revision + 1, messageCount: messageCount + 1 };
        return { head: next, messages: [say(text)], parts: [], reset: false, quiet: false };
      },
      selectAll,
    );
  const idle = [append('one'), backend.commit(key, () => undefined, selectAll), append('two')] as const;
  const [, { before, record }] = await Promise.all(idle);
  expect(record?.head.revision).toBe(before?.revision);
  expect(record?.messages().map(({ parts }) => parts[0]?.text)).toEqual(['zero', 'one']);
  await backend.close();
});

it('a refused import changes nothing any more when it is told', async () => {
  await using from = await open(newFile());
  await from.upsertTask({ id: 't', message: say('one') });
  let lines = '';
  for await (const line of from.exportTasks()) lines += line;
  const disk = new SimulatedDisk();
  await using store = await open(newFile(), { fs: disk.fs });
  disk.failSync = true;
  // The second line finds the first one's task, which is taken back, and is tried again.
  await expect(store.importTasks(lines + lines)).rejects.toMatchObject(io);
  disk.failSync = false;
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  expect((await store.listTasks()).tasks).toEqual([]);
});

/** It takes a gigabyte of memory, and so is left to the long campaigns. */
const tooLong = async () => {
  const disk = new SimulatedDisk();
  const path = newFile();
  await using store = await open(path, { fs: disk.fs });
  await store.upsertTask({ id: 'a', message: say('one') });
  disk.space = 0;
  await expect(store.upsertTask({ id: 'a', message: say('refused') })).rejects.toMatchObject(io);
  disk.space = Number.POSITIVE_INFINITY;
  // Each of these takes six characters in JSON.
  await expect(store.upsertTask({ id: 'a', message: say('\u0001'.repeat(100_000_000)) })).rejects.toMatchObject(io);
  await store.upsertTask({ id: 'a', message: say('two') });
  await using crashed = await open(crashCopy(path));
  expect(texts(await crashed.getTask('a'))).toEqual(['one', 'two']);
};
if (scaled(0, 1)) it('a change longer than a text may be leaves the journal readable', tooLong);
