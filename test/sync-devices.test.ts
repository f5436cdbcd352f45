/**
 * Several devices on one remote, each with a store of its own. As a model: whichever of them write, restart, delete or
 * import at whatever moment, once everything has settled the remote holds what each of them wrote once, in its order, all
 * of them show what the remote holds, and none sends anything any more.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Artifact, StoredTask, UpdateTaskParams } from '../src/core/task.ts';
import { type Device, DevicesWorld } from './support/devices-world.ts';
import { scaled, seeded } from './support/long.ts';
import { type Fault, type Handle, promptFaults } from './support/remote-world.ts';
import { expectNoneTwice, isStored, remotes, says, textOf } from './support/sync-play.ts';

const polling = { pollMs: 8000, maxBackoffMs: 10_000 };
const part = (text: string) => ({ type: 'text' as const, text });

async function worldOf(remote: string): Promise<DevicesWorld> {
  return new DevicesWorld(await (remotes[remote] as () => Promise<Handle>)());
}

async function pair(remote: string) {
  const world = await worldOf(remote);
  return { world, a: await world.add(polling), b: await world.add(polling) };
}

async function exported({ store }: Device): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of store.exportTasks()) lines.push(line);
  return lines;
}

async function stateIn({ store }: Device): Promise<string | undefined> {
  return (await store.getTask('t'))?.task.status.state;
}

describe.each(Object.keys(remotes))('two devices against %s', (remote) => {
  test('agree on the status of a task that both have created', async () => {
    const { world, a, b } = await pair(remote);
    await b.store.upsertTask({ id: 't', message: says('b') });
    await b.store.updateTask('t', { status: { state: 'working' } });
    await world.runFor(1000);
    await a.store.upsertTask({ id: 't', message: says('a') });
    await world.runFor(60_000);
    world.changes.length = 0;
    await world.runFor(60_000);
    expect(world.changes).toEqual([]);
    // The later one.
    expect([await stateIn(a), await stateIn(b)]).toEqual(['submitted', 'submitted']);
  });

  test.each(['working', 'failed'] as const)('agree where one submits again what the other has as %s', async (state) => {
    const { world, a, b } = await pair(remote);
    await b.store.upsertTask({ id: 't', message: says('b') });
    await world.runFor(1000);
    await a.store.importTasks(await exported(b));
    await world.runFor(1000);
    await a.store.updateTask('t', { status: { state } });
    await world.runFor(20_000);
    await b.sync.pull('t');
    expect(await stateIn(b)).toBe(state);
    await b.store.updateTask('t', { status: { state: 'submitted' } });
    await world.runFor(1000);
    await a.sync.pull('t');
    await world.runFor(60_000);
    world.changes.length = 0;
    await world.runFor(60_000);
    expect(world.changes).toEqual([]);
    expect([await stateIn(a), await stateIn(b)]).toEqual(['submitted', 'submitted']);
  });

  test('agree where one goes back to a status of the same time', async () => {
    const { world, a, b } = await pair(remote);
    const timestamp = '2026-01-01T00:00:00Z';
    await b.store.upsertTask({ id: 't', message: says('b') });
    await b.store.updateTask('t', { status: { state: 'working', timestamp } });
    await world.runFor(1000);
    await a.store.importTasks(await exported(b));
    await world.runFor(1000);
    await a.store.updateTask('t', { status: { state: 'input-required', timestamp } });
    await world.runFor(20_000);
    await b.store.updateTask('t', { status: { state: 'working', timestamp } });
    await world.runFor(60_000);
    world.changes.length = 0;
    await world.runFor(60_000);
    expect(world.changes).toEqual([]);
    expect(await stateIn(a)).toBe(await stateIn(b));
  });

  test('see that an artifact of the other is complete', async () => {
    const { world, a, b } = await pair(remote);
    await a.store.upsertTask({ id: 't', message: says('a') });
    await world.runFor(1000);
    await b.store.importTasks(await exported(a));
    for (const n of [1, 2, 3]) {
      const artifact = { index: 0, name: 'report', parts: [part(`${n}`)], lastChunk: n === 3 };
      await a.store.updateTask('t', { artifactsUpdates: [artifact] });
      await world.runFor(20_000);
    }
    const [artifact] = (await b.store.getTask('t'))?.task.artifacts ?? [];
    expect(artifact).toMatchObject({ parts: [{ text: '1' }, { text: '2' }, { text: '3' }], lastChunk: true });
    const more = b.store.updateTask('t', { artifactsUpdates: [{ index: 0, parts: [part('4')] }] });
    await expect(more).rejects.toMatchObject({ code: 'ARTIFACT_CLOSED' });
  });
});

test('a pull tells that an artifact was closed by a chunk without parts', async () => {
  const { world, a } = await pair('our endpoint');
  await a.store.upsertTask({ id: 't', message: says('a') });
  await a.store.updateTask('t', { artifactsUpdates: [1, 2].map((index) => ({ index, parts: [part('1')] })) });
  await world.runFor(1000);
  const closing = { index: 2, parts: [], last_chunk: true };
  await world.send('PUT', '/tasks/t', { caller_id: 'holdfast', artifacts_updates: [closing] });
  await a.sync.pull('t');
  const { artifacts } = (await a.store.getTask('t'))?.task ?? {};
  expect(artifacts).toEqual([
    { index: 1, parts: [part('1')] },
    { index: 2, parts: [part('1')], lastChunk: true },
  ]);
});

// The model.

const states = ['working', 'input-required', 'completed', 'failed', 'submitted'] as const;
const tasks = ['t0', 't1'];

interface Update {
  kind: 'update';
  device: number;
  task: number;
  status: boolean;
  state: number;
  message: boolean;
  more: number;
  parts: number;
  slot: number;
  last: boolean;
}

type Action =
  | Update
  | { kind: 'upsert' | 'pull' | 'flush' | 'delete'; device: number; task: number }
  | { kind: 'restart' | 'pause' | 'resume' | 'prune'; device: number }
  | { kind: 'import'; device: number; from: number; replace: boolean }
  | { kind: 'run'; ms: number }
  | { kind: 'fault'; faults: Fault[] }
  | { kind: 'late' };

interface Kind {
  readonly what: string;
  /** Requests may arrive after they were given up. */
  readonly isLate?: boolean;
  /** Devices delete tasks, and make them anew. */
  readonly isDeleting?: boolean;
  /** Artifacts are closed; what others have for them can be refused then. */
  readonly isClosing?: boolean;
}

