/** Files that somebody has edited: read where they make sense, refused where they do not. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { LocalTaskStore } from '../src/local-task-store.ts';
import { openTaskStore as openInMemory } from '../src/memory.ts';
import { crashCopy, documentIn, newFile, open, say, texts } from './support/json-file.ts';

it.each([
  ['a generation that no journal can have', /"generation":\d+/, '"generation":-1'],
  ['no values where some are said to be', '"meta":{}', '"meta":null'],
  ['a task of another id than its line', '"task":{"id":"a"', '"task":{"id":"b"'],
  ['a later format', '"format":1', '"format":2'],
  ['no format at all', '"format":1,', ''],
  ['a second list of tasks', '"tasks":[', '"tasks":[],"tasks":['],
  ['a name without quotes', '"tasks":[', '1:2,"tasks":['],
  ['half a revision', '"revision":1', '"revision":1.5'],
  ['a text for when something is pending', '"revision":1', '"revision":1,"pendingSince":"yesterday"'],
  ['a number that is none for when something is pending', '"revision":1', '"revision":1,"pendingSince":1e999'],
  ['a text for what sync knows', '"revision":1', '"revision":1,"sync":"all of it"'],
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

it.each(['', ' ', '\r\n\t'])(
  'what else stands at the top may be of any kind, and stand anywhere: between %j',
  async (space) => {
    const path = newFile();
    const time = '2026-01-01T00:00:00.000Z';
    const task = { id: 'a', status: { state: 'completed', timestamp: time } };
    const tasks = [{ id: 'a', taskType: 'incoming', isStreaming: false, createdAt: time, updatedAt: time, task }];
    const others = {
      number: -12.5e3,
      word: true,
      nothing: null,
      text: 'a, "b": [{',
      list: [[], {}, 1],
      deep: { a: { b: 0 } },
    };
    const fields = Object.entries({ ...others, tasks, holdfast: { format: 1 } }).map(
      ([name, value]) => `${JSON.stringify(name)}${space}:${space}${JSON.stringify(value)}`,
    );
    for (let turn = 0; turn < fields.length; turn++) {
      fields.unshift(fields.pop() as string);
      writeFileSync(path, `${space}{${space}${fields.join(`${space},${space}`)}${space}}${space}`);
      const store = await open(path);
      expect((await store.listTasks()).tasks.map(({ id }) => id)).toEqual(['a']);
      await store.upsertTask({ id: 'b', message: say('x') });
      await store.close();
      expect(documentIn(path)).toMatchObject(others);
      expect(documentIn(path).tasks).toHaveLength(2);
    }
  },
);

it('texts with quotes and backslashes end where they end', async () => {
  const path = newFile();
  const store = await open(path);
  const told = ['"', '\\', '\\"', '"\\', '\\\\', '\\\\"}],', 'a\\"b', ''];
  for (const text of told) await store.upsertTask({ id: `t${text}`, message: say(text) });
  await store.close();
  rmSync(`${path}.index`);
  await using again = await open(path);
  expect((await again.listTasks()).tasks).toHaveLength(told.length);
  for (const text of told) expect(texts(await again.getTask(`t${text}`))).toEqual([text]);
});

it('times may be written in any way that tells them', async () => {
  const path = newFile();
  let now = Date.parse('2026-01-02T10:00:00.000Z');
  const store = await open(path, { environment: { now: () => now++ } });
  for (const id of ['a', 'b', 'c', 'd']) await store.upsertTask({ id, message: say(id) });
  await store.close();
  const text = readFileSync(path, 'utf8');
  // The second and the last of them, as SQL and others write them.
  const forms = text.replaceAll('2026-01-02T10:00:00.001Z', '2026-01-02 10:00:00.001Z');
  writeFileSync(path, forms.replaceAll('2026-01-02T10:00:00.003Z', '2026-01-02T11:00:00.003+01:00'));
  for (let round = 0; round < 2; round++) {
    await using again = await open(path);
    const { tasks } = await again.listTasks();
    const times = [3, 2, 1, 0].map((ms) => `2026-01-02T10:00:00.00${ms}Z`);
    expect(tasks.map(({ updatedAt }) => updatedAt)).toEqual(times);
    const { tasks: later } = await again.listTasks({ updatedAfter: '2026-01-02T10:00:00.000Z' });
    expect(later.map(({ id }) => id)).toEqual(['d', 'c', 'b']);
    expect((await again.getTask('b'))?.createdAt).toBe('2026-01-02T10:00:00.001Z');
  }
});

it('times that run over are those of the next day or month', async () => {
  const path = newFile();
  const times = {
    a: ['2026-02-30T00:00:00.000Z', '2026-03-02T00:00:00.000Z'],
    b: ['2026-02-28T24:00:00.000Z', '2026-03-01T00:00:00.000Z'],
    c: ['2026-03-01T12:00:00.000Z', '2026-03-01T12:00:00.000Z'],
  } as const;
  const tasks = Object.entries(times).map(([id, [time]]) => {
    const task = { id, status: { state: 'completed', timestamp: time } };
    return { id, taskType: 'incoming', isStreaming: false, createdAt: time, updatedAt: time, task };
  });
  writeFileSync(path, JSON.stringify({ holdfast: { format: 1 }, tasks }));
  for (let round = 0; round < 2; round++) {
    await using store = await open(path);
    const { tasks } = await store.listTasks();
    expect(tasks.map(({ id, updatedAt }) => [id, updatedAt])).toEqual([
      ['a', times.a[1]],
      ['c', times.c[1]],
      ['b', times.b[1]],
    ]);
    const { tasks: later } = await store.listTasks({ updatedAfter: '2026-03-01T06:00:00.000Z' });
    expect(later.map(({ id }) => id)).toEqual(['a', 'c']);
  }
});

it('tasks of years with more than four digits are listed, page by page, where they are without a file', async () => {
  const path = newFile();
  const line = (id: string, time: string) => {
    const task = { id, status: { state: 'completed', timestamp: time } };
    const stored = { id, taskType: 'incoming', isStreaming: false, createdAt: time, updatedAt: time, task };
    return `${JSON.stringify(stored)}\n`;
  };
  const years = ['+010001', '2026', '+010000', '-000002', '+012000', '2025', '-000001', '0001', '+010002'];
  const lines = years.map((year, n) => line(`t${n}`, `${year}-01-01T00:00:00.000Z`));
  const more = [line('t3', '+010000-06-01T00:00:00.000Z'), line('new', '+010001-01-01T00:00:00.000Z')];
  const pages = async (store: LocalTaskStore) => {
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await store.listTasks({ limit: 1, cursor });
      ids.push(...page.tasks.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor);
    for (const updatedAfter of ['0001-06-01T00:00:00.000Z', '+010000-01-01T00:00:00.000Z']) {
      const { tasks } = await store.listTasks({ updatedAfter });
      ids.push(updatedAfter, ...tasks.map(({ id }) => id));
    }
    return ids;
  };
  await using memory = await openInMemory();
  const store = await open(path);
  for (const each of [memory, store]) await each.importTasks(lines.join(''));
  await store.close();
  for (const change of [() => rmSync(`${path}.index`), () => {}]) {
    const again = await open(path);
    const expected = await pages(memory as LocalTaskStore);
    expect(expected.length).toBeGreaterThanOrEqual(years.length);
    expect(await pages(again)).toEqual(expected);
    for (const each of [memory, again]) await each.importTasks(more.join(''), { onConflict: 'replace' });
    await again.close();
    change();
  }
  await using last = await open(path);
  expect(await pages(last)).toEqual(await pages(memory as LocalTaskStore));
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
