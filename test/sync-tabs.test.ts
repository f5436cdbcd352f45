/** Several contexts that push, or believe that they may: none sends what another has under way. */
import { describe, expect, test } from 'vitest';
import type { Task } from '../src/core/task.ts';
import { elkarImitation } from './support/elkar-imitation.ts';
import { says, textOf } from './support/sync-play.ts';
import { TabsWorld } from './support/tabs-world.ts';

async function place(hasLocks: boolean) {
  const elkar = elkarImitation();
  const world = new TabsWorld(elkar.handle, hasLocks);
  const [first, second] = [await world.open(), await world.open()];
  await first.store.upsertTask({ id: 't', message: says('1') });
  await world.runFor(1000);
  const history = () => elkar.rows.flatMap(({ task }) => (task as unknown as Task).history?.map(textOf));
  return { elkar, world, first, second, history };
}

describe('without locks', () => {
  test('a request that is out keeps the others from the task, and no longer than it can be out', async () => {
    const { elkar, world, first, second, history } = await place(false);
    world.faults.push('hold-request');
    await first.store.updateTask('t', { newMessages: [says('2')] });
    await world.runFor(1000);
    const { length } = elkar.requests;
    await second.store.updateTask('t', { newMessages: [says('3')] });
    await world.runFor(20_000);
    expect(elkar.requests).toHaveLength(length);
    await world.release();
    await world.runFor(20_000);
    expect(history()).toEqual(['1', '2', '3']);

    world.faults.push('drop-request');
    await first.store.updateTask('t', { newMessages: [says('4')] });
    await world.run(1);
    await world.crash(first);
    await world.runFor(61_000);
    expect(history()).toEqual(['1', '2', '3', '4']);
  });
});

describe('with locks', () => {
  test('any number of flushes in a tab that does not push wait with one timer', async () => {
    const { world, second } = await place(true);
    world.faults.push(...Array<'drop-request'>(100).fill('drop-request'));
    await second.store.updateTask('t', { newMessages: [says('2')] });
    const flushed = Promise.all(Array.from({ length: 5 }, () => second.store.sync?.flush()));
    await world.rest();
    const { timers } = world;
    for (let i = 0; i < 12; i++) {
      await world.run(8);
      expect(world.timers).toBeLessThanOrEqual(timers + 2);
    }
    world.faults.length = 0;
    await world.runFor(600_000);
    await flushed;
  });

  test('a frozen leader is succeeded as soon as another tab wakes up, however long that was to wait', async () => {
    const { world, first, second, history } = await place(true);
    world.freeze(first);
    await second.store.updateTask('t', { newMessages: [says('2')] });
    await world.runFor(500);
    await world.wake();
    await world.runFor(2500);
    expect(second.store.sync?.status.leader).toBe(true);
    await second.store.sync?.flush();
    expect(history()).toEqual(['1', '2']);
  });

  test('a leader that answers keeps the lead while changes wait, and one that freezes later is succeeded all the same', async () => {
    const { world, first, second, history } = await place(true);
    await world.runFor(60_000);
    world.faults.push(...Array<'drop-request'>(1000).fill('drop-request'));
    await second.store.updateTask('t', { newMessages: [says('2')] });
    await world.runFor(60_000);
    expect(first.store.sync?.status).toMatchObject({ state: 'offline', leader: true });
    world.freeze(first);
    world.faults.length = 0;
    await world.runFor(10_000);
    expect(second.store.sync?.status.leader).toBe(true);
    expect(history()).toEqual(['1', '2']);
  });

  test('a leader that froze when nothing had waited for long is succeeded', async () => {
    const { world, first, second, history } = await place(true);
    await world.runFor(60_000);
    world.freeze(first);
    await second.store.updateTask('t', { newMessages: [says('2')] });
    await world.runFor(15_000);
    expect(second.store.sync?.status.leader).toBe(true);
    expect(history()).toEqual(['1', '2']);
  });

  test('a leader that was frozen, and succeeded, pushes nothing when it goes on', async () => {
    const { world, first, second, history } = await place(true);
    await first.store.updateTask('t', { newMessages: [says('2')] });
    world.freeze(first);
    world.faults.push('hold-request');
    await world.runFor(10_000);
    expect(second.store.sync?.status).toMatchObject({ state: 'pushing', leader: true });
    await world.thaw(first);
    await world.runFor(5000);
    expect(first.store.sync?.status.leader).toBe(false);
    await world.release();
    await world.runFor(5000);
    expect(history()).toEqual(['1', '2']);
    expect(second.store.sync?.status).toMatchObject({ state: 'idle', pendingTasks: 0 });
  });

  test('a tab that loses the lead while it closes, and would get it back then, leads no more', async () => {
    const { elkar, world, first, second, history } = await place(true);
    let release = () => {};
    first.held = new Promise((resolve) => {
      release = resolve;
    });
    await second.store.updateTask('t', { newMessages: [says('2')] });
    await world.runFor(500);
    const closed = first.store.close();
    await world.runFor(10_000);
    expect(history()).toEqual(['1', '2']);
    await second.store.updateTask('t', { newMessages: [says('3')] });
    await world.crash(second);
    const { length } = elkar.requests;
    release();
    await closed;
    await world.runFor(60_000);
    expect(elkar.requests).toHaveLength(length);
    expect(world.timers).toBe(0);
  });

  test('nor does it set aside what its successor has pushed', async () => {
    const { world, first, second, history } = await place(true);
    await first.store.updateTask('t', { newMessages: [says('2')] });
    world.faults.push('hold-413');
    await world.runFor(100);
    world.freeze(first);
    await world.runFor(10_000);
    await world.release();
    await world.thaw(first);
    await world.runFor(1000);
    await second.store.updateTask('t', { newMessages: [says('3')] });
    await world.runFor(5000);
    expect(await second.store.sync?.blocked()).toEqual([]);
    expect(history()).toEqual(['1', '2', '3']);
  });
});
