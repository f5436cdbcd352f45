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

it('of more tasks than their names are kept of, none is taken for a new one', async () => {
  const message = { role: 'agent' as const, parts: [{ type: 'text' as const, text: 'Hello' }] };
  const writer = await open();
  const ids = Array.from({ length: 20 }, (_, i) => `t${i}`);
  for (const id of ids) await writer.upsertTask({ id, message });
  await writer.close();
  const store = await open({ name: writer.name });
  // From here on it writes without a look, where it need not.
  await store.upsertTask({ id: 'new', message });
  for (const id of ids) expect((await store.upsertTask({ id, message })).task.history).toHaveLength(2);
});
