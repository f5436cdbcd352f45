import { expect, it } from 'vitest';
import { contentOfJournal, open, undoAfterEach } from './support/indexeddb-tools.ts';

undoAfterEach();

it('limits are small here: a few small writes are more than is left unfolded', async () => {
  const store = await open();
  const message = { role: 'agent' as const, parts: [{ type: 'text' as const, text: 'Hello' }] };
  for (let i = 0; i < 10; i++) await store.upsertTask({ id: 't', message });
  await expect.poll(async () => (await contentOfJournal(store.name)).length).toBeLessThan(7);
});

it.each([
  ['many', 200, 0],
  ['long', 40, 10_000],
])('what is not folded is bounded while a stream of changes, %s, never pauses', async (_, count, length) => {
  const store = await open();
  const message = { role: 'agent' as const, parts: [{ type: 'text' as const, text: 'x'.repeat(length) }] };
  for (let i = 0; i < count; i++) await store.upsertTask({ id: 't', message });
  expect((await contentOfJournal(store.name)).length).toBeLessThan(count / 2);
});

it.each([
  ['many', 10, 0],
  ['long', 1, 10_000],
])('what is not folded is folded in the next pause, be it %s', async (_, count, length) => {
  const store = await open();
  const message = { role: 'agent' as const, parts: [{ type: 'text' as const, text: 'x'.repeat(length) }] };
  for (let i = 0; i < count; i++) await store.upsertTask({ id: 't', message });
  await expect.poll(() => contentOfJournal(store.name)).toEqual([]);
});
