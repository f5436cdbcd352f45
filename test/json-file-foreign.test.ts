/** Files that somebody has edited: read where they make sense, refused where they do not. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { crashCopy, documentIn, newFile, open, say } from './support/json-file.ts';

it.each([
  ['a generation that no journal can have', /"generation":\d+/, '"generation":-1'],
  ['no values where some are said to be', '"meta":{}', '"meta":null'],
  ['a task of another id than its line', '"task":{"id":"a"', '"task":{"id":"b"'],
])('%s is refused as corrupt', async (_, what, by) => {
  const path = newFile();
  const store = await open(path);
  await store.upsertTask({ id: 'a', message: say('x') });
  await store.close();
  const text = readFileSync(path, 'utf8');
  expect(text).toMatch(what);
  writeFileSync(path, text.replace(what, by));
  await expect(open(path)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
});

it('a journal that does not fit the file any more is refused as corrupt', async () => {
  const path = newFile();
  const add = async () => {
    const store = await open(path);
    await store.upsertTask({ id: 'a', message: say('x') });
    await store.updateTask('a', { artifactsUpdates: [{ index: 0, parts: [{ type: 'text', text: 'p' }] }] });
    return store;
  };
  await (await add()).close();
  const store = await add();
  const copy = crashCopy(path);
  await store.close();
  const document = documentIn(copy);
  delete document.tasks[0]?.task.artifacts;
  writeFileSync(copy, JSON.stringify(document));
  await expect(open(copy)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
});

it('an export that goes on after close says that the store is closed', async () => {
  const path = newFile();
  const first = await open(path, { durability: 'relaxed' });
  for (let n = 0; n < 700; n++) await first.upsertTask({ id: `t${n}`, message: say('x') });
  await first.close();
  const store = await open(path);
  const lines = store.exportTasks();
  // As many as are listed at a time.
  for (let n = 0; n < 500; n++) await lines.next();
  await store.close();
  await expect(lines.next()).rejects.toMatchObject({ code: 'STORE_CLOSED', operation: 'exportTasks' });
});
