/** Tasks whose tails are long: nothing reads or writes them whole but who wants to see them whole. */
import nodeFs, { fstatSync, readFileSync, readSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import type { FileSystem } from '../src/backends/json-file/file-system.ts';
import type { UpdateTaskParams } from '../src/core/task.ts';
import type { LocalTaskStore } from '../src/local-task-store.ts';
import { documentIn, newFile, open, say, texts } from './support/json-file.ts';

const LENGTH = 1000;
const view = { historyLength: 0, includeArtifacts: false };

/** A closed store with a task of many messages and two artifacts of many parts, among others. */
async function withLongTask(): Promise<string> {
  const path = newFile();
  const store = await open(path, { durability: 'relaxed' });
  for (const id of ['before', 'long', 'behind']) await store.upsertTask({ id, message: say(`${id} 0`) });
  for (let n = 1; n < LENGTH; n++) {
    const artifactsUpdates = [{ index: n % 2, parts: say(`part ${n}`).parts, ...(n < 3 && { name: 'ü'.repeat(n) }) }];
    await store.updateTask(
      'long',
      { newMessages: [say(`long ${n} ${'ä€😀'.repeat(n % 20)}`)], artifactsUpdates },
      view,
    );
  }
  await store.close();
  return path;
}

/** Counts what is read of the file itself. */
function counting(path: string): { fs: FileSystem; bytes: () => number } {
  let bytes = 0;
  const inode = fstatSync(nodeFs.openSync(path, 'r')).ino;
  const counted = (fd: number, ...rest: [NodeJS.ArrayBufferView, number, number, number]) => {
    const count = readSync(fd, ...rest);
    if (fstatSync(fd).ino === inode) bytes += count;
    return count;
  };
  return { fs: { ...nodeFs, readSync: counted as typeof readSync }, bytes: () => bytes };
}

async function grow(store: LocalTaskStore, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) await store.updateTask('long', { newMessages: [say(`long ${n}`)] }, view);
}

async function expectWhole(store: LocalTaskStore, length: number): Promise<void> {
  const stored = await store.getTask('long');
  expect(texts(stored).map((text) => Number(String(text).split(' ')[1]))).toEqual([...Array(length).keys()]);
  expect(stored?.task.artifacts?.map(({ index, name, parts }) => [index, name, parts.length])).toEqual([
    [1, 'ü', 500],
    [0, 'üü', 499],
  ]);
  expect(stored?.task.artifacts?.[0]?.parts.at(-1)?.text).toBe('part 999');
}

