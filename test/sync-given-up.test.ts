/** Tasks that sync cannot simply go on with: from before it, another's, replaced, set aside and given up. */
import { describe, expect, test } from 'vitest';
import type { Message, Part, StoredTask, Task } from '../src/core/task.ts';
import type { LocalTaskStore } from '../src/local-task-store.ts';
import { elkarImitation } from './support/elkar-imitation.ts';
import { SyncWorld } from './support/sync-world.ts';

const says = (text: string, role: Message['role'] = 'agent'): Message => ({ role, parts: [{ type: 'text', text }] });
const part = (text: string): Part => ({ type: 'text', text });
const texts = (task: Task | undefined) => task?.history?.map(({ parts }) => parts[0]?.text);
const key = { callerId: undefined, taskType: 'incoming', taskId: 't1' } as const;
const conflict = [{ taskId: 't1', error: { code: 'CONFLICT' } }];

/** What an adapter does whose agent sends its task anew. */
async function replace(store: LocalTaskStore, change: Partial<Task>): Promise<void> {
  const { task } = (await store.getTask('t1')) as StoredTask;
  await store.port.transact(key, () => ({ type: 'replace', task: { ...task, ...change } }));
}

async function opened() {
  const elkar = elkarImitation();
  const world = new SyncWorld(elkar.handle);
  const store = await world.open();
  await store.upsertTask({ id: 't1', message: says('1', 'user') });
  await world.run();
  return { elkar, world, store, sync: store.sync as NonNullable<typeof store.sync> };
}

/** The task of messages 1, 2, 3 that is on this remote, as another store has exported it. */
async function exported({ handle }: ReturnType<typeof elkarImitation>): Promise<string> {
  const world = new SyncWorld(handle);
  const store = await world.open();
  await store.upsertTask({ id: 't1', message: says('1', 'user') });
  await store.updateTask('t1', { newMessages: [says('2'), says('3')] });
  await world.run();
  let lines = '';
  for await (const line of store.exportTasks()) lines += line;
  return lines;
}

describe('a task from before sync', () => {
  test('that is changed as soon as the store is open is compared with the remote, not sent anew', async () => {
    const elkar = elkarImitation();
    const lines = await exported(elkar);
    const world = new SyncWorld(elkar.handle);
    await (await world.openWithoutSync()).importTasks(lines);
    const store = await world.open();
    await store.updateTask('t1', { newMessages: [says('4')] });
    await world.run();
    expect(elkar.misdeeds).toEqual([]);
    for (const stored of [await store.getTask('t1'), await world.remoteTask('t1')]) {
      expect(texts(stored?.task)).toEqual(['1', '2', '3', '4']);
    }
  });

  test('that was only compared, and is then replaced, is set aside', async () => {
    const elkar = elkarImitation();
    const world = new SyncWorld(elkar.handle);
    const store = await world.open();
    await store.importTasks(await exported(elkar));
    await world.run();
    await replace(store, { history: [says('in short')] });
    await store.updateTask('t1', { newMessages: [says('4')] });
    await world.run();
    expect(await store.sync?.blocked()).toMatchObject(conflict);
    expect(texts((await world.remoteTask('t1'))?.task)).toEqual(['1', '2', '3']);
  });
});

test("what is changed under one identity in a task that another has pushed is not pushed as the other's", async () => {
  const world = new SyncWorld(elkarImitation().handle);
  const ann = await world.open({ identity: 'ann' });
  await ann.upsertTask({ id: 't1', message: says('of Ann', 'user') });
  await world.run();
  await ann.close();
  const bob = await world.open({ identity: 'bob' });
  bob.sync?.pause();
  await bob.updateTask('t1', { newMessages: [says('of Bob')] });
  await bob.close();
  await world.open({ identity: 'ann' });
  await world.run();
  expect(texts((await world.remoteTask('t1'))?.task)).toEqual(['of Ann']);
});

