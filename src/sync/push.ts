/** One task on its way to the remote: plan, note the target, send, bring in the answer. */
import { TaskStoreError } from '../core/errors.ts';
import type { TaskHead, TaskKey } from '../core/head.ts';
import { selectAll, selectNothing, type TaskRecord, toStoredTask } from '../core/record.ts';
import type { ElkarTransport } from '../elkar/transport.ts';
import { assertSendable, clientTaskBody, type RemoteTask } from '../elkar/wire.ts';
import type { StorePort } from '../store-port.ts';
import { absorb, assertRow, type Sent, takeWhole } from './absorb.ts';
import { type Plan, plan, selectUnsent } from './plan.ts';
import { blameFor } from './schedule.ts';
import { errorOf, note, progressOf, remember, type SyncState, stateOf } from './state.ts';

/** Where a context's pushes come from and go to. */
export interface PushContext {
  readonly port: StorePort;
  readonly transport: ElkarTransport;
  readonly identity: string;
  /** Of this context; unique. */
  readonly id: string;
  /** Stands on the remote for "no caller". */
  readonly noCaller: string;
  readonly maxBytes: number;
  /** How long a request claims its task for this context, in ms; 0 where no other context can push. */
  readonly claimMs: number;
  /** Of this leader, where others can come after it. */
  readonly term?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A task on its way. */
export interface PushedTask {
  readonly key: TaskKey;
  /** What was halved when the remote said that it was too much. */
  maxBytes?: number;
  /** So many unsent items are read of each tail: few at first, since they may be large. */
  limit?: number;
}

export class Push {
  readonly #context: PushContext;
  readonly #task: PushedTask;
  readonly #key: TaskKey;
  readonly #callerId: string;

  constructor(context: PushContext, task: PushedTask) {
    this.#context = context;
    this.#task = task;
    this.#key = task.key;
    this.#callerId = task.key.callerId ?? context.noCaller;
  }

