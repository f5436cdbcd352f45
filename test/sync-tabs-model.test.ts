/**
 * Sync between several tabs as a model: whichever of them write, freeze, crash, close or fail at whatever moment, once
 * everything has settled the remote holds what the store holds, one tab leads, and whoever waited has an answer. Where no
 * request arrives late, none was ever sent twice.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { scaled, seeded } from './support/long.ts';
import { type Fault, type Handle, promptFaults } from './support/remote-world.ts';
import {
  type ForeignFields,
  foreignFields,
  remotes,
  SyncPlay,
  type UpdateFields,
  updateFields,
} from './support/sync-play.ts';
import { type Tab, TabsWorld } from './support/tabs-world.ts';

type Action =
  | { kind: 'upsert' | 'pull' | 'flush' | 'retry'; tab: number; task: number }
  | { kind: 'close' | 'crash' | 'freeze' | 'thaw' | 'pause' | 'resume' | 'flush-all'; tab: number }
  | ({ kind: 'update'; tab: number; task: number } & UpdateFields)
  | ({ kind: 'foreign'; task: number } & ForeignFields)
  | { kind: 'storage'; tab: number; failing: number }
  | { kind: 'open'; isSynced: boolean }
  | { kind: 'run'; ms: number }
  | { kind: 'fault'; faults: Fault[] }
  | { kind: 'release'; count: number }
  | { kind: 'late' };

const prompt: Fault[] = [...promptFaults, 'hold', 'hold-413'];
const is = <K extends string>(...kinds: K[]) => fc.constantFrom(...kinds);
const tab = fc.nat(3);
const task = fc.nat(1);

/** `isLate`: requests may arrive after their context has given them up, or another has taken its place. */
function schedule(isLate: boolean): fc.Arbitrary<Action[]> {
  const faults = fc.constantFrom(...prompt, ...(isLate ? (['late', 'duplicate', 'hold-request'] as const) : []));
  const lives = is('close', 'crash', 'pause', 'resume', 'flush-all', ...(isLate ? (['freeze', 'thaw'] as const) : []));
  const action: fc.Arbitrary<Action> = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: is('update'), tab, task, ...updateFields }) },
    { weight: 6, arbitrary: fc.record({ kind: is('run'), ms: fc.constantFrom(10, 60, 300, 1500, 7000) }) },
    { weight: 5, arbitrary: fc.record({ kind: is('fault'), faults: fc.array(faults, { maxLength: 3 }) }) },
    { weight: 3, arbitrary: fc.record({ kind: is('upsert'), tab, task }) },
    { weight: 2, arbitrary: fc.record({ kind: is('foreign'), task, ...foreignFields }) },
    { weight: 2, arbitrary: fc.record({ kind: is('release'), count: fc.integer({ min: 1, max: 3 }) }) },
    { weight: 2, arbitrary: fc.record({ kind: is('pull', 'flush', 'retry'), tab, task }) },
    { weight: 2, arbitrary: fc.record({ kind: lives, tab }) },
    { weight: 1, arbitrary: fc.record({ kind: is('open'), isSynced: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ kind: is('storage'), tab, failing: fc.nat(3) }) },
    { weight: Number(isLate), arbitrary: fc.record({ kind: is('late') }) },
  );
  return fc.array(action, { minLength: 6, maxLength: 45 });
}

class Play extends SyncPlay<TabsWorld> {
  /** What tabs wait for. */
  readonly waits: { readonly what: string; readonly tab: Tab; isOver: boolean }[] = [];

  async act(action: Action): Promise<void> {
    const { world } = this;
    this.tick();
    switch (action.kind) {
      case 'run':
        return world.runFor(action.ms);
      case 'fault':
        world.faults.push(...action.faults);
        return;
      case 'release':
        return world.release(action.count);
      case 'late':
        return world.deliverLate();
      case 'foreign':
        return this.writeForeign(`t${action.task}`, action);
      case 'open':
        if (world.tabs.length < 4) await world.open(action);
        return;
    }
    const tab = world.tabs[action.tab % world.tabs.length] as Tab;
    if (action.kind === 'thaw') await world.thaw(tab);
    else if (action.kind === 'crash') await world.crash(tab);
    else if (action.kind === 'storage') tab.failing = action.failing;
    else if (!tab.frozen) await this.#actIn(tab, action);
    if (world.tabs.length === 0) await world.open();
  }

