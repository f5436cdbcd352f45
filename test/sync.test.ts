/** Sync through the public API, in a world whose clock and network are the test's. */
import { describe, expect, test } from 'vitest';
import type { Message, StoredTask, Task } from '../src/core/task.ts';
import { openTaskStore } from '../src/memory.ts';
import { createElkarHandler } from '../src/server.ts';
import { readHead } from '../src/sync/state.ts';
import { elkarSync } from '../src/sync.ts';
import type { SyncStatus, TaskChange } from '../src/task-store.ts';
import { elkarImitation } from './support/elkar-imitation.ts';
import { SyncWorld } from './support/sync-world.ts';

const says = (text: string, role: Message['role'] = 'agent'): Message => ({ role, parts: [{ type: 'text', text }] });
const texts = (task: Task | undefined) => task?.history?.map(({ parts }) => parts[0]?.text);

const key = { callerId: undefined, taskType: 'incoming', taskId: 't1' } as const;

function elkarWorld() {
  const elkar = elkarImitation();
  return { elkar, world: new SyncWorld(elkar.handle) };
}

async function opened() {
  const { elkar, world } = elkarWorld();
  const store = await world.open();
  return { elkar, world, store, sync: store.sync as NonNullable<typeof store.sync> };
}

describe('few requests', () => {
  test('a new task is one request, and nothing is asked afterwards', async () => {
    const { elkar, world, store, sync } = await opened();
    await store.upsertTask({ id: 't1', message: says('Hi', 'user') });
    await world.run();
    expect(elkar.requests).toEqual(['POST /api/tasks']);
    expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 0, leader: true });
    expect((await store.listTasks()).tasks[0]?.pending).toBe(false);
  });

  test('1,000 offline appends on 10 tasks are at most 30', async () => {
    const { elkar, world, store, sync } = await opened();
    sync.pause();
    for (let i = 0; i < 10; i++) await store.upsertTask({ id: `t${i}`, message: says('Hi', 'user') });
    world.tick(50);
    for (let i = 0; i < 1000; i++) {
      world.tick(1);
      await store.updateTask(`t${i % 10}`, {
        status: { state: 'working', ...(i % 20 === 0 && { message: says(`status ${i}`) }) },
        newMessages: [says(`${i}`)],
        artifactsUpdates: [{ index: 0, parts: [{ type: 'text', text: `${i}` }] }],
      });
    }
    sync.resume();
    await world.run();
    expect(elkar.requests.length).toBeLessThanOrEqual(30);
    expect(elkar.misdeeds).toEqual([]);
    for (let i = 0; i < 10; i++) {
      const local = await store.getTask(`t${i}`);
      const remote = await world.remoteTask(`t${i}`);
      expect(remote?.task).toEqual(local?.task);
    }
  });

  test('what is too large for one request goes in several; a 413 halves them', async () => {
    const { elkar, world, store, sync } = await opened();
    sync.pause();
    await store.upsertTask({ id: 't1', message: says('Hi', 'user') });
    const newMessages = Array.from({ length: 12 }, (_, i) => says(`${i}${'ä'.repeat(100_000)}`));
    await store.updateTask('t1', { newMessages });
    world.faults.push('ok', '413', '413');
    sync.resume();
    await world.run();
    expect(elkar.requests.filter((request) => request.startsWith('GET'))).toEqual([]);
    expect((await world.remoteTask('t1'))?.task.history).toHaveLength(13);
    expect(await sync.blocked()).toEqual([]);
  });
});

test('a task with much to push lets the others have their turns', async () => {
  const { elkar, world } = elkarWorld();
  const store = await world.open({ concurrency: 1, maxRequestBytes: 1000 });
  store.sync?.pause();
  await store.upsertTask({ id: 'long', message: says('Hi', 'user') });
  await store.updateTask('long', { newMessages: Array.from({ length: 9 }, (_, i) => says(`${i}${'a'.repeat(800)}`)) });
  await store.upsertTask({ id: 'short', message: says('Hi', 'user') });
  store.sync?.resume();
  await world.run();
  expect(elkar.requests.slice(0, 3)).toEqual(['POST /api/tasks', 'POST /api/tasks', 'PUT /api/tasks/long']);
  expect(texts((await world.remoteTask('long'))?.task)).toHaveLength(10);
});

test('a task that is deleted is nothing to push any more, and one made anew is another', async () => {
  const { elkar, world, store, sync } = await opened();
  await store.upsertTask({ id: 'bad', message: says('a NUL: \0', 'user') });
  await world.run();
  expect(sync.status).toMatchObject({ blockedTasks: 1, pendingTasks: 1 });
  await store.deleteTask('bad');
  await world.run();
  expect(sync.status).toMatchObject({ state: 'idle', blockedTasks: 0, pendingTasks: 0 });
  world.faults.push('hold');
  await store.upsertTask({ id: 't1', message: says('1', 'user') });
  await store.updateTask('t1', { newMessages: [says('2')] });
  await world.run(1);
  await store.deleteTask('t1');
  await store.upsertTask({ id: 't1', message: says('3', 'user') });
  await world.release();
  await world.run();
  expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 0 });
  expect(elkar.requests.length).toBeLessThan(5);
});

