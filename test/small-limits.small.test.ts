import { expect, it } from 'vitest';
import { contentOfJournal, open, undoAfterEach } from './support/indexeddb-tools.ts';

undoAfterEach();

it('limits are small here: a few small writes are more than is left unfolded', async () => {
  const store = await open();
  const message = { role: 'agent' as const, parts: [{ type: 'text' as const, text: 'Hello' }] };
  for (let i = 0; i < 10; i++) await store.upsertTask({ id: 't', message });
  await expect.poll(async () => (await contentOfJournal(store.name)).length).toBeLessThan(7);
});
