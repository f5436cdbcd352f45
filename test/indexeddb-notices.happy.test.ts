/** What is heard in one context of what was done in another. */
import { expect, it } from 'vitest';
import type { Message, Part, Task } from '../src/core/task.ts';
import type { TaskChange } from '../src/index.browser.ts';
import { fillDisk, newName, onWrite, open, openRaw, patch, undoAfterEach } from './support/indexeddb-tools.ts';

undoAfterEach();

const say = (text: string): Message => ({ role: 'agent', parts: [{ type: 'text', text }] });
const part = (text: string): Part => ({ type: 'text', text });
const textsOf = (changes: readonly TaskChange[]) =>
  changes.flatMap(({ messages }) => messages.map(({ parts }) => parts[0]?.text));

/** Two contexts, with what the listeners of each have heard. */
async function openTwo() {
  const name = newName();
  const [one, other] = [await open({ name }), await open({ name })];
  const [own, heard]: [TaskChange[], TaskChange[]] = [[], []];
  one.subscribe((change) => own.push(change));
  other.subscribe((change) => heard.push(change));
  return { one, other, own, heard };
}

it('each chunk is heard with its own header, though more have come when it is read', async () => {
  const { one, own, heard } = await openTwo();
  const chunk = (text: string, more = {}) =>
    one.updateTask('t', { artifactsUpdates: [{ index: 0, parts: [part(text)], ...more }] });
  await one.upsertTask({ id: 't', message: say('first') });
  await Promise.all([chunk('1', { name: 'a' }), chunk('2'), chunk('3', { lastChunk: true, name: 'z' })]);
  await expect.poll(() => heard).toHaveLength(4);
  expect(heard).toEqual(own.map((change) => ({ ...change, source: 'elsewhere' })));
});

it('changes alone tell what a task has, also where it was put in place of another', async () => {
  const { one, own, heard } = await openTwo();
  const task = (...texts: string[]): Task => ({ id: 'o', status: { state: 'working' }, history: texts.map(say) });
  await one.upsertTaskForClient(task('a'), 'https://a.example');
  await one.updateTask('o', { taskType: 'outgoing', newMessages: [say('a2')] });
  const lines: string[] = [];
  for await (const line of one.exportTasks()) lines.push(line);
  await one.upsertTaskForClient(task('a', 'a2', 'a3'), 'https://a.example');
  // Of one that was replaced again before it was read, nothing is told but that it changed.
  await expect.poll(() => heard).toHaveLength(3);
  await one.importTasks(lines, { onConflict: 'replace' });
  await one.updateTask('o', { taskType: 'outgoing', newMessages: [say('a4')] });
  await expect.poll(() => heard).toHaveLength(5);
  for (const changes of [own, heard]) {
    expect(changes.map(({ whole }) => whole)).toEqual([undefined, undefined, true, true, undefined]);
    expect(textsOf(changes.slice(3))).toEqual(['a', 'a2', 'a4']);
  }
});

it('no change is heard with the items of a task that was made, or put, in its place', async () => {
  const { one, heard } = await openTwo();
  const task = (...texts: string[]): Task => ({ id: 'o', status: { state: 'working' }, history: texts.map(say) });
  await Promise.all([
    one.upsertTask({ id: 't', message: say('old 1') }),
    one.updateTask('t', { newMessages: [say('old 2')] }),
    one.deleteTask('t'),
    one.upsertTask({ id: 't', message: say('new 1') }),
    one.updateTask('t', { newMessages: [say('new 2')] }),
    one.upsertTaskForClient(task('a'), 'https://a.example'),
    one.updateTask('o', { taskType: 'outgoing', newMessages: [say('a2')] }),
    one.upsertTaskForClient(task('b', 'b2', 'b3'), 'https://a.example'),
  ]);
  await expect.poll(() => heard).toHaveLength(8);
  expect(heard.map(({ type }) => type).slice(0, 5)).toEqual(['created', 'updated', 'deleted', 'created', 'updated']);
  const texts = textsOf(heard);
  for (const text of ['new 1', 'new 2', 'b', 'b2', 'b3']) expect(texts.filter((each) => each === text)).toEqual([text]);
});

