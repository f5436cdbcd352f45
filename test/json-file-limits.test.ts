/** What a text of the engine can hold is the limit of what a JSON file reads back; here it is a small one. */
import { expect, test, vi } from 'vitest';
import { indexOfByte } from '../src/backends/json-file/json-bytes.ts';
import { crashCopy, newFile, open, say, texts } from './support/json-file.ts';

vi.mock('node:buffer', async (original) => {
  const buffer = await original<typeof import('node:buffer')>();
  return { ...buffer, constants: { ...buffer.constants, MAX_STRING_LENGTH: 30_000 } };
});

test.each(['strict', 'relaxed'] as const)(
  'a change that could not be read back is refused, be it for the bytes of few characters: %s',
  async (durability) => {
    const path = newFile();
    await using store = await open(path, { durability });
    await store.upsertTask({ id: 't', message: say('first') });
    const refused = store.updateTask('t', { newMessages: [say('€'.repeat(11_000))] });
    const kept = store.updateTask('t', { newMessages: [say('€'.repeat(9_000))] });
    await expect(refused).rejects.toMatchObject({
      code: 'IO_ERROR',
      message: expect.stringContaining('updateTask of task "t": the change is too long'),
    });
    await kept;
    await store.updateTask('t', { newMessages: [say('x'.repeat(29_000))] });
    await using again = await open(crashCopy(path));
    expect(texts(await again.getTask('t')).map((text) => String(text).length)).toEqual([5, 9_000, 29_000]);
  },
);

test('bytes are found in more of them than Node looks through', () => {
  const bytes = Buffer.alloc(2 ** 31 + 100);
  const places = [2 ** 31 - 1, 2 ** 31, 2 ** 31 + 50];
  for (const place of places) bytes[place] = 34;
  expect(indexOfByte(bytes, 34, 2 ** 31 - 10)).toBe(places[0]);
  expect(indexOfByte(bytes, 34, 2 ** 31)).toBe(places[1]);
  expect(indexOfByte(bytes, 34, 2 ** 31 + 1)).toBe(places[2]);
  expect(indexOfByte(bytes, 34, 2 ** 31 + 51)).toBe(-1);
  expect(indexOfByte(bytes, 0, bytes.length)).toBe(-1);
});
