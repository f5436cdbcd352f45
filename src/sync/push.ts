/** One task on its way to the remote: plan, note the target, send, bring in the answer. */
import { TaskStoreError } from '../core/errors.ts';
import type { TaskHead, TaskKey } from '../core/head.ts';
import { selectAll, selectNothing, type TaskRecord, toStoredTask } from '../core/record.ts';
import type { RemoteTask } from '../elkar/wire.ts';
import type { StorePort } from '../store-port.ts';
import { type Absorbed, absorb, adopt, pendingAfter, takeWhole, toCommand } from './absorb.ts';
import { type Plan, plan, selectUnsent } from './plan.ts';
import type { Remote } from './remote.ts';
import { advance, type SyncState, stateOf, type Target } from './state.ts';

export interface PushContext {
  readonly port: StorePort;
  readonly remote: Remote;
  readonly identity: string;
  /** The term of this leader; 0 where there can be no other. */
  readonly term: number;
  readonly signal: AbortSignal;
  readonly maxBytes: number;
  /** How long a request claims its task for this context, in ms; 0 where no other context can push. */
  readonly claimMs: number;
  /** The remote answered as Elkar does. */
  readonly onSuccess: () => void;
}

/** A leader of a later term has written: this context must stop pushing. */
export class Deposed extends Error {}

/** So many requests of one task go before others have their turn again. */
const TURN = 16;
const FIRST_READ = 64;
/** More items than this never go in one request. */
const MOST_ITEMS = 4096;

export class TaskPush {
  readonly #context: PushContext;
  readonly #key: TaskKey;
  #maxItems = MOST_ITEMS;
  /** A target that the remote has certainly not taken, so that it need not be asked. */
  #refused: string | undefined;
  /** This context's own last target. */
  #sent: string | undefined;

  constructor(context: PushContext, key: TaskKey) {
    this.#context = context;
    this.#key = key;
  }

