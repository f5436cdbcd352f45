/** Sync of a task that is too large to be kept in memory (`small-limits`). */
import { expect, test } from 'vitest';
import { openTaskStore } from '../src/indexeddb.ts';
import { says, sharedRemote } from './support/pull-amid-changes.ts';

test('what others wrote to it is brought in', async () => {
  const { sync, append } = await sharedRemote();
  await using store = await openTaskStore({ name: 'large', sync });
  await store.upsertTask({ id: 't', message: says('1') });
  const long = 'long '.repeat(200);
  for (let n = 2; n <= 60; n++) await store.updateTask('t', { newMessages: [says(long)] });
  await store.sync.flush();
  await append('t', 'theirs');
  await store.sync.pull('t');
  const history = (await store.getTask('t'))?.task.history;
  expect(history).toHaveLength(61);
  expect(history?.at(-1)).toMatchObject(says('theirs'));
});