test('flush waits for what was pending when it was called, however much comes after it', async () => {
  const { world, store, sync } = await opened();
  world.faults.push(...Array<'hold'>(8).fill('hold'));
  await store.upsertTask({ id: 'a', message: says('before', 'user') });
  await world.run(1);
  const called = world.now;
  let isFlushed = false;
  const flushed = sync.flush().then(() => {
    isFlushed = true;
  });
  for (let i = 0; i < 6 && !isFlushed; i++) {
    world.tick(1000);
    // One of the two is always on its way.
    await store.upsertTask({ id: 'a', message: says('after', 'user') });
    await store.upsertTask({ id: 'b', message: says('after', 'user') });
    await world.run(1);
    await world.release(1);
    expect(sync.status).toMatchObject({ state: 'pushing', pendingTasks: 2 });
  }
  expect(sync.status.oldestPendingAt).toBeGreaterThan(called);
  expect(isFlushed).toBe(true);
  await world.release();
  await world.run();
  await flushed;
});

test('status messages keep their place in the remote history', async () => {
  const { world, store, sync } = await opened();
  sync.pause();
  await store.upsertTask({ id: 't1', message: says('1', 'user') });
  await store.updateTask('t1', { newMessages: [says('2')] });
  await store.updateTask('t1', { status: { state: 'working', message: says('3') }, newMessages: [says('4')] });
  await store.updateTask('t1', { status: { state: 'completed', message: says('5') }, newMessages: [says('6')] });
  sync.resume();
  await world.run();
  const remote = await world.remoteTask('t1');
  expect(texts(remote?.task)).toEqual(['1', '2', '3', '4', '5', '6']);
  expect(remote?.task.status).toEqual((await store.getTask('t1'))?.task.status);
});

test('arguments that are none are refused by every call, and nothing is done', async () => {
  const { elkar, world, store, sync } = await opened();
  await store.upsertTask({ id: 'bad', message: says('a NUL: \0', 'user') });
  await world.run();
  const any = sync as unknown as Record<string, (...args: unknown[]) => unknown>;
  const options = [null, 'ann', 5, ['ann'], { callerId: '' }, { taskType: 'any' }, { signal: {} }, { signal: 5 }];
  const refused: [call: string, ...args: unknown[]][] = [
    ...['pull', 'retry', 'discard'].flatMap((call): [string, ...unknown[]][] => [
      ...options.map((option): [string, unknown, unknown] => [call, 'bad', option]),
      ...['', null, undefined, 5].map((id): [string, unknown] => [call, id]),
    ]),
    ...options.map((option): [string, unknown] => ['flush', option]),
    ...['', null, 5].map((taskId): [string, unknown] => ['flush', { taskId }]),
  ];
  for (const [operation, ...args] of refused) {
    const refusal = { name: 'TaskStoreError', code: 'INVALID_ARGUMENT', operation };
    await expect(any[operation]?.(...args), `${operation} ${JSON.stringify(args)}`).rejects.toMatchObject(refusal);
  }
  expect(await sync.blocked()).toMatchObject([{ taskId: 'bad' }]);
  expect(elkar.requests).toEqual([]);
});

