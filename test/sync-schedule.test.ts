/** When sync asks the remote: how much at once, how long after a failure, and what it says of itself meanwhile. */
import { expect, test } from 'vitest';
import type { SyncOptions } from '../src/sync.ts';
import { elkarImitation } from './support/elkar-imitation.ts';
import type { Fault } from './support/remote-world.ts';
import { says } from './support/sync-play.ts';
import { SyncWorld } from './support/sync-world.ts';

/** A store with so many tasks to push, paused. */
async function pending(count: number, options: Partial<SyncOptions> = {}) {
  const elkar = elkarImitation();
  const world = new SyncWorld(elkar.handle);
  const store = await world.open(options);
  const sync = store.sync as NonNullable<typeof store.sync>;
  sync.pause();
  for (let n = 0; n < count; n++) await store.upsertTask({ id: `t${n}`, message: says('1') });
  await world.run();
  return { elkar, world, store, sync };
}

const many = (fault: Fault, count: number) => Array<Fault>(count).fill(fault);

test('so many tasks are pushed side by side, and no more', async () => {
  const { elkar, world, sync } = await pending(10, { concurrency: 3 });
  world.faults.push(...many('hold', 10));
  sync.resume();
  await world.rest();
  for (let started = 3; started < 10; started++) {
    expect(world.requests).toBe(started);
    expect(sync.status).toMatchObject({ state: 'pushing', pendingTasks: 13 - started });
    await world.release(1);
  }
  await world.release();
  await world.run();
  expect(elkar.rows).toHaveLength(10);
});

test('while the remote fails, one request at a time finds out when it is back', async () => {
  const { elkar, world, sync } = await pending(10, { concurrency: 3 });
  world.faults.push(...many('drop-request', 3), 'hold');
  sync.resume();
  await world.run();
  expect(world.requests).toBe(4);
  expect(sync.status).toMatchObject({ state: 'offline', lastError: { code: 'REMOTE_UNREACHABLE' } });
  await world.release();
  await world.run();
  expect(elkar.rows).toHaveLength(10);
  const { lastSuccessAt, ...status } = sync.status;
  expect(status).toEqual({ state: 'idle', pendingTasks: 0, blockedTasks: 0, leader: true });
  expect(lastSuccessAt).toBeGreaterThan(world.now - 60_000);
});

test('a remote that is down is asked less and less often, though never less than its limit says, and at once when told', async () => {
  const { elkar, world, store, sync } = await pending(1, { maxBackoffMs: 60_000 });
  const begun = world.now;
  world.faults.push(...many('drop-request', 5_000));
  sync.resume();
  await world.runFor(60_000);
  const first = world.requests;
  expect(first).toBeGreaterThan(5);
  await world.runFor(3_600_000);
  // Half of the limit, on an average.
  expect(world.requests - first).toBeGreaterThan(60);
  expect(world.requests - first).toBeLessThan(240);
  expect(sync.status).toMatchObject({ state: 'offline', pendingTasks: 1 });
  expect(sync.status.oldestPendingAt).toBeLessThanOrEqual(begun);

  const { requests } = world;
  await store.updateTask('t0', { newMessages: [says('2')] });
  await world.runFor(100);
  expect(world.requests, 'a change is no reason').toBe(requests);
  world.faults.length = 0;
  await sync.flush();
  expect(elkar.rows).toHaveLength(1);
});

test('a network that is back is tried at once, and a store that is closed does not want to know', async () => {
  const { elkar, world, store, sync } = await pending(1);
  world.faults.push(...many('drop-request', 9));
  sync.resume();
  await world.run(9);
  world.faults.length = 0;
  expect(sync.status.state).toBe('offline');
  expect(await world.wake()).toBe(1);
  expect(elkar.rows).toHaveLength(1);
  await store.close();
  expect(await world.wake()).toBe(0);
});

test('a task that was set aside goes up as soon as it is to be tried again', async () => {
  const { elkar, world, sync } = await pending(1);
  world.faults.push('413');
  sync.resume();
  await world.run();
  expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 1, blockedTasks: 1 });
  await sync.retry('t0');
  await world.rest();
  expect(elkar.rows).toHaveLength(1);
  expect(sync.status).toMatchObject({ pendingTasks: 0, blockedTasks: 0 });
});

test('a server that fails at one task takes the others meanwhile', async () => {
  const { elkar, world, sync } = await pending(5, { concurrency: 1 });
  world.faults.push('500-before');
  sync.resume();
  await world.rest();
  expect(elkar.rows).toHaveLength(4);
  expect(sync.status).toMatchObject({ state: 'idle', pendingTasks: 1 });
  await world.run();
  expect(elkar.rows).toHaveLength(5);
});

test('more tasks than are looked at in one go are all pushed', async () => {
  const { elkar, world } = await pending(2_300);
  world.crash();
  const { sync } = await world.open();
  await world.run();
  expect(elkar.rows).toHaveLength(2_300);
  expect(sync?.status).toMatchObject({ state: 'idle', pendingTasks: 0 });
});

test('closing waits for what is under way, and begins nothing', async () => {
  const { elkar, world, store, sync } = await pending(6, { concurrency: 2 });
  world.faults.push('hold', 'hold');
  sync.resume();
  await world.rest();
  const closed = store.close();
  await world.release();
  await closed;
  const { requests } = world;
  expect(requests).toBe(2);
  await world.run();
  expect(world.requests).toBe(requests);
  expect(sync.status.state).toBe('stopped');
  expect(elkar.misdeeds).toEqual([]);
});