const is = <K extends string>(...kinds: K[]) => fc.constantFrom(...kinds);
const device = fc.nat(2);
const task = fc.nat(tasks.length - 1);

function schedule({ isLate = false, isDeleting = false, isClosing = false }: Kind): fc.Arbitrary<Action[]> {
  const prompt = promptFaults.filter((fault) => fault !== '413');
  const faults = fc.constantFrom<Fault[]>(...prompt, ...(isLate ? (['late', 'duplicate'] as const) : []));
  const update = {
    kind: is('update'),
    device,
    task,
    status: fc.boolean(),
    state: fc.nat(4),
    message: fc.boolean(),
    more: fc.nat(2),
    parts: fc.nat(2),
    slot: fc.nat(1),
    last: isClosing ? fc.boolean() : fc.constant(false),
  };
  const imported = fc.record({ kind: is('import'), device, from: device, replace: fc.boolean() });
  const action: fc.Arbitrary<Action> = fc.oneof(
    { weight: 8, arbitrary: fc.record(update, { noNullPrototype: true }) },
    { weight: 6, arbitrary: fc.record({ kind: is('run'), ms: fc.constantFrom(10, 60, 300, 1500, 7000) }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: is('fault'), faults: fc.array(faults, { minLength: 1, maxLength: 4 }) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: is('upsert'), device, task }) },
    { weight: 2, arbitrary: fc.record({ kind: is('pull', 'flush'), device, task }) },
    { weight: 1, arbitrary: fc.record({ kind: is('restart', 'pause', 'resume'), device }) },
    { weight: 1, arbitrary: imported },
    { weight: Number(isLate), arbitrary: fc.record({ kind: is('late') }) },
    { weight: Number(isDeleting), arbitrary: fc.record({ kind: is('delete'), device, task }) },
    { weight: Number(isDeleting), arbitrary: fc.record({ kind: is('prune'), device }) },
  );
  return fc.array(action, { minLength: 10, maxLength: 60, size: 'max' });
}

class Play {
  readonly world: DevicesWorld;
  /** What each device wrote, in order: by device, task and tail. */
  readonly #said = new Map<string, string[]>();
  /** What may never have reached the remote, its task having been deleted. */
  readonly #gone = new Set<string>();
  /** Device and task, where something was given up since the remote had refused it. */
  readonly #givenUp = new Set<string>();
  #n = 0;