describe('failures', () => {
  test('a refused task is set aside, whole, and blocks no other', async () => {
    const { world, store, sync } = await opened();
    await store.upsertTask({ id: 'bad', message: says('a NUL: \0', 'user') });
    await store.upsertTask({ id: 'good', message: says('Hi', 'user') });
    await world.run();
    expect(texts((await world.remoteTask('good'))?.task)).toEqual(['Hi']);
    const [blocked] = await sync.blocked();
    expect(blocked).toMatchObject({ taskId: 'bad', taskType: 'incoming', error: { code: 'REMOTE_REJECTED' } });
    expect(sync.status).toMatchObject({ blockedTasks: 1, pendingTasks: 1, state: 'idle' });
    await expect(sync.flush({ taskId: 'bad' })).rejects.toMatchObject({ code: 'REMOTE_REJECTED' });
    await expect(sync.flush()).rejects.toMatchObject({ code: 'REMOTE_REJECTED' });
    expect(await store.prune({ olderThan: '2030-01-01' })).toBe(0);
    await sync.discard('bad');
    await world.run();
    expect(await sync.blocked()).toEqual([]);
    expect(texts((await store.getTask('bad'))?.task)).toEqual(['a NUL: \0']);
    await sync.flush();
  });

  test('401 pauses everything and loses nothing; a resume goes on', async () => {
    const { elkar, world, store, sync } = await opened();
    world.faults.push('401');
    await store.upsertTask({ id: 't1', message: says('Hi', 'user') });
    await world.run();
    expect(sync.status).toMatchObject({ state: 'paused', pendingTasks: 1, lastError: { code: 'UNAUTHORIZED' } });
    await expect(sync.flush()).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    await store.upsertTask({ id: 't2', message: says('Hi', 'user') });
    await world.run();
    expect(elkar.requests).toEqual([]);
    sync.resume();
    await world.run();
    expect(elkar.requests).toEqual(['POST /api/tasks', 'POST /api/tasks']);
    expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 0 });
  });

  test('a key that cannot be had, for want of a network, is asked for again', async () => {
    const { elkar, world } = elkarWorld();
    let isDown = true;
    const apiKey = async () => {
      if (isDown) throw new TypeError('network');
      return 'secret';
    };
    const store = await world.open({ apiKey });
    await store.upsertTask({ id: 't1', message: says('Hi', 'user') });
    await world.run(3);
    expect(store.sync?.status).toMatchObject({ state: 'offline', pendingTasks: 1 });
    isDown = false;
    await world.run();
    expect(elkar.requests).toEqual(['POST /api/tasks']);
  });

  test('Retry-After is waited for, whatever happens meanwhile', async () => {
    const { elkar, world, store, sync } = await opened();
    world.faults.push('429');
    const start = store.port.now();
    await store.upsertTask({ id: 't1', message: says('Hi', 'user') });
    await world.run(1);
    expect(sync.status.state).toBe('offline');
    void sync.flush().catch(() => {});
    await store.upsertTask({ id: 't2', message: says('Hi', 'user') });
    await world.rest();
    expect(elkar.requests).toEqual([]);
    await world.run();
    expect(store.port.now() - start).toBeGreaterThanOrEqual(1000);
    expect(elkar.requests).toHaveLength(2);
  });

  test('a 200 that is not an answer acknowledges nothing, and the remote is asked before anything is sent again', async () => {
    const { elkar, world, store } = await opened();
    world.faults.push('captive', 'captive', 'drop-answer');
    await store.upsertTask({ id: 't1', message: says('Hi', 'user') });
    await world.run();
    expect(elkar.requests).toEqual(['GET /api/tasks/t1', 'GET /api/tasks/t1', 'POST /api/tasks']);
    expect(elkar.misdeeds).toEqual([]);
  });

  test('a row that is another task stops this one', async () => {
    const { elkar, world, store, sync } = await opened();
    await store.upsertTask({ id: 't1', message: says('Hi', 'user') });
    await world.run();
    Object.assign(elkar.rows[0] as object, { id: '00000000-0000-4000-8000-000000000000' });
    await store.updateTask('t1', { newMessages: [says('more')] });
    await world.run();
    expect(await sync.blocked()).toMatchObject([{ taskId: 't1', error: { code: 'CONFLICT' } }]);
  });
});

test('an answer that comes after a successor has gone on acknowledges nothing', async () => {
  const { elkar, world, store } = await opened();
  await store.upsertTask({ id: 't1', message: says('1', 'user') });
  await world.run();
  world.faults.push('hold');
  await store.updateTask('t1', { newMessages: [says('2')] });
  await world.run();
  // The successor asks, learns that 2 has arrived, and pushes what follows.
  const successor = await world.open();
  await successor.updateTask('t1', { newMessages: [says('3')] });
  await world.run();
  const { sync } = (await readHead(successor.port, key)) ?? {};
  await world.release();
  await world.run();
  const after = await readHead(successor.port, key);
  expect(after?.sync).toEqual(sync);
  expect(texts((await world.remoteTask('t1'))?.task)).toEqual(['1', '2', '3']);
  expect(await successor.sync?.blocked()).toEqual([]);
  expect(elkar.misdeeds).toEqual([]);
});

describe('flush', () => {
  test("waits until the remote has it; so does until: 'remote'", async () => {
    const { elkar, world, store, sync } = await opened();
    world.faults.push('drop-request', 'drop-request');
    const upsert = store.upsertTask({ id: 't1', message: says('Hi', 'user') }, { until: 'remote' });
    await world.run();
    await upsert;
    expect(elkar.rows).toHaveLength(1);
    await sync.flush();
    await sync.flush({ taskId: 't1' });
  });

  test('waits for tasks from before sync too, as soon as the store is open', async () => {
    const { elkar, world } = elkarWorld();
    const before = await world.openWithoutSync();
    await before.upsertTask({ id: 't1', message: says('Hi', 'user') });
    await (await world.open()).sync?.flush();
    expect(elkar.rows).toHaveLength(1);
  });

  test('ends at its time limit and at its signal', async () => {
    const { world, store, sync } = await opened();
    sync.pause();
    await store.upsertTask({ id: 't1', message: says('Hi', 'user') });
    const late = expect(sync.flush({ timeoutMs: 100 })).rejects.toMatchObject({ code: 'REMOTE_UNREACHABLE' });
    const abort = new AbortController();
    const ended = expect(sync.flush({ taskId: 't1', signal: abort.signal })).rejects.toBe('enough');
    await world.rest();
    abort.abort('enough');
    await world.run();
    await Promise.all([late, ended]);
  });

  test('tells its state to who subscribes, and stops with the store', async () => {
    const { world, store, sync } = await opened();
    const states: SyncStatus['state'][] = [];
    sync.subscribe(({ state }) => states.at(-1) !== state && states.push(state));
    await store.upsertTask({ id: 't1', message: says('Hi', 'user') });
    await world.run();
    await store.close();
    expect(states).toEqual(['pushing', 'idle', 'stopped']);
  });

  test('closes the store once, though whoever hears of it closes the store too', async () => {
    const { store, sync } = await opened();
    let again: Promise<void> | undefined;
    sync.subscribe(({ state }) => {
      if (state === 'stopped') again = store.close();
    });
    const closing = store.close();
    await closing;
    expect(again).toBe(closing);
  });
});