describe('a replaced task that was given up', () => {
  test('is set aside again when it is replaced again', async () => {
    const { world, store, sync } = await opened();
    await replace(store, { history: [says('a'), says('b')] });
    await world.run();
    await sync.discard('t1');
    expect(await sync.blocked()).toEqual([]);
    await replace(store, { history: [says('c')] });
    await store.updateTask('t1', { newMessages: [says('d')] });
    await world.run();
    expect(await sync.blocked()).toMatchObject(conflict);
  });

  test.each([
    ['another in place of the one', [{ index: 0, parts: [part('x')] }]],
    ['one of two', [{ index: 6, parts: [part('c')] }]],
  ])('goes on, whatever its artifacts are now, and gets no part twice: %s', async (_, artifacts) => {
    const { world, store, sync } = await opened();
    const begun = [
      { index: 5, parts: [part('a'), part('b')] },
      { index: 6, parts: [part('c')] },
    ];
    await store.updateTask('t1', { artifactsUpdates: begun });
    await world.run();
    await replace(store, { artifacts });
    await world.run();
    await sync.discard('t1');
    await store.updateTask('t1', { newMessages: [says('2')] });
    await world.run();
    await sync.pull('t1');
    expect(await sync.blocked()).toEqual([]);
    const { artifacts: kept, history } = (await store.getTask('t1'))?.task ?? {};
    expect(kept).toEqual(expect.arrayContaining(artifacts));
    expect(history).toEqual((await world.remoteTask('t1'))?.task.history);
  });

  test('keeps its status', async () => {
    const { world, store, sync } = await opened();
    await store.updateTask('t1', { newMessages: [says('2')] });
    await store.updateTask('t1', { status: { state: 'working', message: says('3') } });
    await world.run();
    world.tick(5);
    await replace(store, { status: { state: 'input-required' }, history: [says('in short')] });
    await world.run();
    await sync.discard('t1');
    await sync.pull('t1');
    expect((await store.getTask('t1'))?.task.status.state).toBe('input-required');
  });
});

describe('an import that changes what the remote has, given up,', () => {
  async function imported(change: Partial<Task>) {
    const { world, store, sync } = await opened();
    const artifactsUpdates = [{ index: 0, parts: [part('a')] }];
    await store.updateTask('t1', { newMessages: [says('2'), says('3')], artifactsUpdates });
    await world.run();
    const stored = (await store.getTask('t1')) as StoredTask;
    world.tick(5);
    const task = { ...stored.task, ...change, history: [says('1', 'user'), says('two'), says('3')] };
    await store.importTasks([{ ...stored, task }], { onConflict: 'replace' });
    await world.run();
    expect(await sync.blocked()).toMatchObject(conflict);
    await sync.discard('t1');
    await store.updateTask('t1', { newMessages: [says('4')] });
    await world.run();
    expect(await sync.blocked()).toEqual([]);
    return { world, store, sync };
  }

  test('goes on from what it is', async () => {
    const { world, store, sync } = await imported({});
    await store.updateTask('t1', { newMessages: [says('5')], artifactsUpdates: [{ index: 0, parts: [part('b')] }] });
    await world.run();
    await sync.pull('t1');
    const here = (await store.getTask('t1'))?.task;
    const there = (await world.remoteTask('t1'))?.task;
    expect([texts(here), texts(there)]).toEqual([
      ['1', 'two', '3', '4', '5'],
      ['1', '2', '3', '4', '5'],
    ]);
    for (const task of [here, there]) expect(task?.artifacts?.[0]?.parts).toEqual([part('a'), part('b')]);
  });

  test('keeps its status', async () => {
    const { world, store } = await imported({ status: { state: 'completed', timestamp: '2026-01-01T01:00:00Z' } });
    expect((await store.getTask('t1'))?.task.status.state).toBe('completed');
    expect((await world.remoteTask('t1'))?.task.status.state).toBe('completed');
  });

  test('gets back what it has dropped', async () => {
    const { store } = await imported({ artifacts: [] });
    expect((await store.getTask('t1'))?.task.artifacts?.[0]?.parts).toEqual([part('a')]);
  });
});

test('a task that was given up as another of the remote, which then has none, goes up whole with its next change', async () => {
  let elkar = elkarImitation();
  const world = new SyncWorld((request) => elkar.handle(request));
  const store = await world.open();
  await store.upsertTask({ id: 't1', message: says('1', 'user') });
  await world.run();
  const stored = (await store.getTask('t1')) as StoredTask;
  const task = { ...stored.task, history: [says('one', 'user'), says('1', 'user')] };
  await store.importTasks([{ ...stored, task }], { onConflict: 'replace' });
  await world.run();
  expect(await store.sync?.blocked()).toMatchObject(conflict);
  await store.sync?.discard('t1');
  elkar = elkarImitation();
  await store.updateTask('t1', { newMessages: [says('2')], artifactsUpdates: [{ index: 0, parts: [part('a')] }] });
  await world.run();
  expect(await store.sync?.blocked()).toEqual([]);
  const there = (await world.remoteTask('t1'))?.task;
  expect([texts(there), there?.artifacts?.[0]?.parts]).toEqual([['one', '1', '2'], [part('a')]]);
});