  constructor(world: DevicesWorld) {
    this.world = world;
  }

  async act(action: Action): Promise<void> {
    const { world } = this;
    world.tick(1 + (this.#n % 3));
    switch (action.kind) {
      case 'run':
        return world.runFor(action.ms);
      case 'fault':
        world.faults.push(...action.faults);
        return;
      case 'late':
        return world.deliverLate();
    }
    const device = this.#device(action.device);
    const { store, sync } = device;
    const id = 'task' in action ? (tasks[action.task] as string) : '';
    switch (action.kind) {
      case 'upsert':
        return this.#upsert(device, id);
      case 'update':
        return (await store.getTask(id)) ? this.#update(device, id, action) : this.#upsert(device, id);
      case 'pull':
        void sync.pull(id).catch(() => {});
        return;
      case 'flush':
        void sync.flush({ taskId: id }).catch(() => {});
        return;
      case 'restart':
        return world.restart(device);
      case 'pause':
        return sync.pause();
      case 'resume':
        return sync.resume();
      case 'delete':
        if (!(await isStored(store.deleteTask(id)))) return;
        for (const [place, texts] of this.#said) {
          if (place.startsWith(`${device.name}/${id}/`)) for (const text of texts) this.#gone.add(text);
        }
        return;
      case 'prune':
        await store.prune({ olderThan: new Date(world.now + device.ahead) });
        return;
      case 'import':
        return this.#import(device, this.#device(action.from), action.replace);
    }
  }

  #device(n: number): Device {
    const { devices } = this.world;
    return devices[n % devices.length] as Device;
  }

  #note(place: string, texts: readonly string[]): void {
    this.#said.set(place, [...(this.#said.get(place) ?? []), ...texts]);
  }

