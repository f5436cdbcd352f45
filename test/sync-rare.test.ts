/** Where two rare things meet in sync. */
import { describe, expect, test, vi } from 'vitest';
import { TaskStoreError } from '../src/core/errors.ts';
import type { Message } from '../src/core/task.ts';
import type { SyncOptions } from '../src/sync.ts';
import { elkarImitation } from './support/elkar-imitation.ts';
import { says, textOf } from './support/sync-play.ts';
import { SyncWorld } from './support/sync-world.ts';

async function opened(options: Partial<SyncOptions> = {}) {
  const elkar = elkarImitation();
  const world = new SyncWorld(elkar.handle);
  const store = await world.open(options);
  return { elkar, world, store, sync: store.sync as NonNullable<typeof store.sync> };
}

const bad = () => says('a NUL: \0');
const tooLarge = () => new Response('length limit exceeded', { status: 413 });

describe('the remote is not said to be offline', () => {
  test('where all that is left was set aside', async () => {
    const { world, store, sync } = await opened();
    await store.upsertTask({ id: 'bad', message: bad() });
    await world.run();
    world.faults.push('drop-request');
    await store.upsertTask({ id: 'a', message: says('1') });
    await world.run(1);
    expect(sync.status.state).toBe('offline');
    await store.deleteTask('a');
    await world.run();
    expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 1, blockedTasks: 1 });
  });
});

test('a task that is refused here says nothing of a remote that is down', async () => {
  const { world, store, sync } = await opened({ concurrency: 4 });
  world.faults.push(...Array(50).fill('drop-request'));
  await store.upsertTask({ id: 'a', message: says('1') });
  await store.upsertTask({ id: 'b', message: says('1') });
  await store.upsertTask({ id: 'c', message: says('1') });
  await world.run(12);
  expect(sync.status.state).toBe('offline');
  await store.upsertTask({ id: 'bad', message: bad() });
  for (let n = 0; n < 20; n++) {
    const { requests } = world;
    await world.run(1);
    expect(world.requests - requests).toBeLessThan(2);
    expect(sync.status.state).toBe('offline');
  }
  expect(sync.status.blockedTasks).toBe(1);
});

test('a flush waits while sync is paused, though there was no key to be had', async () => {
  const { elkar, world, store, sync } = await opened({
    apiKey: () => {
      if (isOffline) throw new Error('no network');
      return 'secret';
    },
  });
  let isOffline = true;
  await store.upsertTask({ id: 'a', message: says('1') });
  await world.run(3);
  expect(sync.status).toMatchObject({ state: 'offline', lastError: { code: 'UNAUTHORIZED' } });
  sync.pause();
  let ended: unknown;
  const flushed = sync.flush().then(
    () => (ended = 'flushed'),
    (error) => (ended = error),
  );
  await world.rest();
  expect(ended).toBe(undefined);
  isOffline = false;
  sync.resume();
  await world.run();
  await flushed;
  expect(ended).toBe('flushed');
  expect(elkar.rows).toHaveLength(1);
});

test('a flush that hears of a refused key while it looks at the store ends with the error that says so', async () => {
  const { world, store, sync } = await opened({ apiKey: 'another' });
  world.faults.push('hold');
  await store.upsertTask({ id: 'a', message: says('1') });
  await world.run(1);
  world.beforeHeard = async (name) => {
    if (name === 'pending') await world.release();
  };
  const error = await sync.flush().catch((error) => error);
  expect(error).toMatchObject({ code: 'UNAUTHORIZED', status: 401 });
});

