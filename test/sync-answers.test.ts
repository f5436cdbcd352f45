/** What the remote shows, and what it means here: whose status wins, what others wrote, what it lost, what comes late. */
import { describe, expect, test } from 'vitest';
import type { Part, StoredTask, Task, TaskState } from '../src/core/task.ts';
import { readHead } from '../src/sync/state.ts';
import { elkarImitation } from './support/elkar-imitation.ts';
import { says, textOf } from './support/sync-play.ts';
import { SyncWorld } from './support/sync-world.ts';

const key = { callerId: undefined, taskType: 'incoming', taskId: 't1' } as const;
const at = (second: number) => `2026-02-01T00:00:0${second}Z`;
const part = (text: string): Part => ({ type: 'text', text });

/** A task of one message that both sides have. */
async function shared() {
  const elkar = elkarImitation();
  /** What is done to the next requests; without an answer of its own one goes on to the server. */
  const inFront: ((request: Request) => Promise<Response | undefined>)[] = [];
  const world = new SyncWorld(async (request) => (await inFront.shift()?.(request)) ?? elkar.handle(request));
  const store = await world.open();
  const sync = store.sync as NonNullable<typeof store.sync>;
  await store.upsertTask({ id: 't1', sessionId: 's', message: says('1'), metadata: { kept: true } });
  await world.run();
  const task = async () => (await store.getTask('t1'))?.task as Task;
  const row = () => elkar.rows[0]?.task as unknown as Task;
  const put = (body: object) => world.send('PUT', '/tasks/t1', { caller_id: 'holdfast', ...body });
  const pull = async () => {
    await sync.pull('t1');
    await world.run();
  };
  return { elkar, inFront, world, store, sync, task, row, put, pull };
}

const textsOf = (task: Task) => task.history?.map(textOf);

describe('a status', () => {
  type Status = readonly [state: TaskState, seconds: number];
  const cases: [ours: Status, theirs: Status, winner: 'ours' | 'theirs'][] = [
    [['working', 2], ['input-required', 1], 'ours'],
    [['working', 1], ['input-required', 2], 'theirs'],
    [['working', 2], ['input-required', 2], 'theirs'],
    [['completed', 1], ['working', 2], 'ours'],
    [['working', 2], ['completed', 1], 'theirs'],
    [['completed', 2], ['failed', 1], 'ours'],
    [['completed', 1], ['failed', 2], 'theirs'],
  ];

  test.each(cases)('of %j here and of %j there: %s wins on both sides', async (ours, theirs, winner) => {
    const { store, sync, world, task, row, put, pull } = await shared();
    sync.pause();
    await store.updateTask('t1', { status: { state: ours[0], timestamp: at(ours[1]) } });
    await put({ status: { state: theirs[0], timestamp: at(theirs[1]) } });
    await pull();
    sync.resume();
    await world.run();
    const [state, second] = winner === 'ours' ? ours : theirs;
    for (const { status } of [await task(), row()]) expect(status).toEqual({ state, timestamp: at(second) });
  });

  test('that was not changed here is theirs, even an earlier one over a finished one; the rest of the task stays', async () => {
    const { store, world, task, put, pull } = await shared();
    await store.updateTask('t1', { status: { state: 'completed', timestamp: at(2) } });
    await world.run();
    const before = await task();
    const status = { state: 'working', timestamp: at(1) };
    await put({ status });
    await pull();
    expect(await task()).toEqual({ ...before, status });
  });

  test('of ours that comes back late, after a later one, is not theirs', async () => {
    const { elkar, store, world, task, row, pull } = await shared();
    const states = ['working', 'input-required', 'completed'] as const;
    for (const [i, state] of states.entries()) {
      await store.updateTask('t1', { status: { state, timestamp: at(i) } });
      await world.run();
    }
    row().status = { state: 'working', timestamp: at(0) };
    await pull();
    expect((await task()).status.state).toBe('completed');
    expect(row().status.state).toBe('completed');
    expect(elkar.requests.slice(-2)).toEqual(['GET /api/tasks/t1', 'PUT /api/tasks/t1']);
  });
});