  async head(): Promise<TaskHead | undefined> {
    return (await this.#context.port.read(this.#key, selectNothing))?.head;
  }

  /**
   * Makes one request, if something is to be pushed, and answers whether more is. Rejects with what the remote, or the
   * store, failed at.
   */
  async step(): Promise<boolean | undefined> {
    const head = await this.head();
    if (head?.pendingSince === undefined || errorOf(head, this.#context.identity)) return undefined;
    const state = stateOf(head);
    this.#assertFree(state);
    if (head.key.taskType === 'outgoing') await this.#pushWhole();
    else if (state.unsure || state.target) await this.#ask();
    else await this.#pushNext();
    return (await this.head())?.pendingSince !== undefined;
  }

  /** Brings in what others wrote; answers whether it did, or something else came between. */
  async pull(): Promise<boolean> {
    if (this.#key.taskType === 'incoming') return this.#ask();
    const remote = await this.#get();
    await this.#context.port.transact(this.#key, (head) => takeWhole(head, remote), { source: 'remote' });
    return true;
  }

  /** Sets the task aside, whole as it is. */
  async block({ code, message, status }: TaskStoreError): Promise<void> {
    await note(this.#context.port, this.#key, (state) => [{ ...state, blocked: { code, message, status } }]);
  }

  /** Asks the remote what it has, and brings in what is new there. */
  async #ask(): Promise<boolean> {
    const head = await this.head();
    if (!head) return true;
    const { seq, rowId } = stateOf(head);
    try {
      return await this.#bringIn(await this.#get(), seq);
    } catch (error) {
      const isUnknown = error instanceof TaskStoreError && error.code === 'TASK_NOT_FOUND' && rowId === undefined;
      if (!isUnknown) throw error;
      return this.#note(seq, { target: undefined, unsure: undefined });
    }
  }

  #get(): Promise<RemoteTask> {
    const { transport, signal } = this.#context;
    const { taskId, taskType } = this.#key;
    const route = taskType === 'incoming' ? 'getTask' : 'getClientTask';
    return transport[route](taskId, { callerId: this.#callerId, signal });
  }

  async #pushNext(): Promise<void> {
    const { port, identity, id, claimMs, transport, term, signal } = this.#context;
    const { limit = 128, maxBytes = this.#context.maxBytes } = this.#task;
    const key = this.#key;
    const at = port.environment.now();
    const record = await port.read(key, selectUnsent(limit));
    if (!record) return;
    const { head } = record;
    const state = stateOf(head);
    const { seq, uid = port.environment.newId() } = state;
    const next = plan(record, uid, this.#callerId, maxBytes);
    if (!next) {
      await note(port, key, (state, now) => now.revision === head.revision && [{ ...state, target: undefined }, 0]);
      return;
    }
    if (!next.isFull) this.#task.limit = Math.min(4096, limit * 8);
    assertSendable(next.body, key.taskId);
    const noted = await this.#note(seq, {
      target: { by: id, until: at + claimMs, unseen: next.unseen },
      known: next.status ? remember(state.known, next.status) : state.known,
      uid,
      identity,
      term,
    });
    if (!noted) return;
    try {
      const answer = next.isCreate
        ? transport.createTask(next.body, { signal })
        : transport.updateTask(key.taskId, next.body, { signal });
      await this.#bringIn(await answer, seq + 1, { head, at, items: next.items });
    } catch (error) {
      await this.#afterRefusal(error as TaskStoreError, next, state);
    }
  }

  /** Throws `error` again, unless there is more to do. */
  async #afterRefusal(error: TaskStoreError, { items, bytes }: Plan, before: SyncState): Promise<void> {
    const { code, status } = error;
    const isTooLarge = status === 413;
    // The remote has certainly not taken it, and need not be asked.
    if (isTooLarge || status === 429 || code === 'UNAUTHORIZED')
      await this.#note(before.seq + 1, { target: undefined });
    if (isTooLarge && items > 1) {
      this.#task.maxBytes = bytes >> 1;
      return;
    }
    if (isTooLarge || blameFor(error) !== 'request') throw error;
    // An earlier attempt may have arrived in the meantime, and be why this one was refused.
    await this.#ask();
    const head = await this.head();
    if (head && progressOf(stateOf(head), items) === progressOf(before, items)) throw error;
  }

  /** Brings an answer into the store, unless sync's state of the task has moved on since `seq`; answers whether it did. */
  async #bringIn(remote: RemoteTask, seq: number, sent?: Sent): Promise<boolean> {
    const { port } = this.#context;
    let full: TaskRecord | undefined;
    for (;;) {
      let isOurs = false;
      let command: ReturnType<typeof absorb>;
      const decide = (head: TaskHead | undefined) => {
        isOurs = head !== undefined && stateOf(head).seq === seq;
        command = isOurs ? absorb(head as TaskHead, remote, port.environment.now(), sent, full) : undefined;
        return command === 'read' ? undefined : command;
      };
      await port.transact(this.#key, decide, { source: 'remote' });
      if (command !== 'read') return isOurs;
      full = await port.read(this.#key, selectAll);
    }
  }

  /** Writes fields of the state, if it is still at `seq`. */
  #note(seq: number, fields: Partial<SyncState>): Promise<boolean> {
    return note(this.#context.port, this.#key, (state) => {
      this.#assertFree(state);
      return state.seq === seq && [{ ...state, ...fields }];
    });
  }

  /** Outgoing tasks go whole, and may be sent again without harm. */
  async #pushWhole(): Promise<void> {
    const { port, transport, identity, signal } = this.#context;
    const key = this.#key;
    const at = port.environment.now();
    const record = await port.read(key, selectAll);
    if (!record) return;
    const { revision, agentUrl = '' } = record.head;
    const body = clientTaskBody(toStoredTask(record, {}).task, agentUrl, this.#callerId);
    assertSendable(body, key.taskId);
    const remote = await transport.upsertClientTask(body, { signal });
    await note(port, key, (state, head) => {
      assertRow(state, remote);
      const { pendingSince = at } = head;
      return [
        { ...state, rowId: remote.rowId, identity, unsure: undefined },
        head.revision === revision ? 0 : Math.max(pendingSince, at),
      ];
    });
  }

  /** A leader of a later term has written, or another context's request is out: this one must leave the task alone. */
  #assertFree({ term = 0, target }: SyncState): void {
    const { id, port, term: ours = term } = this.#context;
    const isClaimed = target && target.by !== id && target.until > port.environment.now();
    if (isClaimed || term > ours) throw new TaskStoreError('STORE_LOCKED', 'another tab pushes this task');
  }
}