describe('a task that is deleted and made anew', () => {
  test('while sync looks for what is pending', async () => {
    const { elkar, world, store, sync } = await opened();
    sync.pause();
    await store.upsertTask({ id: 'a', message: says('1') });
    await store.updateTask('a', { newMessages: [says('x')] });
    await world.run();
    await store.deleteTask('a');
    let isDone = false;
    world.beforeHeard = async (name) => {
      if (name !== 'pending' || isDone) return;
      isDone = true;
      await store.upsertTask({ id: 'a', message: says('2') });
    };
    await world.run();
    expect(isDone).toBe(true);
    expect(sync.status.pendingTasks).toBe(1);
    expect(elkar.rows).toHaveLength(0);
  });

  test('in the moment its push begins', async () => {
    const { world, store, sync } = await opened();
    await store.upsertTask({ id: 'a', message: says('1') });
    const { backend } = store.port;
    const read = backend.read.bind(backend);
    vi.spyOn(backend, 'read').mockImplementationOnce(async (...args) => {
      const record = await read(...args);
      world.tick(1);
      await store.deleteTask('a');
      await store.upsertTask({ id: 'a', message: says('2') });
      return record;
    });
    await world.run();
    expect((await world.remoteTask('a'))?.task.history?.map(textOf)).toEqual(['2']);
    expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 0 });
  });

  test('in the moment its push ends', async () => {
    const { world, store, sync } = await opened();
    let isDone = false;
    world.faults.push('hold');
    await store.upsertTask({ id: 'a', message: says('1') });
    await world.run();
    world.beforeHeard = async (name) => {
      if (name !== 'commit' || isDone) return;
      isDone = true;
      await store.deleteTask('a');
      await store.upsertTask({ id: 'a', message: says('2') });
    };
    await world.release();
    await world.run();
    expect(isDone).toBe(true);
    const local = (await store.listTasks()).tasks[0];
    const remote = await world.remoteTask('a');
    expect({ pending: local?.pending, ...sync.status, remote: remote?.task.history?.map(textOf) }).toMatchObject({
      pending: false,
      remote: ['1', '2'],
    });
  });

  test('deleted while it waits for its next try is nothing pending', async () => {
    const { world, store, sync } = await opened();
    world.faults.push(...Array(12).fill('500-before'));
    await store.upsertTask({ id: 'a', message: says('1') });
    await world.run(8);
    await store.deleteTask('a');
    await world.runFor(60);
    expect(sync.status).toMatchObject({ pendingTasks: 0 });
  });
});

/** A remote that takes no more than 6,000 characters, and a task that it has; a busy loop ends at some time. */
async function smallRemote() {
  const elkar = elkarImitation();
  const bodies: number[] = [];
  const world = new SyncWorld(async (request) => {
    const text = await request.clone().text();
    bodies.push(text.length);
    if (bodies.length > 60) throw new Error('busy');
    return text.length > 6_000 ? tooLarge() : elkar.handle(request);
  });
  const store = await world.open();
  await store.upsertTask({ id: 'a', message: says('1') });
  return { bodies, world, store };
}

describe('one part that is too large', () => {
  test.each([1, 3])('of %i new artifacts is set aside', async (count) => {
    const { bodies, world, store } = await smallRemote();
    await store.updateTask('a', {
      artifactsUpdates: Array.from({ length: count }, (_, index) => ({
        index,
        parts: [{ type: 'text' as const, text: 'a'.repeat(10_000) }],
      })),
    });
    await world.run(100);
    expect(bodies.length).toBeLessThan(10);
    expect(await store.sync?.blocked()).toMatchObject([{ error: { status: 413 } }]);
  });

  test('headers too are halved', async () => {
    const { bodies, world, store } = await smallRemote();
    await store.updateTask('a', {
      artifactsUpdates: Array.from({ length: 8 }, (_, index) => ({
        index,
        description: 'b'.repeat(1000),
        parts: [{ type: 'text' as const, text: 'a'.repeat(1_000) }],
        lastChunk: true,
      })),
    });
    await world.run(100);
    expect(bodies.length).toBeLessThan(20);
    expect(await store.sync?.blocked()).toEqual([]);
    expect((await world.remoteTask('a'))?.task.artifacts).toEqual((await store.getTask('a'))?.task.artifacts);
  });
});

test('Retry-After holds though the storage fails at that moment', async () => {
  const { world, store } = await opened({ concurrency: 1 });
  world.faults.push('429');
  await store.upsertTask({ id: 'a', message: says('1') });
  await store.upsertTask({ id: 'b', message: says('1') });
  world.beforeHeard = async (name) => {
    if (name !== 'commit') return;
    world.beforeHeard = undefined;
    world.refusals.commit = 1;
  };
  await world.runFor(900);
  expect(world.requests).toBe(1);
});