  async #upsert({ name, store }: Device, id: string): Promise<void> {
    const text = `${name}${this.#n++}`;
    if (await isStored(store.upsertTask({ id, message: says(text) }))) this.#note(`${name}/${id}/history`, [text]);
  }

  async #update({ name, store }: Device, id: string, fields: Update): Promise<void> {
    const { status, slot, last } = fields;
    const withMessage = status && fields.message;
    const texts = Array.from({ length: fields.more + Number(withMessage) }, () => `${name}${this.#n++}`);
    const parts = Array.from({ length: fields.parts }, () => `${name}${this.#n++}`);
    const messages = texts.map(says);
    const message = withMessage ? messages.shift() : undefined;
    const artifact: Artifact = {
      index: slot,
      name: 'report',
      parts: parts.map(part),
      ...(last && { lastChunk: true }),
    };
    const params: UpdateTaskParams = {
      ...(status && { status: { state: states[fields.state] as 'working', ...(message && { message }) } }),
      ...(messages.length > 0 && { newMessages: messages }),
      ...(parts.length > 0 && { artifactsUpdates: [artifact] }),
    };
    if (!(await isStored(store.updateTask(id, params)))) return;
    this.#note(`${name}/${id}/history`, texts);
    this.#note(`${name}/${id}/${slot}`, parts);
  }

  /** What the other device has sent: what it has not, both would send. */
  async #import({ store }: Device, from: Device, isReplacing: boolean): Promise<void> {
    const pending = new Set((await from.store.port.backend.pending(100)).map(({ key }) => key.taskId));
    const lines = (await exported(from)).filter((line) => !pending.has(JSON.parse(line).id));
    if (from.store !== store) await store.importTasks(lines, { onConflict: isReplacing ? 'replace' : 'skip' });
  }

  /** No more faults: late requests arrive, what was refused is tried again, and in the end given up; all pull. */
  async settle(): Promise<void> {
    const { world } = this;
    world.faults.length = 0;
    for (let round = 0; round < 4; round++) {
      for (const { sync } of world.devices) sync.resume();
      await world.runFor(25_000);
      await world.deliverLate();
      for (const { name, sync } of world.devices) {
        for (const { taskId, error } of await sync.blocked()) {
          // The artifact that it has parts for was closed by another.
          expect(error, error.message).toMatchObject({ code: 'REMOTE_REJECTED', status: 400 });
          if (round > 1) this.#givenUp.add(`${name}/${taskId}`);
          await (round > 1 ? sync.discard(taskId) : sync.retry(taskId));
        }
      }
      await world.runFor(20_000);
      for (const { store, sync } of world.devices) {
        for (const id of tasks) if (await store.getTask(id)) await sync.pull(id);
      }
      await world.runFor(20_000);
    }
  }

  async check(isOurs: boolean, { isClosing }: Kind): Promise<void> {
    const { world } = this;
    if (!isClosing) expect(this.#givenUp).toEqual(new Set());
    for (const { name, sync } of world.devices) {
      expect(sync.status, name).toMatchObject({ state: 'idle', pendingTasks: 0, blockedTasks: 0 });
    }
    for (const id of tasks) {
      const remote = tailsOf(await world.remoteTask(id));
      for (const texts of remote.values()) expectNoneTwice(texts);
      for (const { name, store } of world.devices) {
        if (this.#givenUp.has(`${name}/${id}`)) continue;
        for (const tail of ['history', '0', '1']) {
          const said = this.#said.get(`${name}/${id}/${tail}`) ?? [];
          const there = (remote.get(tail) ?? []).filter((text) => text.startsWith(name));
          expect(said, `${name} wrote it`).toEqual(expect.arrayContaining(there));
          // Those of before a deletion may arrive among those of after it.
          const isKept = (text: string) => !this.#gone.has(text);
          expect(there.filter(isKept), `${tail} of ${name}`).toEqual(said.filter(isKept));
        }
        const local = await store.getTask(id);
        if (local) this.#compare(name, local, (await world.remoteTask(id)) as Pick<StoredTask, 'task'>, isOurs);
      }
    }
  }

  #compare(name: string, local: StoredTask, remote: Pick<StoredTask, 'task'>, isOurs: boolean): void {
    expect(tailsOf(local), `what ${name} shows`).toEqual(tailsOf(remote));
    const { state, timestamp = '' } = local.task.status;
    const theirs = remote.task.status;
    expect(state, `status of ${name}`).toBe(theirs.state);
    // When a task was created is each side's own to say.
    if (state !== 'submitted') expect(Date.parse(timestamp), name).toBe(Date.parse(theirs.timestamp ?? ''));
    const closed = ({ task }: Pick<StoredTask, 'task'>) =>
      (task.artifacts ?? []).flatMap(({ index, lastChunk }) => (lastChunk ? [index] : []));
    // Elkar's server forgets it where a device's first chunk is not the artifact's.
    expect(closed(local).sort(), `closed for ${name}`).toEqual(
      isOurs ? closed(remote).sort() : expect.arrayContaining(closed(remote)),
    );
  }
}

/** The texts of the history, and of each artifact by its index. */
function tailsOf(stored: Pick<StoredTask, 'task'> | undefined): Map<string, string[]> {
  const { history = [], artifacts = [] } = stored?.task ?? {};
  const parts = artifacts.map(({ index, parts }) => [`${index}`, parts.map(({ text }) => text as string)] as const);
  return new Map([['history', history.map(textOf)], ...parts]);
}

const kinds: Kind[] = [
  { what: 'which write' },
  { what: 'whose requests come late', isLate: true },
  { what: 'which delete tasks and make them anew', isLate: true, isDeleting: true },
  { what: 'which close artifacts', isClosing: true },
];

describe.each(Object.keys(remotes))('against %s', (remote) => {
  test.each(kinds)('devices $what end with the same, each change once, and send nothing more', async (kind) => {
    const clocks = fc.array(fc.constantFrom(0, 0, 5, -3000, 60_000), { minLength: 2, maxLength: 3 });
    const polls = fc.array(fc.boolean(), { minLength: 3, maxLength: 3 });
    const property = fc.asyncProperty(schedule(kind), clocks, polls, async (actions, aheads, isPolling) => {
      const play = new Play(await worldOf(remote));
      const { world } = play;
      for (const [n, ahead] of aheads.entries()) await world.add(isPolling[n] ? polling : {}, ahead);
      for (const action of actions) await play.act(action);
      await play.settle();
      await play.check(remote === 'our endpoint', kind);
      world.changes.length = 0;
      await world.runFor(60_000);
      expect(world.changes).toEqual([]);
      for (const { store } of world.devices) await store.close();
    });
    await fc.assert(property, { ...seeded(`devices ${kind.what}, ${remote}`), numRuns: scaled(25, 600) });
  });
});
