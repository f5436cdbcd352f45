/** Reads of parts of a tail, as sync makes them, leave later reads whole. */
import { expect, it, vi } from 'vitest';
import type { SelectRange } from '../src/core/record.ts';
import { openTaskStore } from '../src/indexeddb.ts';

const key = { callerId: undefined, taskType: 'incoming', taskId: 't' } as const;
const say = (n: number) => ({ role: 'agent' as const, parts: [{ type: 'text' as const, text: `${n}` }] });

async function longTask(name: string, count: number) {
  const store = await openTaskStore({ name });
  await store.upsertTask({ id: 't', message: say(0) });
  for (let n = 1; n < count; n++) await store.updateTask('t', { newMessages: [say(n)] });
  await store.close();
  return openTaskStore({ name });
}

const range = (from: number, to: number): SelectRange => {
  return () => ({ messages: [from, to], parts: () => [0, 0] });
};
const expected = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => say(from + i));

it('a range from the middle of a segment', async () => {
  await using store = await longTask('ranges', 100);
  for (const [from, to] of [
    [70, 80],
    [20, 30],
    [5, 95],
    [0, 100],
  ] as const) {
    expect((await store.port.backend.read(key, range(from, to)))?.messages()).toEqual(expected(from, to));
  }
});

it('many reads of one task at once', async () => {
  await using store = await longTask('at-once', 100);
  const ranges = [
    [70, 80],
    [20, 30],
    [0, 100],
    [50, 99],
    [0, 1],
  ] as const;
  await store.port.backend.read(key, range(99, 100));
  const records = await Promise.all(ranges.map(([from, to]) => store.port.backend.read(key, range(from, to))));
  expect(records.map((record) => record?.messages())).toEqual(ranges.map(([from, to]) => expected(from, to)));
});

it('a task whose messages together are longer than a text may be', async () => {
  await using store = await longTask('longer-than-a-text', 100);
  const parse = JSON.parse;
  const limited = vi.spyOn(JSON, 'parse').mockImplementation((text, ...rest) => {
    if (text.length > 2_000) throw new RangeError('Invalid string length');
    return parse(text, ...rest);
  });
  try {
    expect((await store.getTask('t'))?.task.history).toEqual(expected(0, 100));
  } finally {
    limited.mockRestore();
  }
});