test('what arrives after all of what was given up before that, too, is not doubled here', async () => {
  const { world, store, sync } = await opened();
  for (const text of ['2', '3']) {
    world.faults.push('late');
    await store.updateTask('t1', { newMessages: [says(text)] });
    await world.run(1);
    await store.updateTask('t1', { newMessages: [says('a NUL: \0')] });
    await world.run();
    await sync.discard('t1');
  }
  await world.deliverLate();
  await sync.pull('t1');
  expect(texts((await store.getTask('t1'))?.task)).toEqual(['1', '2', 'a NUL: \0', '3', 'a NUL: \0']);
  expect(texts((await world.remoteTask('t1'))?.task)).toEqual(['1', '2', '3']);
});

test.each([
  ['once', []],
  ['nine times', Array(8).fill('1')],
])(
  'the first message of a task that was given up unseen on the remote, %s, and arrives after all is not doubled here',
  async (_, more) => {
    const { world, store, sync } = await opened();
    world.faults.push('late');
    await store.upsertTask({ id: 't2', message: says('0', 'user') });
    for (const text of [...more, '2']) {
      world.faults.push('413');
      await world.run();
      expect(await sync.blocked()).toMatchObject([{ taskId: 't2' }]);
      await sync.discard('t2');
      await store.updateTask('t2', { newMessages: [says(text)] });
    }
    world.faults.push('ok', 'hold-request');
    await world.run();
    await world.deliverLate();
    await world.release();
    await world.run();
    expect(texts((await store.getTask('t2'))?.task)).toEqual(['0', ...more, '2']);
  },
);

test('an artifact that was given up is not sent with what comes next', async () => {
  const { world, store, sync } = await opened();
  await store.updateTask('t1', { artifactsUpdates: [{ index: 0, parts: [part('a NUL: \0')] }] });
  await world.run();
  expect(await sync.blocked()).toHaveLength(1);
  await sync.discard('t1');
  await store.updateTask('t1', { newMessages: [says('2')] });
  await world.run();
  expect(await sync.blocked()).toEqual([]);
  await store.updateTask('t1', { artifactsUpdates: [{ index: 0, parts: [part('b')] }] });
  await world.run();
  expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 0, blockedTasks: 0 });
  expect((await world.remoteTask('t1'))?.task.artifacts?.[0]?.parts).toEqual([part('b')]);
  expect((await store.getTask('t1'))?.task.artifacts?.[0]?.parts).toEqual([part('a NUL: \0'), part('b')]);
});

describe('an outgoing task', () => {
  const task = (...said: string[]): Task => {
    return { id: 'o1', sessionId: 's', status: { state: 'working' }, history: said.map((text) => says(text)) };
  };

  test('that was given up stays as it is', async () => {
    const { world, store, sync } = await opened();
    await store.upsertTaskForClient(task('0'), 'https://agent.test');
    await world.run();
    world.tick(5);
    await store.upsertTaskForClient(task('0', 'a NUL: \0'), 'https://agent.test');
    await world.run();
    expect(await sync.blocked()).toMatchObject([{ taskId: 'o1' }]);
    await sync.discard('o1', { taskType: 'outgoing' });
    await sync.pull('o1', { taskType: 'outgoing' });
    expect(texts((await store.getTaskForClient('o1'))?.task)).toEqual(['0', 'a NUL: \0']);
  });

  test('keeps no flush waiting, however often it is replaced meanwhile', async () => {
    const { world, store, sync } = await opened();
    world.faults.push(...Array<'hold'>(8).fill('hold'));
    await store.upsertTaskForClient(task('0'), 'https://agent.test');
    await world.run(1);
    let isFlushed = false;
    const flushed = sync.flush({ taskId: 'o1', taskType: 'outgoing' }).then(() => {
      isFlushed = true;
    });
    for (let n = 1; n < 8 && !isFlushed; n++) {
      world.tick(100);
      await store.upsertTaskForClient(task(`${n}`), 'https://agent.test');
      await world.rest();
      await world.release(1);
      await world.rest();
    }
    expect(isFlushed).toBe(true);
    await flushed;
  });
});
