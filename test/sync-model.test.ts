/**
 * Sync as a model: whatever the order of local changes, faults, crashes and other people's writes, once everything has
 * settled the remote holds what the store holds, each item once, in order.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { scaled, seeded } from './support/long.ts';
import { type Fault, type Handle, promptFaults } from './support/remote-world.ts';
import {
  expectNoneTwice,
  type ForeignFields,
  foreignFields,
  isStored,
  remotes,
  SyncPlay,
  says,
  textOf,
  type UpdateFields,
  updateFields,
} from './support/sync-play.ts';
import { SyncWorld } from './support/sync-world.ts';

type Action =
  | { kind: 'upsert'; task: number }
  | ({ kind: 'update'; task: number } & UpdateFields)
  | ({ kind: 'foreign'; task: number } & ForeignFields)
  | { kind: 'run'; timers: number }
  | { kind: 'fault'; faults: Fault[] }
  | { kind: 'crash' }
  | { kind: 'late' }
  | { kind: 'resume' }
  | { kind: 'pull'; task: number }
  | { kind: 'storage'; pending: number; setMeta: number; commit: number }
  | { kind: 'delete'; task: number }
  | { kind: 'replace'; task: number };

const faults: Fault[] = [...promptFaults, 'late', 'duplicate'];
const task = fc.nat(2);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('upsert' as const), task }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('update' as const), task, ...updateFields }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('foreign' as const), task, ...foreignFields }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('run' as const), timers: fc.integer({ min: 0, max: 4 }) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      faults: fc.array(fc.constantFrom(...faults), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'crash' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'late' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'resume' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pull' as const), task }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('storage' as const),
      pending: fc.nat(2),
      setMeta: fc.nat(2),
      commit: fc.nat(2),
    }),
  },
);

/** With what the remote cannot follow: afterwards such a task need not be the same there, but nothing of it may be doubled. */
const anyAction: fc.Arbitrary<Action> = fc.oneof(
  { weight: 12, arbitrary: action },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), task }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('replace' as const), task }) },
);

class Play extends SyncPlay<SyncWorld> {
  /** Tasks that were deleted or replaced. */
  readonly loose = new Set<string>();
  /** Those of them of which somebody was told that they cannot be brought up. */
  readonly told = new Set<string>();

  async act(action: Action): Promise<void> {
    const { world } = this;
    this.tick();
    switch (action.kind) {
      case 'upsert':
        return this.upsert(world.store, `t${action.task}`);
      case 'update':
        return this.update(world.store, `t${action.task}`, action);
      case 'foreign':
        return this.writeForeign(`t${action.task}`, action);
      case 'run':
        return world.run(action.timers);
      case 'fault':
        world.faults.push(...action.faults);
        return;
      case 'crash':
        world.crash();
        await world.open();
        return;
      case 'late':
        return world.deliverLate();
      case 'resume':
        return world.store.sync?.resume();
      case 'pull':
        void world.store.sync?.pull(`t${action.task}`).catch(() => {});
        return;
      case 'storage':
        Object.assign(world.refusals, action);
        return;
      case 'delete': {
        const id = `t${action.task}`;
        if (await isStored(world.store.deleteTask(id))) this.#loosen(id);
        return;
      }
      case 'replace':
        return this.#replace(`t${action.task}`);
    }
  }