it('a watch outlives the late news that an earlier task of this id was deleted, and ends with its own', async () => {
  const { one, other } = await openTwo();
  for (const id of ['t', 'u']) await one.upsertTask({ id, message: say('old') });
  // While one task grows, what is done to others is told a moment later.
  let isGrowing = true;
  const growth = (async () => {
    while (isGrowing) await one.updateTask('u', { newMessages: [say('more')] });
  })();
  await expect.poll(async () => (await one.getTask('u'))?.task.history?.length).toBeGreaterThan(20);
  await one.deleteTask('t');
  await other.upsertTask({ id: 't', message: say('new') });
  const watched = other.watch('t');
  expect((await watched.next()).value?.task.history).toHaveLength(1);
  const news = watched.next();
  isGrowing = false;
  await growth;
  await expect.poll(async () => (await other.getTask('u'))?.task.history?.length).toBeGreaterThan(20);
  await other.updateTask('t', { newMessages: [say('news')] });
  expect(await news).toMatchObject({ done: false });
  const end = watched.next();
  await one.deleteTask('t');
  expect(await end).toMatchObject({ done: true });
});

it('a watch that is ended again leaves another of the same task alone', async () => {
  const { one } = await openTwo();
  await one.upsertTask({ id: 't', message: say('first') });
  const ended = one.watch('t');
  await ended.next();
  await ended.return?.();
  const watched = one.watch('t');
  await watched.next();
  await ended.return?.();
  const news = watched.next();
  await one.updateTask('t', { newMessages: [say('news')] });
  expect(await news).toMatchObject({ done: false });
});

it('a page that was put away, and is shown again, looks at what it watches', async () => {
  const { one, other } = await openTwo();
  await one.upsertTask({ id: 't', message: say('first') });
  const watched = other.watch('t');
  await watched.next();
  const news = watched.next();
  const silence = patch(BroadcastChannel.prototype, 'postMessage', () => () => {});
  await one.updateTask('t', { newMessages: [say('unheard of')] });
  await one.close();
  silence();
  globalThis.dispatchEvent(new Event('pageshow'));
  expect((await news).value?.task.history).toHaveLength(2);
});

it('a page that goes away amid a stream tells at once what it has done', async () => {
  const { one } = await openTwo();
  const append = (text: string) => one.updateTask('t', { newMessages: [say(text)] });
  await one.upsertTask({ id: 't', message: say('first') });
  // By then that is told, and what follows waits.
  await one.getTask('t');
  let told = 0;
  patch(BroadcastChannel.prototype, 'postMessage', () => (notices) => {
    told += notices.length;
  });
  let next: Promise<unknown> | undefined;
  const restore = onWrite(() => {
    restore();
    next = append('next');
  });
  await append('done');
  globalThis.dispatchEvent(new Event('pagehide'));
  expect(told).toBe(1);
  await next;
});

it('a store that is closed, and one that could not be opened, leave nothing behind that listens', async () => {
  const listening = new Set<unknown>();
  patch(
    globalThis,
    'addEventListener',
    (original) =>
      (...[type, listener, options]: Parameters<typeof addEventListener>) => {
        listening.add(listener);
        const { signal } = (options ?? {}) as AddEventListenerOptions;
        signal?.addEventListener('abort', () => listening.delete(listener));
        original(type, listener, options);
      },
  );
  patch(
    globalThis,
    'removeEventListener',
    (original) =>
      (...[type, listener, options]: Parameters<typeof removeEventListener>) => {
        listening.delete(listener);
        original(type, listener, options);
      },
  );
  const closed: unknown[] = [];
  for (const kind of [BroadcastChannel, IDBDatabase]) {
    patch(
      kind.prototype,
      'close',
      (original) =>
        function (this: BroadcastChannel & IDBDatabase) {
          closed.push(kind);
          original.call(this);
        },
    );
  }
  const store = await open();
  expect(listening.size).toBeGreaterThan(0);
  await store.close();
  expect(listening.size).toBe(0);
  expect(closed).toEqual([BroadcastChannel, IDBDatabase]);
  const name = newName();
  // Of a newer version.
  (await openRaw(name, 99)).close();
  await expect(open({ name })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect(listening.size).toBe(0);
  expect(closed.filter((kind) => kind === BroadcastChannel)).toHaveLength(2);
});

it('what was taken out without a record, the disk being full, is not listed any more by others', async () => {
  const name = newName();
  const writer = await open({ name });
  for (const id of ['t', 'u']) await writer.upsertTask({ id, message: say('first') });
  await writer.close();
  const [reader, other] = [await open({ name }), await open({ name })];
  const listed = async () => (await reader.listTasks()).tasks.map(({ id }) => id).sort();
  expect(await listed()).toEqual(['t', 'u']);
  const restore = fillDisk();
  expect(await other.deleteTask('t')).toBe(true);
  restore();
  await expect.poll(listed).toEqual(['u']);
});
