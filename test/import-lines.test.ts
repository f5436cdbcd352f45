import { expect, test } from 'vitest';
import { openTaskStore } from '../src/memory.ts';

// A streamed answer of a few thousand chunks is a line of megabytes, and comes as a file is read: in many pieces.
test('a long line in many pieces is not looked through again with each', { timeout: 20_000 }, async () => {
  const parts = Array.from({ length: 4_000 }, (_, i) => ({ type: 'text' as const, text: `${i}`.padEnd(1_000, 'ä') }));
  await using from = await openTaskStore();
  const task = { id: 't1', status: { state: 'completed' as const }, artifacts: [{ index: 0, parts }] };
  await from.upsertTaskForClient(task, 'https://agent.example');
  let text = '';
  for await (const line of from.exportTasks()) text += line;
  const bytes = new TextEncoder().encode(text);
  await using to = await openTaskStore();
  const pieces = (async function* () {
    for (let at = 0; at < bytes.length; at += 999) yield bytes.subarray(at, at + 999);
  })();
  expect(await to.importTasks(pieces)).toMatchObject({ imported: 1, failed: [] });
  expect(await to.getTaskForClient('t1')).toEqual(await from.getTaskForClient('t1'));
});