  async #actIn(tab: Tab, action: Action & { readonly tab: number }): Promise<void> {
    const { store } = tab;
    const { sync } = store;
    const { kind } = action;
    const taskId = 'task' in action ? `t${action.task}` : '';
    if (kind === 'upsert') await this.upsert(store, taskId);
    else if (kind === 'update') await this.update(store, taskId, action);
    else if (kind === 'pull') this.#wait(kind, tab, sync?.pull(taskId));
    else if (kind === 'retry') this.#wait(kind, tab, sync?.retry(taskId));
    else if (kind === 'flush') this.#wait(kind, tab, sync?.flush({ taskId }));
    else if (kind === 'flush-all') this.#wait(kind, tab, sync?.flush());
    else if (kind === 'pause') sync?.pause();
    else if (kind === 'resume') sync?.resume();
    else if (kind === 'freeze') this.world.freeze(tab);
    else if (kind === 'close') {
      this.#wait(kind, tab, store.close());
      await this.world.rest();
      this.world.forget(tab);
    }
  }

  #wait(what: string, tab: Tab, work: Promise<unknown> = Promise.resolve()): void {
    const wait = { what, tab, isOver: false };
    this.waits.push(wait);
    const end = () => {
      wait.isOver = true;
    };
    work.then(end, end);
  }

  /** No more faults: the user resumes, late requests arrive, and all goes up. */
  async settle(): Promise<void> {
    const { world } = this;
    world.faults.length = 0;
    for (const tab of world.tabs) {
      tab.failing = 0;
      await world.thaw(tab);
    }
    if (!world.tabs.some(({ store }) => store.sync)) await world.open();
    for (let round = 0; round < 3; round++) {
      await world.release();
      for (const { store } of world.tabs) store.sync?.resume();
      await world.runFor(1_200_000);
      await world.deliverLate();
      for (const id of this.said.keys()) {
        for (const { taskId, error } of await this.#sync.blocked()) {
          // One that a single item of was too large for the proxy that said so.
          expect(error.code, error.message).toBe('REMOTE_REJECTED');
          await this.#sync.retry(taskId);
        }
        const pulled = this.#sync.pull(id);
        await Promise.all([pulled, world.runFor(1000)]);
      }
    }
  }

  get #sync() {
    const synced = this.world.tabs.flatMap(({ store }) => store.sync ?? []);
    return synced[0] as (typeof synced)[0];
  }

  async check(hasLocks: boolean): Promise<void> {
    const { tabs } = this.world;
    for (const { what, isOver, tab } of this.waits) if (!tab.isOver) expect(isOver, `${what} has an answer`).toBe(true);
    for (const id of this.said.keys()) {
      for (const { store } of tabs) this.expectSettled(id, await store.getTask(id), await this.world.remoteTask(id));
    }
    const statuses = tabs.flatMap(({ store }) => store.sync?.status ?? []);
    for (const status of statuses) {
      expect(status).toMatchObject({ state: 'idle', pendingTasks: 0, blockedTasks: 0 });
    }
    if (hasLocks) expect(statuses.filter(({ leader }) => leader)).toHaveLength(1);
  }

  /** Nobody asks anything, and closed tabs leave no timer behind. */
  async end(): Promise<void> {
    const { world } = this;
    const { requests } = world;
    await world.runFor(3_600_000);
    expect(world.requests, 'idle stores ask nothing').toBe(requests);
    for (const { store } of world.tabs) await store.close();
    await world.run(100);
    expect(world.timers).toBe(0);
  }
}

const places = Object.keys(remotes).flatMap((remote) => [
  { remote, locks: 'locks', hasLocks: true },
  { remote, locks: 'no locks', hasLocks: false },
]);

describe.each(places)('against $remote, with $locks', ({ remote, locks, hasLocks }) => {
  test.each([
    { what: 'lost or late', isLate: true },
    { what: 'lost but never late', isLate: false },
  ])('tabs and remote hold every change once, in order, though requests are $what', async ({ what, isLate }) => {
    const property = fc.asyncProperty(schedule(isLate), async (actions) => {
      const play = new Play(new TabsWorld(await (remotes[remote] as () => Promise<Handle>)(), hasLocks));
      await play.world.open();
      await play.world.open();
      for (const action of actions) await play.act(action);
      await play.settle();
      await play.check(hasLocks);
      await play.expectNothingDoubled();
      await play.end();
    });
    await fc.assert(property, { ...seeded(`tabs with ${locks} and ${remote}, ${what}`), numRuns: scaled(60, 2000) });
  });
});