describe('what others wrote', () => {
  test('comes with all that it is: an artifact with its name, its parts and its end', async () => {
    const { store, task, put, pull } = await shared();
    await store.updateTask('t1', { artifactsUpdates: [{ index: 0, name: 'ours', parts: [part('a')] }] });
    const theirs = { index: 3, name: 'theirs', parts: [part('b'), part('c')], last_chunk: true };
    await put({ artifacts_updates: [theirs, { index: 0, name: 'ours', parts: [part('d')] }] });
    await pull();
    const { artifacts } = await task();
    expect(artifacts).toEqual(
      expect.arrayContaining([
        { index: 3, name: 'theirs', parts: [part('b'), part('c')], lastChunk: true },
        { index: 0, name: 'ours', parts: [part('d'), part('a')] },
      ]),
    );
    expect(artifacts).toHaveLength(2);
  });

  test('and is known, is not written again, however often it is looked at', async () => {
    const { store, put, pull } = await shared();
    await put({ new_messages: [says('theirs')] });
    await pull();
    const head = await readHead(store.port, key);
    await pull();
    await pull();
    expect(await readHead(store.port, key)).toEqual(head);
  });

  test('comes into an outgoing task whole', async () => {
    const { elkar, store, sync, world } = await shared();
    const task: Task = {
      id: 'o1',
      sessionId: 's',
      status: { state: 'working', timestamp: at(1) },
      history: [says('1')],
    };
    await store.upsertTaskForClient(task, 'https://agent.test');
    await world.run();
    const theirs = {
      ...task,
      status: { state: 'completed', timestamp: at(2) },
      artifacts: [{ index: 0, name: 'theirs', parts: [part('a')] }],
    };
    const body = { task: theirs, server_agent_url: 'https://agent.test', counterparty_identifier: 'holdfast' };
    await world.send('POST', '/client-side/tasks', body);
    const { length } = elkar.requests;
    await sync.pull('o1', { taskType: 'outgoing' });
    await world.run();
    expect((await store.getTaskForClient('o1'))?.task).toEqual(theirs);
    expect(elkar.requests, 'and does not go back').toHaveLength(length + 1);
  });

  test('gives way to an outgoing task that was changed here', async () => {
    const { elkar, store, sync, world } = await shared();
    const task = (text: string): Task => ({
      id: 'o1',
      sessionId: 's',
      status: { state: 'working' },
      history: [says(text)],
    });
    await store.upsertTaskForClient(task('1'), 'https://agent.test');
    await world.run();
    sync.pause();
    await store.upsertTaskForClient(task('2'), 'https://agent.test');
    await sync.pull('o1', { taskType: 'outgoing' });
    expect(textsOf((await store.getTaskForClient('o1'))?.task as Task)).toEqual(['2']);
    sync.resume();
    await world.run();
    expect(elkar.rows.map(({ task }) => textsOf(task as unknown as Task)).at(-1)).toEqual(['2']);
  });
});

describe('a remote that has lost something', () => {
  const conflict = [{ taskId: 't1', error: { code: 'CONFLICT' } }];

  test.each([
    ['a message', (task: Task) => task.history?.pop()],
    ['a part', (task: Task) => task.artifacts?.[0]?.parts.pop()],
    ['an artifact', (task: Task) => task.artifacts?.pop()],
  ])('has the task set aside, whole: %s', async (_, lose) => {
    const { store, sync, world, task, row } = await shared();
    await store.updateTask('t1', {
      newMessages: [says('2')],
      artifactsUpdates: [{ index: 0, parts: [part('a'), part('b')] }],
    });
    await world.run();
    lose(row());
    await expect(sync.pull('t1')).rejects.toMatchObject({ code: 'CONFLICT' });
    await store.updateTask('t1', { newMessages: [says('3')] });
    await world.run();
    expect(await sync.blocked()).toMatchObject(conflict);
    expect(textsOf(await task())).toEqual(['1', '2', '3']);
    expect((await task()).artifacts?.[0]?.parts).toHaveLength(2);
  });

  test('in the middle of what was sent is noticed, and nothing taken for another', async () => {
    const { inFront, elkar, store, sync, world, row } = await shared();
    inFront.push(async (request) => {
      await elkar.handle(request);
      row().history?.splice(1, 1);
      return new Response('', { status: 500 });
    });
    await store.updateTask('t1', { newMessages: [says('2'), says('3')] });
    await world.run();
    expect(await sync.blocked()).toMatchObject(conflict);
    expect(textsOf(row())).toEqual(['1', '3']);
  });

  test('and says that it has taken what it has not is not sent the same again and again', async () => {
    const { inFront, elkar, store, sync, world } = await shared();
    const get = new Request('http://remote.test/api/tasks/t1?caller_id=holdfast', {
      headers: { 'x-api-key': 'secret' },
    });
    inFront.push(() => elkar.handle(get));
    await store.updateTask('t1', { newMessages: [says('2')] });
    await world.run();
    expect(await sync.blocked()).toMatchObject(conflict);
  });
});

describe('what was given up here and arrives all the same', () => {
  async function givenUp() {
    const place = await shared();
    const { store, sync, world } = place;
    world.faults.push('late', 'ok', '413');
    await store.updateTask('t1', { newMessages: [says('2')] });
    await world.run();
    expect(await sync.blocked()).toMatchObject([{ error: { code: 'REMOTE_REJECTED' } }]);
    return place;
  }

  test('is not taken for somebody else’s, and what follows goes up', async () => {
    const { store, sync, world, task, row, pull } = await givenUp();
    await sync.discard('t1');
    await world.deliverLate();
    await pull();
    expect(textsOf(await task())).toEqual(['1', '2']);
    await store.updateTask('t1', { newMessages: [says('3')] });
    await world.run();
    expect(textsOf(row())).toEqual(['1', '2', '3']);
    expect(textsOf(await task())).toEqual(['1', '2', '3']);
  });

  test('nor is it where the task was replaced meanwhile', async () => {
    const { store, sync, world, task, pull } = await givenUp();
    const { task: before } = (await store.getTask('t1')) as StoredTask;
    const replaced: Task = { ...before, history: [says('a')] };
    await store.port.transact(key, () => ({ type: 'replace', task: replaced }));
    await sync.discard('t1');
    await world.deliverLate();
    await pull();
    expect(textsOf(await task())).toEqual(['a']);
    await store.updateTask('t1', { newMessages: [says('b')] });
    await world.run();
    expect(textsOf(await task())).toEqual(['a', 'b']);
    expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 0 });
  });
});