describe('a long task', () => {
  it('is appended to and listed by its head alone', async () => {
    const path = await withLongTask();
    const { fs, bytes } = counting(path);
    await using store = await open(path, { fs });
    await grow(store, LENGTH, LENGTH + 5);
    const answer = await store.updateTask('long', { newMessages: [say(`long ${LENGTH + 5}`)] });
    await store.listTasks();
    expect(bytes()).toBeLessThan(5_000);
    expect(answer.task.history).toHaveLength(LENGTH + 6);
  });

  it('shows its last messages without reading the others', async () => {
    const path = await withLongTask();
    const { fs, bytes } = counting(path);
    await using store = await open(path, { fs });
    const stored = await store.getTask('long', { historyLength: 3, includeArtifacts: false });
    expect(texts(stored).map((text) => String(text).split(' ')[1])).toEqual(['997', '998', '999']);
    expect(bytes()).toBeLessThan(readFileSync(path).length / 4);
    for (const historyLength of [0, 1, 39, 40, 41, 64, 65, 500, 999, 1000, 2000]) {
      const some = await store.getTask('long', { historyLength, includeArtifacts: false });
      const first = Math.max(0, LENGTH - historyLength);
      const numbers = texts(some).map((text) => Number(String(text).split(' ')[1]));
      expect(numbers).toEqual(Array.from({ length: LENGTH - first }, (_, i) => first + i));
    }
  });

  it.each(['short', 'long'])(
    'shows its last messages where some are in the file and some came since: %s',
    async (kind) => {
      const path = newFile();
      const before = kind === 'long' ? 300 : 3;
      const first = await open(path);
      const add = (store: LocalTaskStore, from: number, to: number) =>
        store.updateTask('t', { newMessages: Array.from({ length: to - from }, (_, n) => say(`${from + n}`)) }, view);
      await first.upsertTask({ id: 't', message: say(`0${kind === 'long' ? ' '.repeat(20_000) : ''}`) });
      await add(first, 1, before);
      await first.close();
      await using store = await open(path);
      const answers = [];
      for (let count = before; count < before + 6; count += 2) {
        await add(store, count, count + 2);
        for (const historyLength of [0, 1, 2, 3, 5, 6, 7, 8]) {
          const numbers = [...Array(count + 2).keys()].slice(Math.max(0, count + 2 - historyLength));
          answers.push({ stored: await store.getTask('t', { historyLength }), numbers });
        }
      }
      // Some are looked at only when more has come.
      for (const { stored, numbers } of answers) expect(texts(stored).map(Number)).toEqual(numbers);
    },
  );

  it('is not read again while an answer is held: who watches it gets what was added, and the same messages as before', async () => {
    const path = await withLongTask();
    const { fs, bytes } = counting(path);
    await using store = await open(path, { fs });
    const watch = store.watch('long');
    const { value: first } = await watch.next();
    const before = bytes();
    for (let n = LENGTH; n < LENGTH + 3; n++) {
      await store.updateTask('long', { newMessages: [say(`long ${n}`)] }, view);
      const { value: next } = await watch.next();
      expect(next.task.history).toHaveLength(n + 1);
      expect(next.task.history[n - 900]).toBe(first.task.history[n - 900]);
    }
    expect(bytes()).toBe(before);
    // The lists are each one's own.
    first.task.history.length = 0;
    first.task.artifacts[0].parts.reverse();
    const stored = await store.getTask('long');
    expect(texts(stored).map((text) => Number(String(text).split(' ')[1]))).toEqual([...Array(LENGTH + 3).keys()]);
    expect(stored?.task.artifacts?.[0]?.parts[0]).toEqual(say('part 1').parts[0]);
  });

  it('is whole after it was folded into the file again and again', async () => {
    const path = await withLongTask();
    for (let round = 0; round < 4; round++) {
      const store = await open(path, { durability: 'relaxed', foldFrom: 5_000 });
      await grow(store, LENGTH + round * 150, LENGTH + (round + 1) * 150);
      await expectWhole(store, LENGTH + (round + 1) * 150);
      await store.close();
      expect(documentIn(path).tasks.find(({ id }) => id === 'long')?.task.history).toHaveLength(
        LENGTH + (round + 1) * 150,
      );
    }
    nodeFs.rmSync(`${path}.index`);
    await using store = await open(path);
    await expectWhole(store, LENGTH + 600);
    await grow(store, LENGTH + 600, LENGTH + 605);
    await expectWhole(store, LENGTH + 605);
  });

  it('that was answered can be looked at when the file has been rewritten, and when the store is closed', async () => {
    const path = await withLongTask();
    const store = await open(path, { durability: 'relaxed', foldFrom: 5_000 });
    const read = await store.getTask('long');
    const answer = await store.updateTask('long', { newMessages: [say('one more')] });
    await store.upsertTaskForClient({ id: 'other', status: { state: 'working' } }, 'http://a');
    for (let n = 0; n < 300; n++) await store.upsertTask({ id: `t${n}`, message: say('x'.repeat(300)) }, view);
    await store.deleteTask('long');
    await store.close();
    expect(answer.task.history).toHaveLength(LENGTH + 1);
    expect(texts(answer).at(-1)).toBe('one more');
    expect(answer.task.artifacts?.[1]?.parts).toHaveLength(499);
    expect(texts(read)).toHaveLength(LENGTH);
  });

  it('is whole, and told from any message on, where it has very many', async () => {
    const path = newFile();
    const first = await open(path);
    // More than are read at a time, twice over.
    const count = 17_000;
    const newMessages = Array.from({ length: count }, (_, n) => say(`${n}`));
    const parts = newMessages.flatMap((message) => message.parts);
    await first.upsertTask({ id: 'long', message: say('first') });
    await first.updateTask('long', { newMessages, artifactsUpdates: [{ index: 0, parts }] }, view);
    await first.close();
    await using store = await open(path);
    const numbers = ['first', ...Array.from({ length: count }, (_, n) => `${n}`)];
    const whole = await store.getTask('long');
    expect(texts(whole)).toEqual(numbers);
    expect(whole?.task.artifacts?.[0]?.parts).toEqual(parts);
    for (const historyLength of [8191, 8192, 8193, 8200, 16_384, 16_999, 17_000]) {
      const some = await store.getTask('long', { historyLength, includeArtifacts: false });
      expect(texts(some)).toEqual(numbers.slice(-historyLength));
    }
  });

  it.each(['short', 'long'])('tells any stretch of its messages, wherever they lie: %s', async (kind) => {
    const path = newFile();
    const first = await open(path);
    await first.upsertTask({ id: 't', message: say(`0${kind === 'long' ? ' '.repeat(20_000) : ''}`) });
    const add = (store: LocalTaskStore, from: number, to: number) =>
      store.updateTask('t', { newMessages: Array.from({ length: to - from }, (_, n) => say(`${from + n}`)) }, view);
    await add(first, 1, 4);
    await first.close();
    await using store = await open(path);
    await add(store, 4, 7);
    const key = { callerId: undefined, taskType: 'incoming', taskId: 't' } as const;
    for (let from = 0; from <= 7; from++) {
      for (let to = from; to <= 7; to++) {
        const record = await store.port.backend.read(key, () => ({ messages: [from, to], parts: () => [0, 0] }));
        const numbers = record?.messages().map(({ parts }) => Number(parts[0]?.text));
        expect(numbers, `${from} to ${to}`).toEqual([0, 1, 2, 3, 4, 5, 6].slice(from, to));
      }
    }
  });

  it.each(['text', 'data'])('of long messages is put into the file by a little at a time: %s', async (kind) => {
    const path = newFile();
    let longest = 0;
    const write = (fd: number, bytes: Buffer, start: number, length: number, at: number, done: () => void) => {
      longest = Math.max(longest, length);
      nodeFs.write(fd, bytes, start, length, at, done);
    };
    const store = await open(path, { fs: { ...nodeFs, write: write as typeof nodeFs.write } });
    await store.upsertTask({ id: 'long', message: say('first') });
    for (let n = 0; n < 100; n++) {
      const long = `${n} `.padEnd(n < 50 ? 10 : 50_000, 'x');
      const part = kind === 'text' ? { type: kind, text: long } : { type: kind, data: { list: [long, { [long]: n }] } };
      await store.updateTask('long', { newMessages: [{ role: 'agent', parts: [part] }] } as UpdateTaskParams, view);
    }
    await store.close();
    expect(documentIn(path).tasks[0]?.task.history).toHaveLength(101);
    expect(longest).toBeLessThan(400_000);
  });

  it('that comes to stand behind many others is taken over as it was', async () => {
    const path = newFile();
    let now = Date.parse('2026-01-01');
    const environment = { now: () => now++ };
    const first = await open(path, { durability: 'relaxed', environment });
    await first.upsertTask({ id: 'long', message: say('long 0') });
    await grow(first, 1, LENGTH);
    // More than is kept of a file while it is copied.
    for (let n = 0; n < 60; n++)
      await first.upsertTask({ id: `t${n}`, message: say(`${n} `.padEnd(20_000, 'x')) }, view);
    await first.close();
    const store = await open(path, { environment });
    await grow(store, LENGTH, LENGTH + 1);
    await store.close();
    await using again = await open(path);
    const { tasks } = await again.listTasks({ limit: 1 });
    expect(tasks.map(({ id }) => id)).toEqual(['long']);
    const numbers = texts(await again.getTask('long')).map((text) => Number(String(text).split(' ')[1]));
    expect(numbers).toEqual([...Array(LENGTH + 1).keys()]);
    expect(documentIn(path).tasks.at(-1)?.task.history).toHaveLength(LENGTH + 1);
    for (let n = 0; n < 60; n++) expect(String(texts(await again.getTask(`t${n}`)))).toMatch(`${n} x`);
  });

  it('is never one text, however long its messages are: a text of all of them may be longer than texts can be', async () => {
    const path = newFile();
    const first = await open(path, { durability: 'relaxed' });
    await first.upsertTask({ id: 'long', message: say('0') });
    const long = (n: number) => say(`${n} `.padEnd(300_000, '"\\'));
    for (let n = 1; n < 70; n++) {
      const { parts } = long(n);
      await first.updateTask('long', { newMessages: [long(n)], artifactsUpdates: [{ index: n % 3, parts }] }, view);
    }
    await first.close();
    for (const index of ['as it was', 'lost']) {
      if (index === 'lost') nodeFs.rmSync(`${path}.index`);
      const parse = vi.spyOn(JSON, 'parse');
      const store = await open(path);
      const stored = await store.getTask('long');
      expect(texts(stored).map((text) => Number.parseInt(String(text), 10))).toEqual([...Array(70).keys()]);
      expect(stored?.task.artifacts?.map(({ parts }) => parts.length)).toEqual([23, 23, 23]);
      const last = await store.getTask('long', { historyLength: 2, includeArtifacts: false });
      expect(last?.task.history).toEqual([long(68), long(69)]);
      await store.close();
      const lengths = parse.mock.calls.map(([text]) => text.length);
      parse.mockRestore();
      expect(Math.max(...lengths)).toBeLessThan(17_000_000);
    }
  });

  it.each(['message', 'part'])('with a bad %s is refused, though it is read bit by bit', async (kind) => {
    const path = newFile();
    const first = await open(path, { durability: 'relaxed' });
    await first.upsertTask({ id: 'long', message: say('0') });
    for (let n = 1; n < 20; n++) {
      const message = say(`${n} `.padEnd(900_000, 'x'));
      await first.updateTask(
        'long',
        { newMessages: [message], artifactsUpdates: [{ index: 0, parts: message.parts }] },
        view,
      );
    }
    await first.close();
    const text = readFileSync(path, 'utf8');
    const at = text.lastIndexOf(kind === 'part' ? '"text":"' : '"role":"agent"');
    nodeFs.writeFileSync(path, text.slice(0, at) + text.slice(at).replace(/"(text|agent)"/, '"none"'));
    await expect(open(path)).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringContaining('line 2'),
    });
  });

  it('that is replaced starts anew', async () => {
    const path = await withLongTask();
    const store = await open(path);
    await store.deleteTask('long');
    expect(await store.getTask('long')).toBeUndefined();
    await store.upsertTask({ id: 'long', message: say('anew') });
    await store.close();
    await using again = await open(path);
    expect(texts(await again.getTask('long'))).toEqual(['anew']);
    expect(documentIn(path).tasks).toHaveLength(3);
  });
});
