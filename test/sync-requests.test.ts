/** What goes into the requests of sync: how much, in which order, and nothing twice. */
import { describe, expect, test } from 'vitest';
import type { Artifact, Part, StoredTask, Task } from '../src/core/task.ts';
import { openTaskStore } from '../src/memory.ts';
import { createElkarHandler } from '../src/server.ts';
import type { SyncOptions } from '../src/sync.ts';
import { elkarImitation } from './support/elkar-imitation.ts';
import type { Handle } from './support/remote-world.ts';
import { says } from './support/sync-play.ts';
import { SyncWorld } from './support/sync-world.ts';

type Body = { readonly [field: string]: unknown } & { readonly artifacts_updates?: readonly Artifact[] };

const part = (text: string): Part => ({ type: 'text', text });
const taskOf = ([row]: ReturnType<typeof elkarImitation>['rows']) => row?.task as unknown as Task;

/** `bodies` are those of all requests, as text; `seen` is called after each request. */
async function watched(handle: Handle, options: Partial<SyncOptions> = {}, seen = () => {}) {
  const bodies: string[] = [];
  const world = new SyncWorld(async (request) => {
    if (request.method !== 'GET') bodies.push(await request.clone().text());
    const answer = await handle(request);
    seen();
    return answer;
  });
  const store = await world.open(options);
  const last = () => JSON.parse(bodies.at(-1) ?? '{}') as Body;
  return { bodies, last, world, store, sync: store.sync as NonNullable<typeof store.sync> };
}

describe('the size of a request', () => {
  test('stays within its limit, whatever the language, unless one item alone is more', async () => {
    const limit = 50_000;
    const { handle, rows } = elkarImitation();
    const { bodies, world, store, sync } = await watched(handle, { maxRequestBytes: limit });
    sync.pause();
    await store.upsertTask({ id: 't1', message: says('1') });
    const text = (n: number) => `${n}${'語'.repeat(2_000)}`;
    await store.updateTask('t1', {
      newMessages: Array.from({ length: 30 }, (_, n) => says(text(n))),
      artifactsUpdates: [0, 1].map((index) => ({ index, parts: Array.from({ length: 30 }, (_, n) => part(text(n))) })),
    });
    await store.updateTask('t1', { newMessages: [says('語'.repeat(50_000)), says('last')] });
    sync.resume();
    await world.run();
    const sizes = bodies.map((body) => new TextEncoder().encode(body).length).sort((a, b) => b - a);
    expect(sizes[0]).toBeGreaterThan(150_000);
    // Besides the items there is little in a request.
    expect(sizes[1]).toBeLessThan(limit + 500);
    // As few as the limit allows, or almost.
    expect(sizes.length).toBeLessThan(1.5 * ((90 * 6_000) / limit) + 3);
    const task = taskOf(rows);
    expect(task.history).toHaveLength(33);
    expect(task.artifacts?.map(({ parts }) => parts.length)).toEqual([30, 30]);
  });

  test('is halved until the remote takes it', async () => {
    const { handle, rows } = elkarImitation();
    const refuse = async (request: Request) => (await request.clone().text()).length > 6_000;
    const { bodies, world, store, sync } = await watched(async (request) =>
      (await refuse(request)) ? new Response('length limit exceeded', { status: 413 }) : handle(request),
    );
    sync.pause();
    await store.upsertTask({ id: 't1', message: says('1') });
    await store.updateTask('t1', { newMessages: Array.from({ length: 60 }, () => says('a'.repeat(500))) });
    sync.resume();
    await world.run();
    expect(taskOf(rows).history).toHaveLength(61);
    expect(await sync.blocked()).toEqual([]);
    expect(bodies.filter((body) => body.length > 6_000).length).toBeLessThan(6);
    expect(bodies.length).toBeLessThan(24);
  });

  test('is large soon, however many small items there are', async () => {
    const { handle, rows } = elkarImitation();
    const { bodies, world, store, sync } = await watched(handle);
    sync.pause();
    await store.upsertTask({ id: 't1', message: says('1') });
    await store.updateTask('t1', { newMessages: Array.from({ length: 4_000 }, (_, n) => says(`${n}`)) });
    sync.resume();
    await world.run();
    expect(taskOf(rows).history).toHaveLength(4_001);
    expect(bodies.length).toBeLessThanOrEqual(4);
  });
});

describe('the order', () => {
  test('is kept by a status: it is never there before anything that was there before it', async () => {
    const { handle, rows } = elkarImitation();
    const states: [state: string, messages: number, parts: number][] = [];
    const { world, store, sync } = await watched(handle, { maxRequestBytes: 3_000 }, () => {
      const { status, history = [], artifacts = [] } = taskOf(rows);
      states.push([status.state, history.length, artifacts.flatMap(({ parts }) => parts).length]);
    });
    sync.pause();
    await store.upsertTask({ id: 't1', message: says('1') });
    await store.updateTask('t1', {
      newMessages: Array.from({ length: 8 }, () => says('a'.repeat(700))),
      artifactsUpdates: [0, 1].map((index) => ({ index, parts: Array(6).fill(part('a'.repeat(700))) })),
    });
    await store.updateTask('t1', { status: { state: 'completed', message: says('done') } });
    await store.updateTask('t1', { newMessages: Array.from({ length: 4 }, () => says('b'.repeat(700))) });
    sync.resume();
    await world.run();
    const completed = states.filter(([state]) => state === 'completed');
    expect(states.length - completed.length).toBeGreaterThan(4);
    expect(completed[0]?.[1]).toBeGreaterThanOrEqual(10);
    for (const [, , parts] of completed) expect(parts).toBe(12);
    expect(states.at(-1)).toEqual(['completed', 14, 12]);
  });
});