  async #replace(id: string): Promise<void> {
    const { store } = this.world;
    const { task } = (await store.getTask(id)) ?? {};
    if (!task) return;
    const text = this.text('m');
    const { artifacts: _, ...kept } = task;
    const key = { callerId: undefined, taskType: 'incoming', taskId: id } as const;
    const replaced = { ...kept, history: [says(text)] };
    const change = store.port.transact(key, (head) => head && { type: 'replace', task: replaced });
    if (!(await isStored(change))) return;
    this.#loosen(id);
    this.note(this.said, id, [text]);
  }

  #loosen(id: string): void {
    this.loose.add(id);
    this.said.delete(id);
    for (const place of this.parts.keys()) if (place.startsWith(`${id}/`)) this.parts.delete(place);
  }

  /** No more faults: the user resumes and retries, late requests arrive, and all goes up. */
  async settle(): Promise<void> {
    const { world } = this;
    world.faults.length = 0;
    Object.assign(world.refusals, { pending: 0, setMeta: 0, commit: 0 });
    for (let round = 0; round < 3; round++) {
      const { sync } = world.store;
      sync?.resume();
      await world.run();
      await world.deliverLate();
      for (const { taskId, error } of (await sync?.blocked()) ?? []) {
        const isLoose = this.loose.has(taskId);
        if (isLoose) this.told.add(taskId);
        else expect(error.code, error.message).toBe('REMOTE_REJECTED');
        const release = isLoose && round > 0 ? sync?.discard(taskId) : sync?.retry(taskId);
        // What was replaced can only be given up.
        await (isLoose ? release?.catch(() => {}) : release);
      }
      for (const id of this.said.keys()) {
        const pulled = sync?.pull(id);
        await (this.loose.has(id) ? pulled?.catch(() => {}) : pulled);
      }
      await world.run();
    }
  }

  async check(): Promise<void> {
    const { world } = this;
    for (const [id, said] of this.said) {
      const local = await world.store.getTask(id);
      const remote = await world.remoteTask(id);
      if (!this.loose.has(id)) {
        this.expectSettled(id, local, remote);
        continue;
      }
      const history = local?.task.history?.map(textOf) ?? [];
      expect(history.filter((text) => said.includes(text))).toEqual(said);
      for (const { task } of [local, remote].flatMap((each) => each ?? [])) {
        expectNoneTwice(task.history?.map(textOf));
        for (const { parts } of task.artifacts ?? []) expectNoneTwice(parts.map(({ text }) => text));
      }
      if (!this.told.has(id)) expect(remote?.task.history?.map(textOf)).toEqual(history);
    }
    expect(world.store.sync?.status).toMatchObject({ state: 'idle', pendingTasks: 0 });
  }
}

async function play(handle: Handle, actions: readonly Action[]): Promise<void> {
  const played = new Play(new SyncWorld(handle));
  await played.world.open();
  for (const action of actions) await played.act(action);
  await played.settle();
  await played.check();
  await played.expectNothingDoubled();
  const before = played.world.requests;
  await played.world.run();
  expect(played.world.requests, 'an idle store asks nothing').toBe(before);
  await played.world.store.close();
}

describe.each(Object.keys(remotes))('against %s', (name) => {
  test('any schedule ends with the remote holding every change once, in order', async () => {
    const schedule = fc.array(action, { minLength: 4, maxLength: 40 });
    const property = fc.asyncProperty(schedule, async (actions) =>
      play(await (remotes[name] as () => Promise<Handle>)(), actions),
    );
    await fc.assert(property, { ...seeded(`sync with ${name}`), numRuns: scaled(150, 6000) });
  });

  test('what is deleted or replaced here is never doubled, nor is anything of it lost here', async () => {
    const schedule = fc.array(anyAction, { minLength: 4, maxLength: 40 });
    const property = fc.asyncProperty(schedule, async (actions) =>
      play(await (remotes[name] as () => Promise<Handle>)(), actions),
    );
    await fc.assert(property, { ...seeded(`replaced, sync with ${name}`), numRuns: scaled(100, 4000) });
  });

  test('a create that was refused and arrives all the same keeps its message', async () => {
    const idle: Action = {
      kind: 'update',
      task: 0,
      status: false,
      state: 0,
      message: false,
      more: 0,
      parts: 0,
      slot: 0,
      last: false,
    };
    await play(await (remotes[name] as () => Promise<Handle>)(), [
      { kind: 'fault', faults: ['late', '413'] },
      { kind: 'upsert', task: 1 },
      { kind: 'run', timers: 1 },
      { kind: 'run', timers: 1 },
      idle,
      idle,
      { kind: 'upsert', task: 0 },
      { kind: 'pull', task: 1 },
    ]);
    expect.hasAssertions();
  });
});