describe('a clock that was set back', () => {
  test('keeps nobody waiting for a context that is gone', async () => {
    const { elkar, world, store } = await opened();
    world.faults.push('hold');
    await store.upsertTask({ id: 't1', message: says('1', 'user') });
    await world.run();
    world.crash();
    world.tick(-3_600_000);
    const again = await world.open();
    await world.run();
    expect(elkar.requests).toEqual(['POST /api/tasks', 'GET /api/tasks/t1']);
    expect(again.sync?.status).toMatchObject({ state: 'idle', pendingTasks: 0 });
    expect(world.now).toBeLessThan(Date.parse('2026-01-01'));
  });

  test('makes no flush believe that the remote has what it has not', async () => {
    const { world, store, sync } = await opened();
    world.faults.push(...Array<'drop-request'>(9).fill('drop-request'));
    await store.upsertTask({ id: 't1', message: says('1', 'user') });
    world.tick(-3_600_000);
    const all = sync.flush({ timeoutMs: 10 });
    const one = store.updateTask('t1', { newMessages: [says('2')] }, { until: 'remote' });
    await Promise.all([expect(all).rejects.toMatchObject({ code: 'REMOTE_UNREACHABLE' }), world.run(1)]);
    await world.run();
    await one;
    expect(texts((await world.remoteTask('t1'))?.task)).toEqual(['1', '2']);
  });

  test("makes nobody's changes another identity's", async () => {
    const { elkar, world } = elkarWorld();
    const first = await world.open({ identity: 'ann' });
    first.sync?.pause();
    await first.upsertTask({ id: 't1', message: says('of Ann', 'user') });
    world.crash();
    world.tick(-3_600_000);
    await world.open({ identity: 'bob' });
    await world.run();
    expect(elkar.requests).toEqual([]);
  });
});

describe('pull', () => {
  test("brings in what others wrote, before this side's unsent changes, and watchers see it", async () => {
    const { world, store, sync } = await opened();
    await store.upsertTask({ id: 't1', message: says('1', 'user') });
    await world.run();
    sync.pause();
    await store.updateTask('t1', { newMessages: [says('mine')] });
    await world.send('PUT', '/tasks/t1', {
      caller_id: 'holdfast',
      new_messages: [says('theirs')],
      status: { state: 'completed', timestamp: '2026-02-01T00:00:00Z' },
    });
    const changes: TaskChange[] = [];
    store.subscribe((change) => changes.push(change));
    await sync.pull('t1');
    const pulled = await store.getTask('t1');
    expect(texts(pulled?.task)).toEqual(['1', 'theirs', 'mine']);
    expect(pulled?.task.status.state).toBe('completed');
    expect(changes).toMatchObject([{ source: 'remote', whole: true, messages: pulled?.task.history }]);
    sync.resume();
    await world.run();
    expect(texts((await world.remoteTask('t1'))?.task)).toEqual(['1', 'theirs', 'mine']);
  });

  test('ends with the store, and with its signal, whatever it waits for', async () => {
    const { world, store, sync } = await opened();
    await store.upsertTask({ id: 't1', message: says('1', 'user') });
    await world.run();
    world.faults.push('hold', 'hold', 'hold');
    const asking = expect(sync.pull('t1')).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    await store.updateTask('t1', { newMessages: [says('2')] });
    await world.run(1);
    const abort = new AbortController();
    const waiting = expect(sync.pull('t1', { signal: abort.signal })).rejects.toBe('enough');
    await world.rest();
    abort.abort('enough');
    await waiting;
    await store.close();
    await asking;
    for (const call of ['pull', 'retry', 'discard'] as const) {
      await expect(sync[call]('t1')).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    }
    await expect(sync.blocked()).rejects.toMatchObject({ code: 'STORE_CLOSED', operation: 'blocked' });
  });

  test('of conflicting states the finished one wins', async () => {
    const { world, store, sync } = await opened();
    await store.upsertTask({ id: 't1', message: says('1', 'user') });
    await world.run();
    sync.pause();
    await store.updateTask('t1', { status: { state: 'completed', timestamp: '2026-01-02T00:00:00.000Z' } });
    await world.send('PUT', '/tasks/t1', {
      caller_id: 'holdfast',
      status: { state: 'working', timestamp: '2026-02-01T00:00:00Z' },
    });
    sync.resume();
    await sync.pull('t1');
    await world.run();
    expect((await world.remoteTask('t1'))?.task.status.state).toBe('completed');
    expect((await store.getTask('t1'))?.task.status.state).toBe('completed');
  });

  test('a status that goes again over another one leaves its message where it is', async () => {
    const { elkar, world, store, sync } = await opened();
    await store.upsertTask({ id: 't1', message: says('1', 'user') });
    await world.run();
    world.faults.push('drop-answer');
    await store.updateTask('t1', { status: { state: 'completed', message: says('2') } });
    await world.run(1);
    const status = { state: 'working', timestamp: '2026-02-01T00:00:00Z' };
    await world.send('PUT', '/tasks/t1', { caller_id: 'holdfast', status });
    await world.run();
    const [row] = elkar.rows.map(({ task }) => task as unknown as Task);
    expect(row?.status.state).toBe('completed');
    expect(texts(row)).toEqual(['1', '2']);
    const { length } = elkar.requests;
    await sync.pull('t1');
    await world.run();
    expect(elkar.requests).toHaveLength(length + 1);
    expect((await store.getTask('t1'))?.task.status).toMatchObject({ state: 'completed', message: says('2') });
  });

  test('polls unfinished tasks where asked to, and writes nothing where nothing is new', async () => {
    const { elkar, world } = elkarWorld();
    const store = await world.open({ pollMs: 5000 });
    await store.upsertTask({ id: 't1', message: says('1', 'user') });
    await world.run(3);
    const head = await readHead(store.port, key);
    await world.run(3);
    expect(await readHead(store.port, key)).toEqual(head);
    const before = elkar.requests.length;
    await world.send('PUT', '/tasks/t1', { caller_id: 'holdfast', new_messages: [says('theirs')] });
    await world.run(4);
    expect(elkar.requests.length).toBeGreaterThan(before + 1);
    expect(texts((await store.getTask('t1'))?.task)).toEqual(['1', 'theirs']);
    await store.close();
  });
});