  /**
   * Pushes what is pending, a bounded number of requests at a time; answers whether something is left. Rejects with what
   * the remote, or the store, failed at.
   */
  async run(): Promise<boolean> {
    for (let requests = 0; requests < TURN; requests++) {
      this.#context.signal.throwIfAborted();
      const head = await this.head();
      if (!head || !isPushable(head, this.#context.identity)) return false;
      const state = stateOf(head);
      this.#assertTerm(state);
      if (this.#isClaimed(state)) throw new TaskStoreError('STORE_LOCKED', 'another tab is pushing this task');
      await this.#step(head);
    }
    return true;
  }

  async head(): Promise<TaskHead | undefined> {
    return (await this.#context.port.read(this.#key, selectNothing))?.head;
  }

  #step(head: TaskHead): Promise<unknown> {
    if (head.key.taskType === 'outgoing') return this.#pushWhole();
    const { target, unsure } = stateOf(head);
    const isInDoubt = unsure || (target && target.id !== this.#refused);
    return isInDoubt ? this.settle() : this.#pushNext();
  }

  /** Asks the remote what it has, and brings in what is new there. */
  async settle(): Promise<void> {
    const { remote, signal, onSuccess } = this.#context;
    const head = await this.head();
    if (!head) return;
    const { seq, rowId } = stateOf(head);
    let theirs: RemoteTask;
    try {
      theirs = await remote.get(this.#key, signal);
    } catch (error) {
      if (!(error instanceof TaskStoreError) || error.code !== 'TASK_NOT_FOUND') throw error;
      onSuccess();
      if (rowId !== undefined) throw new TaskStoreError('TASK_NOT_FOUND', 'the remote lost this task');
      await this.#note(seq, { target: undefined, unsure: undefined });
      return;
    }
    onSuccess();
    await this.bringIn(theirs, seq);
  }

  /** Brings in what others wrote. */
  async pull(): Promise<void> {
    const head = await this.head();
    if (!head)
      throw new TaskStoreError('TASK_NOT_FOUND', 'there is no such task for this caller', { operation: 'pull' });
    if (head.key.taskType === 'incoming') return this.settle();
    const { remote, port, signal } = this.#context;
    const { task, rowId } = await remote.get(this.#key, signal);
    await port.transact(this.#key, (now) => takeWhole(now, task, rowId), { source: 'remote' });
  }

  async #pushNext(): Promise<void> {
    const { port, identity, term, signal, remote, claimMs } = this.#context;
    const at = port.environment.now();
    const id = port.environment.newId();
    const planned = await this.#plan(id);
    if (!planned) return;
    const { record, uid, next } = planned;
    const { seq } = stateOf(record.head);
    if (!next) {
      await this.#note(seq, { target: undefined }, record.head);
      return;
    }
    const send = remote.prepare(this.#key, next, signal);
    const target = { ...next.target, ...(claimMs > 0 && { claimedUntil: at + claimMs }) };
    if (!(await this.#note(seq, { target, uid, identity, ...(term > 0 && { term }) }))) return;
    this.#sent = id;
    let answer: RemoteTask;
    try {
      answer = await send();
    } catch (error) {
      return this.#afterRefusal(error, next, seq + 1);
    }
    await this.bringIn(answer, seq + 1, {
      target: next.target,
      expected: next.expected,
      read: { head: record.head, at },
    });
    this.#context.onSuccess();
  }

  /** Reads as much as one request can hold, a bounded number of items at first, since they may be large. */
  async #plan(targetId: string) {
    const { port, maxBytes } = this.#context;
    for (let limit = FIRST_READ; ; limit *= 8) {
      const record = await port.read(this.#key, selectUnsent(Math.min(limit, this.#maxItems)));
      if (!record) return undefined;
      const uid = stateOf(record.head).uid ?? port.environment.newId();
      const next = plan(record, uid, targetId, { bytes: maxBytes, items: this.#maxItems });
      const read =
        record.messages().length + (record.head.artifacts ?? []).reduce((n, _, i) => n + record.parts(i).length, 0);
      if (limit >= this.#maxItems || !next || next.items < Math.min(read, limit)) return { record, uid, next };
    }
  }

  async #afterRefusal(error: unknown, sent: Plan, seq: number): Promise<void> {
    if (!(error instanceof TaskStoreError)) throw error;
    const { code, status } = error;
    if (code === 'UNAUTHORIZED' || status === 413 || status === 429) this.#refused = sent.target.id;
    if (status === 413 && sent.items > 1) {
      this.#maxItems = sent.items >> 1;
      return;
    }
    if (code !== 'REMOTE_REJECTED' && code !== 'TASK_NOT_FOUND') throw error;
    if (status === 413) throw error;
    // An earlier attempt may have arrived in the meantime, and be why this one was refused.
    await this.settle();
    const head = await this.head();
    const { messages, parts } = sent.expected;
    if (head && stateOf(head).seq > seq && hasArrived(stateOf(head), messages, parts)) return;
    throw error;
  }

  /**
   * Brings an answer into the store, unless sync's state of the task has moved on since `seq`. With `answered`, the
   * answer must show what was sent.
   */
  async bringIn(
    remote: RemoteTask,
    seq: number,
    answered?: { target: Target; expected: Plan['expected']; read: { head: TaskHead; at: number } },
  ): Promise<void> {
    const { port } = this.#context;
    let full: TaskRecord | undefined;
    for (;;) {
      let isTailNeeded = false;
      let missing = false;
      await port.transact(
        this.#key,
        (head) => {
          isTailNeeded = false;
          if (!head || stateOf(head).seq !== seq) return undefined;
          this.#assertTerm(stateOf(head));
          let known = head;
          if (stateOf(head).unsure) {
            if (full?.head.revision !== head.revision) {
              isTailNeeded = true;
              return undefined;
            }
            known = { ...head, sync: { ...adopt(full, remote) } };
          }
          const absorbed = absorb(known, remote, answered?.target);
          const { messages = 0, parts = [] } = answered?.expected ?? {};
          missing = !hasArrived(absorbed.state, messages, parts);
          if (missing || isNothingNew(head, absorbed)) return undefined;
          const command = toCommand(
            known,
            absorbed,
            pendingAfter(known, absorbed, port.environment.now(), answered?.read),
            full,
          );
          isTailNeeded = command === undefined;
          return command;
        },
        { source: 'remote' },
      );
      if (missing) throw new TaskStoreError('CONFLICT', 'the remote took a change and does not show it');
      if (!isTailNeeded) return;
      full = await port.read(this.#key, selectAll);
    }
  }

  /** Writes fields of the state, if it is still at `seq`; with `settled`, nothing of that head is pending any more. */
  async #note(seq: number, fields: Partial<{ [K in keyof SyncState]: SyncState[K] | undefined }>, settled?: TaskHead) {
    const { decision } = await this.#context.port.transact(this.#key, (head) => {
      if (!head) return undefined;
      const state = stateOf(head);
      this.#assertTerm(state);
      if (state.seq !== seq || (settled && head.revision !== settled.revision)) return undefined;
      const sync = { ...advance(state, fields) };
      return { type: 'note', sync, pendingSince: settled ? undefined : head.pendingSince };
    });
    return decision !== undefined;
  }

  /** Outgoing tasks go whole, and may be sent again without harm. */
  async #pushWhole(): Promise<void> {
    const { port, remote, signal, identity, onSuccess } = this.#context;
    const at = port.environment.now();
    const record = await port.read(this.#key, selectAll);
    if (!record) return;
    const { task } = toStoredTask(record, {});
    const { rowId } = await remote.putWhole(this.#key, task, record.head.agentUrl ?? '', signal);
    await port.transact(this.#key, (head) => {
      if (!head) return undefined;
      const state = stateOf(head);
      if (state.rowId !== undefined && state.rowId !== rowId) {
        throw new TaskStoreError('CONFLICT', 'the remote answered with another task of the same id');
      }
      const isAll = head.revision === record.head.revision;
      const sync = { ...advance(state, { rowId, identity, unsure: undefined }) };
      return { type: 'note', sync, pendingSince: isAll ? undefined : Math.max(head.pendingSince ?? at, at) };
    });
    onSuccess();
  }

  /** Sets the task aside, whole as it is. */
  async block(error: TaskStoreError): Promise<void> {
    const { code, message, status } = error;
    await this.#context.port.transact(this.#key, (head) => {
      if (!head) return undefined;
      const blocked = { code, message, ...(status !== undefined && { status }) };
      const sync = { ...advance(stateOf(head), { blocked, identity: this.#context.identity }) };
      return { type: 'note', sync, pendingSince: head.pendingSince };
    });
  }

  #isClaimed({ target }: SyncState): boolean {
    const { claimMs, port } = this.#context;
    return (
      claimMs > 0 &&
      target !== undefined &&
      target.id !== this.#sent &&
      (target.claimedUntil ?? 0) > port.environment.now()
    );
  }

  #assertTerm(state: SyncState): void {
    if ((state.term ?? 0) > this.#context.term) throw new Deposed();
  }
}

/** Whether sync may push this task now. */
export function isPushable(head: TaskHead, identity: string): boolean {
  const state = stateOf(head);
  return head.pendingSince !== undefined && !state.blocked && (state.identity ?? identity) === identity;
}

function isNothingNew(head: TaskHead, { body, state }: Absorbed): boolean {
  const before = stateOf(head);
  return !body && JSON.stringify({ ...state, seq: before.seq }) === JSON.stringify(before);
}

function hasArrived(state: SyncState, messages: number, parts: readonly number[]): boolean {
  return (
    state.messages.own >= messages &&
    parts.every((own, slot) => state.parts[slot] != null && state.parts[slot].own >= own)
  );
}
