/**
 * Sync as a model: whatever the order of local changes, faults, crashes and other people's writes, once everything has
 * settled the remote holds what the store holds, each item once, in order.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Message, UpdateTaskParams } from '../src/core/task.ts';
import { openTaskStore } from '../src/memory.ts';
import { createElkarHandler } from '../src/server.ts';
import { elkarImitation } from './support/elkar-imitation.ts';
import { scaled, seeded } from './support/long.ts';
import { type Fault, type Handle, SyncWorld } from './support/sync-world.ts';

type Action =
  | { kind: 'upsert'; task: number }
  | {
      kind: 'update';
      task: number;
      status: boolean;
      state: number;
      message: boolean;
      more: number;
      parts: number;
      slot: number;
      last: boolean;
    }
  | { kind: 'foreign'; task: number; status: boolean; parts: boolean; messages: number }
  | { kind: 'run'; timers: number }
  | { kind: 'fault'; faults: Fault[] }
  | { kind: 'crash' }
  | { kind: 'late' }
  | { kind: 'resume' }
  | { kind: 'pull'; task: number }
  | { kind: 'storage'; pending: number; setMeta: number; commit: number }
  | { kind: 'delete'; task: number }
  | { kind: 'replace'; task: number };

const states = ['working', 'input-required', 'completed', 'failed'] as const;
const faults: Fault[] = [
  'drop-request',
  'drop-answer',
  'late',
  'duplicate',
  '500-before',
  '500-after',
  '503',
  '401',
  '413',
  '429',
  'captive',
  'ok',
];
const task = fc.nat(2);
const update = fc.record({
  kind: fc.constant('update' as const),
  task,
  status: fc.boolean(),
  state: fc.nat(3),
  message: fc.boolean(),
  more: fc.nat(3),
  parts: fc.nat(2),
  slot: fc.nat(1),
  last: fc.boolean(),
});
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('upsert' as const), task }) },
  { weight: 6, arbitrary: update },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('foreign' as const),
      task,
      status: fc.boolean(),
      parts: fc.boolean(),
      messages: fc.nat(2),
    }),
  },
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

const says = (text: string): Message => ({ role: 'agent', parts: [{ type: 'text', text }] });
const textOf = ({ parts }: Message) => (parts[0] as { text: string }).text;

class Play {
  readonly world: SyncWorld;
  /** What was acknowledged here, by task, in order. */
  readonly said = new Map<string, string[]>();
  readonly foreign = new Map<string, string[]>();
  readonly parts = new Map<string, string[]>();
  /** Tasks that were deleted or replaced. */
  readonly loose = new Set<string>();
  /** Those of them of which somebody was told that they cannot be brought up. */
  readonly told = new Set<string>();
  #n = 0;

  constructor(handle: Handle) {
    this.world = new SyncWorld(handle);
  }

  async act(action: Action): Promise<void> {
    const { world } = this;
    world.tick(1 + (this.#n % 3));
    switch (action.kind) {
      case 'upsert': {
        const text = `m${this.#n++}`;
        const change = world.store.upsertTask({ id: `t${action.task}`, message: says(text) });
        if (await isStored(change)) this.#note(this.said, `t${action.task}`, [text]);
        return;
      }
      case 'update':
        return this.#update(action);
      case 'foreign':
        return this.#foreign(action);
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

  async #update(action: Action & { kind: 'update' }): Promise<void> {
    const id = `t${action.task}`;
    if (!this.said.has(id)) return;
    const texts = Array.from(
      { length: action.more + (action.status && action.message ? 1 : 0) },
      () => `m${this.#n++}`,
    );
    const parts = Array.from({ length: action.parts }, () => `p${this.#n++}`);
    const messages = texts.map(says);
    const state = states[action.state] as 'working';
    const message = action.status && action.message ? messages.shift() : undefined;
    const params: UpdateTaskParams = {
      ...(action.status && { status: { state, ...(message && { message }) } }),
      ...(messages.length > 0 && { newMessages: messages }),
      ...(parts.length > 0 && {
        artifactsUpdates: [
          {
            index: action.slot,
            name: 'report',
            parts: parts.map((text) => ({ type: 'text' as const, text })),
            ...(action.last && action.state === 2 && { lastChunk: true }),
          },
        ],
      }),
    };
    if (!(await isStored(this.world.store.updateTask(id, params)))) return;
    this.#note(this.said, id, texts);
    this.#note(this.parts, `${id}/${action.slot}`, parts);
  }

  async #foreign({ task, status, parts, messages }: Action & { kind: 'foreign' }): Promise<void> {
    const id = `t${task}`;
    const remote = await this.world.remoteTask(id);
    if (!remote) return;
    const texts = Array.from({ length: messages }, () => `f${this.#n++}`);
    const closed = remote.task.artifacts?.some(({ index, lastChunk }) => index === 0 && lastChunk);
    const part = `fp${this.#n++}`;
    const timestamp = new Date(Date.parse('2026-01-01T00:00:00Z') + this.#n * 7).toISOString();
    const response = await this.world.send('PUT', `/tasks/${id}`, {
      caller_id: 'holdfast',
      new_messages: texts.map(says),
      ...(status && { status: { state: states[this.#n % 3], timestamp } }),
      ...(parts && !closed && { artifacts_updates: [{ index: 0, parts: [{ type: 'text', text: part }] }] }),
    });
    // This side may have closed the artifact in the meantime.
    if (response.status === 400) return;
    expect(response.status).toBe(200);
    this.#note(this.foreign, id, texts);
    if (parts && !closed) this.#note(this.foreign, `${id}/0`, [part]);
  }

  async #replace(id: string): Promise<void> {
    const { store } = this.world;
    const { task } = (await store.getTask(id)) ?? {};
    if (!task) return;
    const text = `m${this.#n++}`;
    const { artifacts: _, ...kept } = task;
    const key = { callerId: undefined, taskType: 'incoming', taskId: id } as const;
    const replaced = { ...kept, history: [says(text)] };
    const change = store.port.transact(key, (head) => head && { type: 'replace', task: replaced });
    if (!(await isStored(change))) return;
    this.#loosen(id);
    this.#note(this.said, id, [text]);
  }

  #loosen(id: string): void {
    this.loose.add(id);
    this.said.delete(id);
    for (const place of this.parts.keys()) if (place.startsWith(`${id}/`)) this.parts.delete(place);
  }

  #note(where: Map<string, string[]>, key: string, texts: string[]): void {
    if (texts.length > 0 || where === this.said) where.set(key, [...(where.get(key) ?? []), ...texts]);
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
      const history = local?.task.history?.map(textOf) ?? [];
      if (this.loose.has(id)) {
        expect(history.filter((text) => said.includes(text))).toEqual(said);
        for (const { task } of [local, remote].flatMap((each) => each ?? [])) {
          expectNoneTwice(task.history?.map(textOf));
          for (const { parts } of task.artifacts ?? []) expectNoneTwice(parts.map(({ text }) => text));
        }
        if (!this.told.has(id)) expect(remote?.task.history?.map(textOf)).toEqual(history);
        continue;
      }
      expect(remote?.task.history?.map(textOf)).toEqual(history);
      expect(history.filter((text) => text.startsWith('m'))).toEqual(said);
      expect(history.filter((text) => text.startsWith('f'))).toEqual(this.foreign.get(id) ?? []);
      const { timestamp: ours = '', ...status } = local?.task.status ?? { state: 'unknown' };
      const { timestamp: theirs = '', ...remoteStatus } = remote?.task.status ?? { state: 'unknown' };
      expect(remoteStatus).toEqual(status);
      // When a task was created is each side's own to say.
      if (status.state !== 'submitted') expect(Date.parse(theirs)).toBe(Date.parse(ours));
      for (const artifact of local?.task.artifacts ?? []) {
        const texts = artifact.parts.map((part) => part.text as string);
        const theirs = remote?.task.artifacts?.find(({ index }) => index === artifact.index);
        const place = `${id}/${artifact.index}`;
        expect(theirs?.parts.map((part) => part.text)).toEqual(texts);
        expect(texts.filter((text) => text.startsWith('p'))).toEqual(this.parts.get(place) ?? []);
        expect(texts.filter((text) => text.startsWith('f'))).toEqual(this.foreign.get(place) ?? []);
      }
    }
    expect(world.store.sync?.status).toMatchObject({ state: 'idle', pendingTasks: 0 });
  }
}

/** A storage that fails refuses the change; so does an artifact that is closed. */
function isStored(change: Promise<unknown>): Promise<boolean> {
  return change.then(
    () => true,
    ({ code }) => {
      expect(['ARTIFACT_CLOSED', 'STORE_TIMEOUT', 'TASK_NOT_FOUND']).toContain(code);
      return false;
    },
  );
}

function expectNoneTwice(texts: readonly unknown[] = []): void {
  expect(texts).toEqual([...new Set(texts)]);
}

async function play(handle: Handle, actions: readonly Action[]): Promise<void> {
  const played = new Play(handle);
  await played.world.open();
  for (const action of actions) await played.act(action);
  await played.settle();
  await played.check();
  const before = played.world.requests;
  await played.world.run();
  expect(played.world.requests, 'an idle store asks nothing').toBe(before);
  await played.world.store.close();
}

const remotes: { readonly [name: string]: () => Promise<Handle> } = {
  "Elkar's server": async () => elkarImitation().handle,
  'our endpoint': async () => createElkarHandler({ store: await openTaskStore(), authorize: () => 'agent' }),
};

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