describe('polling', () => {
  async function polled() {
    const { elkar, world } = elkarWorld();
    const store = await world.open({ pollMs: 1000 });
    for (const id of ['lost', 'kept']) {
      await store.upsertTask({ id, message: says('1', 'user') });
      world.tick(1);
    }
    await world.run(3);
    elkar.requests.splice(0);
    return { elkar, world, store };
  }

  test('goes on after a task that the remote has lost', async () => {
    const { elkar, world, store } = await polled();
    elkar.rows.splice(0, 1);
    await world.send('PUT', '/tasks/kept', { caller_id: 'holdfast', new_messages: [says('theirs')] });
    await world.run(3);
    expect(texts((await store.getTask('kept'))?.task)).toEqual(['1', 'theirs']);
    await store.close();
  });

  test('leaves the remote alone as long as it asks for it', async () => {
    const { elkar, world, store } = await polled();
    world.faults.push('429');
    while (world.faults.length > 0) await world.run(1);
    expect(store.sync?.status).toMatchObject({ state: 'offline', lastError: { status: 429 } });
    const start = world.now;
    await store.upsertTask({ id: 'new', message: says('1', 'user') });
    while (elkar.requests.length === 0) await world.run(1);
    expect(world.now - start).toBeGreaterThanOrEqual(1000);
    await store.close();
  });

  test('pauses when the key is refused', async () => {
    const { elkar, world, store } = await polled();
    world.faults.push('401');
    await world.run(9);
    expect(elkar.requests).toEqual([]);
    expect(store.sync?.status.state).toBe('paused');
    await store.close();
  });
});

describe('outgoing tasks', () => {
  test('go up whole, and again after a lost answer', async () => {
    const { elkar, world, store } = await opened();
    world.faults.push('drop-answer');
    const task: Task = { id: 'o1', sessionId: 's', status: { state: 'working' }, history: [says('1', 'user')] };
    await store.upsertTaskForClient(task, 'https://agent.test');
    await world.run();
    await store.upsertTaskForClient({ ...task, status: { state: 'completed' } }, 'https://agent.test');
    await world.run();
    expect(elkar.requests).toEqual(Array(3).fill('POST /api/client-side/tasks'));
    expect(elkar.rows).toMatchObject([{ taskType: 'outgoing', task: { status: { state: 'completed' } } }]);
    expect((await store.listTasks({ taskType: 'outgoing' })).tasks[0]?.pending).toBe(false);
  });

  test('go up again where a late duplicate of an earlier version came over them, and take in what others wrote', async () => {
    const { elkar, world, store, sync } = await opened();
    const task: Task = {
      id: 'o1',
      status: { state: 'working', timestamp: '2026-01-01T00:00:00.5Z' },
      history: [says('1', 'user')],
      artifacts: [{ index: 0, parts: [{ type: 'text', text: 'a' }] }],
      metadata: { b: 1, a: 2 },
    };
    world.faults.push('late');
    await store.upsertTaskForClient(task, 'https://agent.test');
    await world.run(1);
    await store.upsertTaskForClient({ ...task, history: [says('2')] }, 'https://agent.test');
    await world.run();
    await world.deliverLate();
    await sync.pull('o1', { taskType: 'outgoing' });
    const kept = async () => texts((await store.getTaskForClient('o1'))?.task);
    expect(await kept()).toEqual(['2']);
    await world.run();
    expect(texts(elkar.rows[0]?.task as unknown as Task)).toEqual(['2']);
    expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 0 });

    const theirs = { ...task, history: [says('theirs')] };
    await world.send('POST', '/client-side/tasks', {
      task: { ...theirs, sessionId: 's' },
      server_agent_url: 'https://agent.test',
      counterparty_identifier: 'holdfast',
    });
    await sync.pull('o1', { taskType: 'outgoing' });
    expect(await kept()).toEqual(['theirs']);
  });
});