describe('an update', () => {
  test('names the artifacts that have something new alone, and closes one with the last of it', async () => {
    const { handle, rows } = elkarImitation();
    const { last, world, store } = await watched(handle);
    await store.upsertTask({ id: 't1', message: says('1') });
    await store.updateTask('t1', {
      artifactsUpdates: [
        { index: 0, parts: [part('a')] },
        { index: 1, parts: [part('b')], lastChunk: true },
      ],
    });
    await world.run();
    expect(last().artifacts_updates).toMatchObject([{ index: 0 }, { index: 1, lastChunk: true }]);
    await store.updateTask('t1', { artifactsUpdates: [{ index: 0, parts: [part('c')] }] });
    await world.run();
    expect(last().artifacts_updates).toMatchObject([{ index: 0, parts: [{ text: 'c' }] }]);
    await store.updateTask('t1', { newMessages: [says('2')] });
    await world.run();
    expect(last().artifacts_updates).toEqual([]);
    expect(taskOf(rows).artifacts).toHaveLength(2);
  });

  test('of an artifact in pieces closes it with the last of them', async () => {
    const { handle } = elkarImitation();
    const { bodies, world, store, sync } = await watched(handle, { maxRequestBytes: 1_000 });
    sync.pause();
    await store.upsertTask({ id: 't1', message: says('1') });
    const parts = Array.from({ length: 3 }, () => part('a'.repeat(700)));
    await store.updateTask('t1', { artifactsUpdates: [{ index: 0, parts, lastChunk: true }] });
    sync.resume();
    await world.run();
    const updates = bodies.flatMap((body) => (JSON.parse(body) as Body).artifacts_updates ?? []);
    expect(updates.map(({ lastChunk }) => lastChunk)).toEqual([undefined, undefined, true]);
  });

  test('says once what the remote takes and never shows', async () => {
    const { handle } = elkarImitation();
    const { last, world, store } = await watched(handle);
    const pushNotification = { url: 'https://hook.test' };
    await store.upsertTask({ id: 't1', message: says('1'), pushNotification, metadata: { a: 1 } });
    await world.run();
    expect(last()).toMatchObject({ send_task_params: { push_notification: pushNotification } });
    await store.updateTask('t1', { newMessages: [says('2')] });
    await world.run();
    expect(last()).not.toHaveProperty('push_notification');
    expect(last()).not.toHaveProperty('metadata');
    await store.updateTask('t1', { metadata: { b: 2 }, newMessages: [says('3')] });
    await world.run();
    expect(last()).toMatchObject({ push_notification: pushNotification, metadata: { b: 2 } });
  });
});

test('a new task reaches our endpoint with all that it is', async () => {
  const endpoint = await openTaskStore();
  const { world, store } = await watched(createElkarHandler({ store: endpoint, authorize: () => 'agent' }));
  const pushNotification = { url: 'https://hook.test', token: 't' };
  const params = { id: 't1', sessionId: 's', message: says('1'), pushNotification, metadata: { a: 1 } };
  await store.upsertTask(params, { isStreaming: true });
  await world.run();
  const { task, isStreaming } = (await store.getTask('t1')) as StoredTask;
  const [summary] = (await endpoint.listTasks({ allCallers: true })).tasks;
  const there = await endpoint.getTask('t1', { callerId: summary?.callerId });
  // When a task was created is each side's own to say.
  const status = { ...task.status, timestamp: there?.task.status.timestamp };
  expect(there).toMatchObject({ task: { ...task, status }, isStreaming, pushNotification });
});

test('a task without a message is set aside, since the remote knows none such', async () => {
  const { handle, requests } = elkarImitation();
  const { world, store, sync } = await watched(handle);
  const times = { createdAt: '2026-01-01T00:00:00.000Z', updatedAt: '2026-01-01T00:00:00.000Z' };
  const task: Task = { id: 't1', status: { state: 'completed' } };
  await store.importTasks([{ id: 't1', taskType: 'incoming', isStreaming: false, task, ...times }]);
  await world.run();
  expect(await sync.blocked()).toMatchObject([{ taskId: 't1', error: { code: 'REMOTE_REJECTED' } }]);
  expect(requests.filter((request) => !request.startsWith('GET'))).toEqual([]);
});

test('tasks of several callers are theirs on the remote too', async () => {
  const { handle, rows } = elkarImitation();
  const { world, store } = await watched(handle);
  for (const callerId of ['ann', 'bob', undefined]) {
    await store.upsertTask({ id: `of ${callerId}`, message: says('1') }, { callerId });
    await store.updateTask(`of ${callerId}`, { callerId, newMessages: [says('2')] });
  }
  await world.run();
  expect(Object.fromEntries(rows.map(({ taskId, counterparty }) => [taskId, counterparty]))).toEqual({
    'of ann': 'ann',
    'of bob': 'bob',
    'of undefined': 'holdfast',
  });
});
