/** Random changes to tasks from both sides of sync, and an account of them: what both sides must hold in the end. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Artifact, Message, StoredTask, Task, UpdateTaskParams } from '../../src/core/task.ts';
import { openTaskStore } from '../../src/memory.ts';
import { createElkarHandler } from '../../src/server.ts';
import type { TaskStore } from '../../src/task-store.ts';
import { elkarImitation } from './elkar-imitation.ts';
import type { Handle, RemoteWorld } from './remote-world.ts';

const states = ['working', 'input-required', 'completed', 'failed'] as const;

/** A remote with nothing on it. */
export const remotes: { readonly [name: string]: () => Promise<Handle> } = {
  "Elkar's server": async () => elkarImitation().handle,
  'our endpoint': async () => createElkarHandler({ store: await openTaskStore(), authorize: () => 'agent' }),
};

export const updateFields = {
  status: fc.boolean(),
  state: fc.nat(3),
  message: fc.boolean(),
  more: fc.nat(3),
  parts: fc.nat(2),
  slot: fc.nat(1),
  last: fc.boolean(),
};

export const foreignFields = { status: fc.boolean(), parts: fc.boolean(), messages: fc.nat(2) };

/** What the fields above come to. */
type Values<F> = { readonly [K in keyof F]: F[K] extends fc.Arbitrary<infer T> ? T : never };
export type UpdateFields = Values<typeof updateFields>;
export type ForeignFields = Values<typeof foreignFields>;

export const says = (text: string): Message => ({ role: 'agent', parts: [{ type: 'text', text }] });
export const textOf = ({ parts }: Pick<Message, 'parts'>) => (parts[0] as { text: string }).text;

export class SyncPlay<W extends RemoteWorld> {
  readonly world: W;
  /** What was acknowledged here, in order: messages by task, parts by task and artifact. */
  readonly said = new Map<string, string[]>();
  readonly parts = new Map<string, string[]>();
  /** The same of what others wrote. */
  readonly foreign = new Map<string, string[]>();
  /** The state that was set here last, by task. */
  readonly #states = new Map<string, string>();
  /** Tasks whose status others have set. */
  readonly #contested = new Set<string>();
  #n = 0;

  constructor(world: W) {
    this.world = world;
  }

  /** Some time passes between two actions. */
  tick(): void {
    this.world.tick(1 + (this.#n % 3));
  }

  text(prefix: string): string {
    return `${prefix}${this.#n++}`;
  }

  async upsert(store: TaskStore, id: string): Promise<void> {
    const text = this.text('m');
    if (await isStored(store.upsertTask({ id, message: says(text) }))) this.note(this.said, id, [text]);
  }

  async update(store: TaskStore, id: string, fields: UpdateFields): Promise<void> {
    if (!this.said.has(id)) return;
    const { status, state, more, slot } = fields;
    const withMessage = status && fields.message;
    const texts = Array.from({ length: more + Number(withMessage) }, () => this.text('m'));
    const parts = Array.from({ length: fields.parts }, () => this.text('p'));
    const messages = texts.map(says);
    const message = withMessage ? messages.shift() : undefined;
    const artifact: Artifact = {
      index: slot,
      name: 'report',
      parts: parts.map((text) => ({ type: 'text', text })),
      ...(fields.last && state === 2 && { lastChunk: true }),
    };
    const params: UpdateTaskParams = {
      ...(status && { status: { state: states[state] as 'working', ...(message && { message }) } }),
      ...(messages.length > 0 && { newMessages: messages }),
      ...(parts.length > 0 && { artifactsUpdates: [artifact] }),
    };
    if (!(await isStored(store.updateTask(id, params)))) return;
    if (status) this.#states.set(id, states[state] as string);
    this.note(this.said, id, texts);
    this.note(this.parts, `${id}/${slot}`, parts);
  }

  /** What somebody else does on the remote. */
  async writeForeign(id: string, { status, parts, messages }: ForeignFields): Promise<void> {
    const remote = await this.world.remoteTask(id);
    if (!remote) return;
    const texts = Array.from({ length: messages }, () => this.text('f'));
    const isClosed = remote.task.artifacts?.some(({ index, lastChunk }) => index === 0 && lastChunk);
    const part = this.text('fp');
    const timestamp = new Date(Date.parse('2026-01-01T00:00:00Z') + this.#n * 7).toISOString();
    const { status: code } = await this.world.send('PUT', `/tasks/${id}`, {
      caller_id: 'holdfast',
      new_messages: texts.map(says),
      ...(status && { status: { state: states[this.#n % 3], timestamp } }),
      ...(parts && !isClosed && { artifacts_updates: [{ index: 0, parts: [{ type: 'text', text: part }] }] }),
    });
    // This side may have closed the artifact in the meantime.
    if (code === 400) return;
    expect(code).toBe(200);
    if (status) this.#contested.add(id);
    this.note(this.foreign, id, texts);
    if (parts && !isClosed) this.note(this.foreign, `${id}/0`, [part]);
  }

  note(where: Map<string, string[]>, key: string, texts: readonly string[]): void {
    if (texts.length > 0) where.set(key, [...(where.get(key) ?? []), ...texts]);
  }

  /** Both sides hold the same, and all that the account has. */
  expectSettled(id: string, local: StoredTask | undefined, remote: Pick<StoredTask, 'task'> | undefined): void {
    const history = local?.task.history?.map(textOf) ?? [];
    expect(remote?.task.history?.map(textOf)).toEqual(history);
    expect(history.filter((text) => text.startsWith('m'))).toEqual(this.said.get(id));
    expect(history.filter((text) => text.startsWith('f'))).toEqual(this.foreign.get(id) ?? []);
    const { timestamp: ours = '', ...status } = local?.task.status ?? { state: 'unknown' };
    const { timestamp: theirs = '', ...remoteStatus } = remote?.task.status ?? { state: 'unknown' };
    // One that had to go again, over another's or a late one, went without its message, which was there already.
    if (status.message && !remoteStatus.message && (this.#contested.has(id) || this.world.wasLate)) {
      expect(remote?.task.history?.map(textOf)).toContain(textOf(status.message));
      delete status.message;
    }
    expect(remoteStatus).toEqual(status);
    if (!this.#contested.has(id)) expect(status.state).toBe(this.#states.get(id) ?? 'submitted');
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

  /** Doubled items on the remote, though reads leave them out: there are none where no request was late. */
  async expectNothingDoubled(): Promise<void> {
    if (this.world.wasLate) return;
    for (const id of this.said.keys()) {
      const answer = await this.world.send('GET', `/tasks/${id}?caller_id=holdfast`);
      const { history = [], artifacts = [] } = ((await answer.json()).a2a_task ?? {}) as Partial<Task>;
      for (const items of [history, ...artifacts.map(({ parts }) => parts)]) {
        expectNoneTwice(items.map((item) => JSON.stringify(item)));
      }
    }
  }
}

/** A storage that fails refuses the change; so does an artifact that is closed. */
export function isStored(change: Promise<unknown>): Promise<boolean> {
  return change.then(
    () => true,
    ({ code }) => {
      expect(['ARTIFACT_CLOSED', 'STORE_TIMEOUT', 'TASK_NOT_FOUND']).toContain(code);
      return false;
    },
  );
}

export function expectNoneTwice(texts: readonly unknown[] = []): void {
  expect(texts).toEqual([...new Set(texts)]);
}