describe('a clock that is turned back', () => {
  test('while a request is out, ends no flush early', async () => {
    const { world, store, sync } = await opened();
    await store.upsertTask({ id: 'a', message: says('1') });
    world.tick(10_000);
    world.faults.push('hold', 'hold');
    await world.run(1);
    world.tick(-5_000);
    await store.updateTask('a', { newMessages: [says('2')] });
    let isFlushed = false;
    void sync.flush({ taskId: 'a' }).then(() => (isFlushed = true));
    await world.rest();
    await world.release();
    expect((await world.remoteTask('a'))?.task.history?.map(textOf)).toEqual(['1', '2']);
    expect(isFlushed).toBe(false);
    await world.release();
    await world.run();
    expect(isFlushed).toBe(true);
  });
});

test('what is said here while the task is read, to bring in what others wrote, stands after it', async () => {
  const { world, store, sync } = await opened();
  await store.upsertTask({ id: 'a', message: says('1') });
  await world.run();
  await world.send('PUT', '/tasks/a', { caller_id: 'holdfast', new_messages: [says('theirs')] });
  world.mustFetch = true;
  world.beforeHeard = async () => {
    world.beforeHeard = undefined;
    await store.upsertTask({ id: 'a', message: says('2') });
  };
  await sync.pull('a');
  expect((await store.getTask('a'))?.task.history?.map(textOf)).toEqual(['1', 'theirs', '2']);
  await world.run();
  expect((await world.remoteTask('a'))?.task.history?.map(textOf)).toEqual(['1', 'theirs', '2']);
});

test('a pull of a task that is pushed all the time ends, with what others wrote', async () => {
  const { world, store, sync } = await opened();
  await store.upsertTask({ id: 'a', message: says('1') });
  await world.run();
  world.faults.push('hold');
  await world.send('PUT', '/tasks/a', { caller_id: 'holdfast', new_messages: [says('theirs')] });
  let isPulled = false;
  const pulled = sync.pull('a').then(() => {
    isPulled = true;
  });
  await world.rest();
  // Each answer of the pull comes when a push has gone on from there.
  for (let n = 2; n < 10 && !isPulled; n++) {
    await store.updateTask('a', { newMessages: [says(`${n}`)] });
    await world.run();
    world.faults.push('hold');
    await world.release(1);
  }
  expect(isPulled).toBe(true);
  await pulled;
  expect((await store.getTask('a'))?.task.history?.map(textOf).slice(0, 3)).toEqual(['1', 'theirs', '2']);
});

test('what waits for the remote goes up as soon as a pull has found it again', async () => {
  const { world, store, sync } = await opened();
  await store.upsertTask({ id: 'a', message: says('1') });
  await world.run();
  world.faults.push(...Array(20).fill('drop-request'));
  await store.updateTask('a', { newMessages: [says('2')] });
  while (world.faults.length > 0) await world.run(1);
  await sync.pull('a');
  await world.rest();
  expect((await world.remoteTask('a'))?.task.history?.map(textOf)).toEqual(['1', '2']);
  expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 0 });
});

test('who subscribes is told that sync cannot start, and that it has', async () => {
  const elkar = elkarImitation();
  const world = new SyncWorld(elkar.handle);
  world.refusals.setMeta = 1e9;
  const store = await world.open();
  const told: (string | undefined)[] = [];
  store.sync?.subscribe(({ lastError }) => told.push(lastError?.code));
  await world.run(5);
  expect(told).toEqual(['STORE_TIMEOUT']);
  world.refusals.setMeta = 0;
  await world.run();
  expect(told.at(-1)).toBeUndefined();
});

test('who closes a store while sync begins is not told that it cannot start', async () => {
  const world = new SyncWorld(elkarImitation().handle);
  await (await world.openWithoutSync()).upsertTask({ id: 'a', message: says('1') });
  let failed = () => {};
  const failing = new Promise<void>((_, reject) => {
    failed = () => reject(new TaskStoreError('STORE_CLOSED', 'the store is closed'));
  });
  world.beforeHeard = () => failing;
  const store = await world.open();
  await world.rest();
  const told: object[] = [];
  store.sync?.subscribe(({ state, lastError }) => told.push({ state, lastError }));
  await store.close();
  failed();
  await world.rest();
  expect(told).toEqual([{ state: 'stopped', lastError: undefined }]);
});

