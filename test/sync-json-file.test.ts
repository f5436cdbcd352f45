/** Sync of a JSON file whose changes are on the disk before they are acknowledged. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openTaskStore } from '../src/index.node.ts';
import { elkarSync } from '../src/sync.ts';
import { elkarImitation } from './support/elkar-imitation.ts';
import { says, textOf } from './support/sync-play.ts';

const baseUrl = 'http://remote.test/api';

test('a pull ends, with what others wrote, while a task is changed without a pause', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-'));
  const { handle } = elkarImitation();
  const send = ((url: string, init: RequestInit) => handle(new Request(url, init))) as typeof fetch;
  const sync = elkarSync({ baseUrl, apiKey: 'secret', fetch: send, gatherMs: 0 });
  const store = await openTaskStore({ path: join(folder, 'tasks.json'), sync });
  await store.upsertTask({ id: 't', message: says('1') }, { until: 'remote' });
  store.sync.pause();
  await send(`${baseUrl}/tasks/t`, {
    method: 'PUT',
    headers: { 'x-api-key': 'secret', 'content-type': 'application/json' },
    body: JSON.stringify({ caller_id: 'holdfast', new_messages: [says('theirs')] }),
  });
  let isPulled = false;
  const pulled = store.sync.pull('t').then(() => (isPulled = true));
  let n = 2;
  while (!isPulled && n < 1000) await store.upsertTask({ id: 't', message: says(`${n++}`) });
  expect(n).toBeLessThan(100);
  await pulled;
  const history = (await store.getTask('t'))?.task.history?.map(textOf);
  expect(history?.slice(0, 3)).toEqual(['1', 'theirs', '2']);
  expect(history).toHaveLength(n);
  await store.close();
  await rm(folder, { recursive: true });
});