describe('whose changes they are', () => {
  test('changes of one identity are kept and reported under another, and pushed under their own', async () => {
    const { elkar, world } = elkarWorld();
    const first = await world.open({ identity: 'ann' });
    first.sync?.pause();
    await first.upsertTask({ id: 't1', message: says('of Ann', 'user') });
    world.crash();
    world.tick(1);
    const second = await world.open({ identity: 'bob' });
    await second.upsertTask({ id: 't2', message: says('of Bob', 'user') });
    await world.run();
    expect(elkar.rows.map(({ taskId }) => taskId)).toEqual(['t2']);
    expect(await second.sync?.blocked()).toMatchObject([{ taskId: 't1', error: { code: 'CONFLICT' } }]);
    await expect(second.sync?.retry('t1')).rejects.toMatchObject({ code: 'CONFLICT' });
    world.crash();
    await world.open({ identity: 'ann' });
    await world.run();
    expect(elkar.rows.map(({ taskId }) => taskId)).toEqual(['t2', 't1']);
  });

  test("another identity's remote is never asked of a task, nor given one that was set aside", async () => {
    const ann = elkarImitation();
    const bob = elkarImitation();
    let handle = ann.handle;
    const world = new SyncWorld((request) => handle(request));
    const first = await world.open({ identity: 'ann' });
    await first.upsertTask({ id: 'lost', message: says('of Ann', 'user') });
    await world.run();
    ann.rows.splice(0);
    await first.updateTask('lost', { newMessages: [says('more')] });
    await world.run();
    expect(await first.sync?.blocked()).toMatchObject([{ error: { code: 'TASK_NOT_FOUND' } }]);
    world.faults.push('drop-answer');
    await first.upsertTask({ id: 'doubt', message: says('of Ann', 'user') });
    await world.run(1);
    world.crash();
    world.tick(1);

    handle = bob.handle;
    const second = await world.open({ identity: 'bob', pollMs: 1000 });
    await world.run(5);
    const belongs = { code: 'CONFLICT' };
    await expect(second.sync?.pull('doubt')).rejects.toMatchObject(belongs);
    await expect(second.sync?.retry('lost')).rejects.toMatchObject(belongs);
    await world.run(5);
    expect(bob.requests).toEqual([]);
    expect(await second.sync?.blocked()).toMatchObject([{ error: belongs }, { error: belongs }]);
    world.crash();

    handle = ann.handle;
    await world.open({ identity: 'ann' });
    await world.run();
    expect(ann.misdeeds).toEqual([]);
  });

  test('it is the one that they were made under, whoever has opened the store meanwhile, be it without sync', async () => {
    const { elkar, world } = elkarWorld();
    const ann = await world.open({ identity: 'ann' });
    await world.run();
    await (await world.openWithoutSync()).upsertTask({ id: 'without', message: says('of Ann', 'user') });
    const bob = await world.open({ identity: 'bob' });
    await ann.upsertTask({ id: 'with', message: says('of Ann', 'user') });
    ann.sync?.pause();
    await bob.upsertTask({ id: 'own', message: says('of Bob', 'user') });
    await world.run();
    expect((await bob.sync?.blocked())?.map(({ taskId }) => taskId).sort()).toEqual(['with', 'without']);
    expect(elkar.rows.map(({ taskId }) => taskId)).toEqual(['own']);
  });

  test('it is that of the options as they were given, whatever they are used for next', async () => {
    const { elkar } = elkarWorld();
    const fetch: typeof globalThis.fetch = (input, init) => elkar.handle(new Request(input, init));
    const options = { baseUrl: 'http://remote.test/api', apiKey: 'secret', identity: 'ann', fetch };
    const sync = elkarSync(options);
    options.identity = 'bob';
    const store = await openTaskStore({ sync });
    await store.upsertTask({ id: 't1', message: says('1', 'user') });
    await store.sync.flush();
    expect(elkar.rows).toHaveLength(1);
    await store.close();
  });

  test('a caller with the name that stands for none is told so, and gets nothing of theirs', async () => {
    const { elkar, store, sync, world } = await opened();
    await store.upsertTask({ id: 't1', message: says("nobody's", 'user') });
    await store.upsertTask({ id: 't1', message: says('mine', 'user') }, { callerId: 'holdfast' });
    await world.run();
    const error = { code: 'REMOTE_REJECTED' };
    expect(await sync.blocked()).toMatchObject([{ taskId: 't1', callerId: 'holdfast', error }]);
    await expect(sync.pull('t1', { callerId: 'holdfast' })).rejects.toMatchObject(error);
    expect(texts((await store.getTask('t1', { callerId: 'holdfast' }))?.task)).toEqual(['mine']);
    expect(elkar.misdeeds).toEqual([]);
  });

  test('neither the store nor an error holds the key', async () => {
    const { world, store, sync } = await opened();
    world.faults.push('401');
    await store.upsertTask({ id: 't1', message: says('Hi', 'user') });
    await world.run();
    const held = JSON.stringify([
      await store.port.backend.pending(9),
      await store.port.backend.getMeta('sync'),
      `${sync.status.lastError?.stack}`,
    ]);
    expect(held).not.toContain('secret');
  });

  test('bad options are named, before anything is opened', () => {
    const unreachable = { baseUrl: 'https://ho st/api', apiKey: '' };
    const places = ['baseUrl', 'apiKey'].map((name) => expect.objectContaining({ path: [name] }));
    expect(() => elkarSync(unreachable)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', issues: places }));
    // No request could be made with it, and errors would quote its credentials.
    for (const baseUrl of [
      'https://user:word@host/api',
      'https://user@host',
      'https://host/api?v=1',
      'https://host/#a',
    ]) {
      expect(() => elkarSync({ baseUrl, apiKey: 'k' }), baseUrl).toThrow('baseUrl: expected');
    }
    for (const baseUrl of ['https://host/api/', 'http://[::1]:8080', 'HTTPS://host/@team/api']) {
      expect(() => elkarSync({ baseUrl, apiKey: 'k' }), baseUrl).not.toThrow();
    }
    // Only an object's own are kept.
    const inherited = Object.create({ baseUrl: 'https://host/api', apiKey: 'k' });
    expect(() => elkarSync(inherited)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', issues: places }));
    const bad = { baseUrl: 'https://host/api', apiKey: 'k', concurrency: 0, pollMs: -1, defaultCallerId: '' };
    const paths = ['concurrency', 'pollMs', 'defaultCallerId'].map((name) => expect.objectContaining({ path: [name] }));
    expect(() => elkarSync(bad)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', issues: paths }));
  });
});

describe('tasks that were here before', () => {
  test('are compared with the remote and only completed there', async () => {
    const other = elkarWorld();
    const source = await other.world.open();
    await source.upsertTask({ id: 't1', message: says('1', 'user') });
    await source.updateTask('t1', { newMessages: [says('2'), says('3')], artifactsUpdates: [{ index: 4, parts: [] }] });
    await other.world.run();
    let lines = '';
    for await (const line of source.exportTasks()) lines += line;

    const fresh = new SyncWorld(other.elkar.handle);
    const store = await fresh.open();
    await store.importTasks(lines);
    await store.updateTask('t1', { newMessages: [says('4')] });
    await fresh.run();
    expect(texts((await fresh.remoteTask('t1'))?.task)).toEqual(['1', '2', '3', '4']);
    expect(texts((await store.getTask('t1'))?.task)).toEqual(['1', '2', '3', '4']);
    expect(other.elkar.misdeeds).toEqual([]);
  });

  test('what a backup held that had still to go up is known again, though it has arrived behind what others wrote', async () => {
    const { elkar, world, store, sync } = await opened();
    await store.upsertTask({ id: 't1', message: says('1', 'user') });
    await world.run();
    sync.pause();
    await store.updateTask('t1', { newMessages: [says('2'), says('3')] });
    let lines = '';
    for await (const line of store.exportTasks()) lines += line;
    await world.send('PUT', '/tasks/t1', { caller_id: 'holdfast', new_messages: [says('theirs')] });
    sync.resume();
    await world.run();

    const fresh = new SyncWorld(elkar.handle);
    const restored = await fresh.open();
    await restored.importTasks(lines);
    await restored.updateTask('t1', { newMessages: [says('4')] });
    await fresh.run();
    expect(await restored.sync?.blocked()).toEqual([]);
    const all = ['1', 'theirs', '2', '3', '4'];
    expect(texts((await fresh.remoteTask('t1'))?.task)).toEqual(all);
    expect(texts((await restored.getTask('t1'))?.task)).toEqual(all);
  });

  test('a task set aside since an answer was mixed up is complete here and there once it is tried again', async () => {
    const elkar = elkarImitation();
    let isMixedUp = false;
    const world = new SyncWorld(async (request) => {
      const answer = await elkar.handle(request);
      if (!isMixedUp) return answer;
      return Response.json({ ...((await answer.json()) as object), id: 'other' });
    });
    const store = await world.open();
    await store.upsertTask({ id: 't1', message: says('1', 'user') });
    await world.run();
    await world.send('PUT', '/tasks/t1', { caller_id: 'holdfast', new_messages: [says('theirs')] });
    // The push arrives all the same.
    isMixedUp = true;
    await store.updateTask('t1', { newMessages: [says('2')] });
    await world.run();
    expect(await store.sync?.blocked()).toMatchObject([{ error: { code: 'CONFLICT' } }]);
    isMixedUp = false;
    await store.sync?.retry('t1');
    await world.run();
    expect(await store.sync?.blocked()).toEqual([]);
    expect(texts((await world.remoteTask('t1'))?.task)).toEqual(['1', 'theirs', '2']);
    expect(texts((await store.getTask('t1'))?.task)).toEqual(['1', 'theirs', '2']);
  });
});

describe('a task that is replaced', () => {
  const changed = (stored: StoredTask | undefined, ...history: Message[]): StoredTask => {
    const { task, ...known } = stored as StoredTask;
    return { ...known, task: { ...task, history } };
  };

  test('by an import is completed on the remote, and never doubled where that cannot be', async () => {
    const { elkar, world, store, sync } = await opened();
    await store.upsertTask({ id: 't1', message: says('1', 'user') });
    await store.updateTask('t1', { newMessages: [says('2'), says('3')] });
    await world.run();
    const kept = await store.getTask('t1');
    const onConflict = 'replace';
    const longer = changed(kept, says('1', 'user'), says('2'), says('3'), says('4'));
    await store.importTasks([longer], { onConflict });
    await world.run();
    expect(elkar.rows.map(({ task }) => texts(task as never))).toEqual([['1', '2', '3', '4']]);
    const corrected = changed(kept, says('1', 'user'), says('two'), says('3'), says('4'));
    await store.importTasks([corrected], { onConflict });
    await world.run();
    expect(await sync.blocked()).toMatchObject([{ taskId: 't1', error: { code: 'CONFLICT' } }]);
    expect(texts((await store.getTask('t1'))?.task)).toEqual(['1', 'two', '3', '4']);
    expect(elkar.rows.map(({ task }) => texts(task as never))).toEqual([['1', '2', '3', '4']]);
  });

  test('by an adapter is set aside, since the remote can only be added to; given up, it goes on', async () => {
    const { elkar, world, store, sync } = await opened();
    await store.upsertTask({ id: 't1', message: says('1', 'user') });
    await store.updateTask('t1', { newMessages: [says('2'), says('3')] });
    await world.run();
    const { task } = (await store.getTask('t1')) as StoredTask;
    await store.port.transact(key, () => ({ type: 'replace', task: { ...task, history: [says('in short')] } }));
    await store.updateTask('t1', { newMessages: [says('4')] });
    await world.run();
    const error = { code: 'CONFLICT' };
    expect(await sync.blocked()).toMatchObject([{ taskId: 't1', error }]);
    await expect(sync.flush()).rejects.toMatchObject({ ...error, operation: 'flush', taskId: 't1' });
    expect(texts((await world.remoteTask('t1'))?.task)).toEqual(['1', '2', '3']);
    await sync.discard('t1');
    await store.updateTask('t1', { newMessages: [says('5')] });
    await world.run();
    expect(texts((await store.getTask('t1'))?.task)).toEqual(['in short', '4', '5']);
    expect(texts((await world.remoteTask('t1'))?.task)).toEqual(['1', '2', '3', '5']);
    expect(elkar.misdeeds).toEqual([]);
  });

  test('while its creation is under way is not taken for what was sent', async () => {
    const { world, store, sync } = await opened();
    world.faults.push('hold');
    await store.upsertTask({ id: 't1', message: says('1', 'user') });
    await world.run(1);
    const { task } = (await store.getTask('t1')) as StoredTask;
    await store.port.transact(key, () => ({ type: 'replace', task: { ...task, history: [says('another', 'user')] } }));
    await world.release();
    await world.run();
    expect(await sync.blocked()).toMatchObject([{ taskId: 't1', error: { code: 'CONFLICT' } }]);
  });
});

describe('a storage that fails', () => {
  test('at a look for what is pending is asked again', async () => {
    const { elkar, world } = elkarWorld();
    const first = await world.open();
    first.sync?.pause();
    await first.upsertTask({ id: 't1', message: says('1', 'user') });
    world.crash();
    world.refusals.pending = 1;
    const { sync } = await world.open();
    await world.run(3);
    expect(elkar.requests).toEqual(['POST /api/tasks']);
    expect(sync?.status).toMatchObject({ state: 'idle', pendingTasks: 0 });
  });

  test('at the beginning of sync lets no flush end before it has begun', async () => {
    const { elkar, world } = elkarWorld();
    await (await world.openWithoutSync()).upsertTask({ id: 't1', message: says('1', 'user') });
    world.refusals.setMeta = 2;
    const { sync } = await world.open();
    const flushed = sync?.flush();
    await world.run();
    await flushed;
    expect(elkar.rows).toHaveLength(1);
  });
});

describe('what is pending is counted', () => {
  test('while sync is paused, too', async () => {
    const { world, store, sync } = await opened();
    sync.pause();
    await store.upsertTask({ id: 'a', message: says('1', 'user') });
    await store.upsertTask({ id: 'b', message: says('1', 'user') });
    await store.deleteTask('a');
    await world.run();
    expect(sync.status).toMatchObject({ state: 'paused', pendingTasks: 1 });
    world.crash();
    const again = await world.open();
    again.sync?.pause();
    await world.run();
    expect(again.sync?.status).toMatchObject({ state: 'paused', pendingTasks: 1 });
  });

  test('and where nothing is any more, the remote is not said to be offline', async () => {
    const { world, store, sync } = await opened();
    world.faults.push('drop-request');
    await store.upsertTask({ id: 'a', message: says('1', 'user') });
    await world.run(1);
    expect(sync.status.state).toBe('offline');
    await store.deleteTask('a');
    await world.run();
    expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 0 });
  });
});

test('our endpoint gets everything, closed artifacts and metadata too', async () => {
  const endpoint = await openTaskStore();
  const world = new SyncWorld(createElkarHandler({ store: endpoint, authorize: () => 'agent' }));
  const store = await world.open();
  await store.upsertTask({ id: 't1', message: says('1', 'user'), metadata: { a: 1 } }, { isStreaming: true });
  await store.updateTask('t1', {
    artifactsUpdates: [{ index: 0, name: 'report', parts: [{ type: 'text', text: 'a' }] }],
  });
  await world.run();
  await store.updateTask('t1', {
    status: { state: 'completed', message: says('2') },
    metadata: { b: 2 },
    artifactsUpdates: [{ index: 0, parts: [{ type: 'text', text: 'b' }], lastChunk: true }],
  });
  await world.run();
  expect((await world.remoteTask('t1'))?.task).toEqual((await store.getTask('t1'))?.task);
});