describe('answers of another task, as a cache may give them,', () => {
  async function behindCache(isMixedUp: (request: Request, requests: number) => boolean) {
    const elkar = elkarImitation();
    let requests = 0;
    const world = new SyncWorld(async (request) => {
      const answer = await elkar.handle(request);
      if (!isMixedUp(request, ++requests)) return answer;
      const row = (await answer.json()) as { a2a_task: object };
      return Response.json({
        ...row,
        id: 'other',
        a2a_task: { ...row.a2a_task, id: 'b', history: [says('not ours')] },
      });
    });
    const store = await world.open();
    const sync = store.sync as NonNullable<typeof store.sync>;
    await store.upsertTask({ id: 'a', message: says('1') });
    return { elkar, world, store, sync };
  }

  test('bring nothing in, and the remote is asked again', async () => {
    const { world, store, sync } = await behindCache(({ method }) => method === 'POST');
    await world.run();
    expect((await store.getTask('a'))?.task.history?.map(textOf)).toEqual(['1']);
    expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 0 });
  });

  test('keep no other task waiting', async () => {
    const { elkar, world, store, sync } = await behindCache(
      ({ url }, requests) => requests === 1 || url.includes('/tasks/a'),
    );
    await world.runFor(600_000);
    await store.upsertTask({ id: 'other', message: says('1') });
    await world.runFor(1000);
    expect((await world.remoteTask('other'))?.task.history?.map(textOf)).toEqual(['1']);
    expect(sync.status).toMatchObject({ pendingTasks: 1 });
    expect(elkar.requests.length).toBeLessThan(30);
  });

  test('are failed requests, tried again ever later', async () => {
    const { elkar, world, store, sync } = await behindCache((_, requests) => requests < 8);
    await world.runFor(3000);
    expect(await sync.blocked()).toEqual([]);
    const lastError = { code: 'IO_ERROR', message: 'the answer is of another task' };
    expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 1, lastSuccessAt: undefined, lastError });
    await expect(sync.pull('a')).rejects.toMatchObject({ code: 'IO_ERROR' });
    expect(elkar.requests.length).toBeLessThan(7);
    await world.run();
    expect((await store.getTask('a'))?.task.history?.map(textOf)).toEqual(['1']);
    expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 0, lastError: undefined });
    expect(elkar.misdeeds).toEqual([]);
  });
});

test('a refused key is told of until it is mended, though an answer to another request came after it', async () => {
  const { world, store, sync } = await opened();
  world.faults.push('hold', '401');
  await store.upsertTask({ id: 'a', message: says('1') });
  await store.upsertTask({ id: 'b', message: says('1') });
  await world.run();
  await world.release();
  const lastError = { code: 'UNAUTHORIZED', status: 401 };
  expect(sync.status).toMatchObject({ state: 'paused', pendingTasks: 1, lastError });
  await expect(sync.flush()).rejects.toMatchObject(lastError);
});

test('data with keys that objects inherit, such as toString, is pushed', async () => {
  const { world, store, sync } = await opened();
  const data = { toString: 'text', valueOf: 1, constructor: null, other: {} };
  const message: Message = { role: 'agent', parts: [{ type: 'data', data }] };
  await store.upsertTask({ id: 'a', message, metadata: { data, other: 1 } });
  await store.updateTask('a', { status: { state: 'working', message }, newMessages: [message] });
  await world.runFor(60_000);
  expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 0, lastError: undefined });
  expect((await world.remoteTask('a'))?.task.history).toEqual([message, message, message]);
});

test('polling asks for a task once a second at the most', async () => {
  const { world, store } = await opened({ pollMs: 1 });
  await store.upsertTask({ id: 'a', message: says('1') });
  await world.runFor(10_000);
  expect(world.requests).toBeLessThanOrEqual(11);
  await store.close();
});
