/** One task on its way to the remote: plan, note the target, send, bring in the answer. */
import { TaskStoreError } from '../core/errors.ts';
import type { TaskHead, TaskKey } from '../core/head.ts';
import { selectAll, type TaskRecord } from '../core/record.ts';
import { assertSendable, encodeId } from '../elkar/wire.ts';
import type { WireRequest } from '../elkar/wire-request.ts';
import { failureScope } from './backoff.ts';
import type { SyncContext } from './context.ts';
import { plan, selectUnsent } from './plan.ts';
import { reconcile, type Sent } from './reconcile.ts';
import { blockingError, type DecideUpdate, progressOf, type SyncState, stateOf, updateState } from './state.ts';

/** A task on its way. */
export interface PushedTask {
  readonly key: TaskKey;
  /** How large a request of it may get; halved where the remote says that one was too much. */
  maxBytes: number;
  /** So many unsent items are read of each tail: few at first, since they may be large. */
  limit: number;
}

/**
 * Makes one request, if something is to be pushed. Answers the head after it; undefined: the task is gone, or another wrote
 * meanwhile. Rejects with what the remote, or the store, failed at.
 */
export async function pushStep(context: SyncContext, task: PushedTask): Promise<TaskHead | undefined> {
  const { key, limit } = task;
  const isIncoming = key.taskType === 'incoming';
  // What is not in the record was changed later.
  const at = context.now();
  const record = await context.backend.read(key, isIncoming ? selectUnsent(limit) : selectAll);
  if (!record) return undefined;
  const { head } = record;
  if (head.pendingSince === undefined || blockingError(head, context.identity)) return head;
  const state = stateOf(head);
  assertMayWrite(context, state);
  // Outgoing tasks may be resent.
  const isInDoubt = isIncoming && (state.unsure || state.target);
  return isInDoubt ? pullTask(context, head) : pushNext(context, task, record, at);
}

/** Asks the remote what it has, and reconciles; answers as `pushStep`. Outside of a term, targets stay open. */
export async function pullTask(context: SyncContext, head: TaskHead): Promise<TaskHead | undefined> {
  const { taskId, taskType } = head.key;
  const route = taskType === 'incoming' ? '/tasks' : '/client-side/tasks';
  try {
    return await sendAndReconcile(context, head, {
      route,
      taskId,
      query: `?caller_id=${encodeId(callerOf(context, head.key))}`,
    });
  } catch (error) {
    if ((error as TaskStoreError).code !== 'TASK_NOT_FOUND' || stateOf(head).rowId) throw error;
    if (context.term === undefined) return head;
    // Even after a discard, all is sent.
    return setFields(context, head, { target: undefined, unsure: undefined, tails: [] });
  }
}

async function pushNext(
  context: SyncContext,
  task: PushedTask,
  record: TaskRecord,
  at: number,
): Promise<TaskHead | undefined> {
  const { identity, term } = context;
  const { head } = record;
  const { key } = head;
  const state = stateOf(head);
  const { uid = context.newId() } = state;
  const next = plan(record, uid, callerOf(context, key), task.maxBytes);
  if (!next) {
    const clearTarget: DecideUpdate = (state, now) =>
      now.revision === head.revision && [{ ...state, target: undefined }, 0];
    return compareAndSet(context, head, clearTarget);
  }
  const { request, known, unseen, items = 1, bytes = 0 } = next;
  if (next.hasRoom) task.limit = Math.min(4096, task.limit * 8);
  assertSendable(request.body, key.taskId);
  const target = { by: context.id, until: at + context.claimMs, unseen };
  const headWithTarget = await setFields(context, head, { target, known, uid, identity, term, replacedAt: undefined });
  if (!headWithTarget) return undefined;
  try {
    return await sendAndReconcile(context, headWithTarget, request, { head, at });
  } catch (cause) {
    const { status, code } = cause as TaskStoreError;
    const isTooLarge = status === 413;
    // The remote has certainly not taken it, and need not be asked.
    const isNotTaken = isTooLarge || status === 429 || code === 'UNAUTHORIZED';
    // Where this write fails, the next push asks the remote; `cause` matters more than that.
    const after = isNotTaken
      ? await setFields(context, headWithTarget, { target: undefined }).catch(() => undefined)
      : undefined;
    if (isTooLarge && items > 1) {
      task.maxBytes = bytes >> 1;
      return after;
    }
    if (isTooLarge || failureScope(cause as TaskStoreError) !== 'request') throw cause;
    // An earlier attempt may have arrived in the meantime, and be why this one was refused.
    const asked = await pullTask(context, headWithTarget);
    if (asked && progressOf(stateOf(asked)) === progressOf(state)) throw cause;
    return asked;
  }
}

/** Who calls, on the remote. */
function callerOf({ defaultCallerId }: SyncContext, { callerId }: TaskKey): string {
  if (callerId === defaultCallerId) throw new TaskStoreError('REMOTE_REJECTED', `"${callerId}" stands for no caller`);
  return callerId ?? defaultCallerId;
}

/**
 * One request, its answer brought into the store, unless sync's state of the task has moved on since `head`; answers as
 * `pushStep`.
 */
async function sendAndReconcile(
  context: SyncContext,
  head: TaskHead,
  request: WireRequest,
  sent?: Sent,
): Promise<TaskHead | undefined> {
  const remote = await context.wire.request({ ...request, signal: context.signal });
  if (remote.task.id !== head.key.taskId) {
    // The others may well be answered rightly.
    throw new TaskStoreError('IO_ERROR', 'the answer is of another task');
  }
  context.onAnswer();
  return compareAndSet(context, head, (_, now, full) =>
    reconcile(now, remote, context.now(), sent, full, context.term === undefined),
  );
}

function setFields(context: SyncContext, head: TaskHead, fields: Partial<SyncState>) {
  return compareAndSet(context, head, ifMayWrite(context, fields));
}

/** Sets these fields where no other context has the task. */
export function ifMayWrite(context: SyncContext, fields: Partial<SyncState>): DecideUpdate {
  return (state) => {
    assertMayWrite(context, state);
    return [{ ...state, ...fields }];
  };
}

/** Writes what `decide` answers, if sync's state of the task is still as in `head`, and the task the same; undefined: it is not. */
async function compareAndSet(context: SyncContext, head: TaskHead, decide: DecideUpdate) {
  const before = stateOf(head);
  let isOurs = false;
  const after = await updateState(context, head.key, (state, now, full) => {
    isOurs = state.seq === before.seq && state.replacedAt === before.replacedAt && now.createdAt === head.createdAt;
    return isOurs && decide(state, now, full);
  });
  return isOurs ? after : undefined;
}

/**
 * A leader of a later term has written, or another context's request is out: this one must leave the task alone. A claim
 * that lasts longer than one can was made before the clock was set back.
 */
function assertMayWrite({ id, now, claimMs, term: ours }: SyncContext, { term, target }: SyncState): void {
  const left = target && target.by !== id ? target.until - now() : 0;
  const isClaimed = left > 0 && left <= claimMs;
  if (isClaimed || Number(term) > Number(ours)) throw new TaskStoreError('STORE_LOCKED', 'another tab has it');
}
