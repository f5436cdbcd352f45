/** One task on its way to the remote: plan, note the target, send, bring in the answer. */
import { TaskStoreError } from '../core/errors.ts';
import type { TaskHead, TaskKey } from '../core/head.ts';
import { type SelectRange, selectAll, selectNothing, type TaskRecord } from '../core/record.ts';
import { assertSendable, encodeId } from '../elkar/wire.ts';
import type { WireRequest } from '../elkar/wire-request.ts';
import { absorb, type Sent } from './absorb.ts';
import type { SyncContext } from './context.ts';
import { plan, selectUnsent } from './plan.ts';
import { blameFor } from './schedule.ts';
import { type Decide, errorOf, type Note, note, progressOf, type SyncState, stateOf } from './state.ts';

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
  if (head.pendingSince === undefined || errorOf(head, context.identity)) return head;
  const state = stateOf(head);
  assertFree(context, state);
  // What goes whole may go again.
  const isInDoubt = isIncoming && (state.unsure || state.target);
  return isInDoubt ? ask(context, head) : pushNext(context, task, record, at);
}

/** Asks the remote what it has, and brings in what is new there; answers as `pushStep`. Outside of a term, what is sent stays in doubt. */
export async function ask(context: SyncContext, head: TaskHead): Promise<TaskHead | undefined> {
  const { taskId, taskType } = head.key;
  const route = taskType === 'incoming' ? '/tasks' : '/client-side/tasks';
  try {
    return await exchange(context, head, {
      route,
      taskId,
      query: `?caller_id=${encodeId(callerOf(context, head.key))}`,
    });
  } catch (error) {
    if ((error as TaskStoreError).code !== 'TASK_NOT_FOUND' || stateOf(head).rowId !== undefined) throw error;
    // Given up or not, all of it is to go up.
    const none = { target: undefined, unsure: undefined, tails: [] };
    return context.term === undefined ? head : noteFields(context, head, none);
  }
}

async function pushNext(
  context: SyncContext,
  task: PushedTask,
  record: TaskRecord,
  at: number,
): Promise<TaskHead | undefined> {
  const { identity, id, claimMs, term, newId } = context;
  const { key, limit, maxBytes } = task;
  const { taskId } = key;
  const { head } = record;
  const state = stateOf(head);
  const { uid = newId() } = state;
  const next = plan(record, uid, callerOf(context, key), maxBytes);
  if (!next) {
    const settle: Decide = (state, now) => now.revision === head.revision && [{ ...state, target: undefined }, 0];
    return (await noteAt(context, head, settle))?.head;
  }
  const { request, known, unseen, items = 1, bytes = 0 } = next;
  if (next.isHungry) task.limit = Math.min(4096, limit * 8);
  assertSendable(request.body, taskId);
  const target = { by: id, until: at + claimMs, unseen };
  const noted = await noteFields(context, head, { target, known, uid, identity, term, replacedAt: undefined });
  if (!noted) return undefined;
  try {
    return await exchange(context, noted, request, { head, at });
  } catch (cause) {
    const { status, code } = cause as TaskStoreError;
    const isTooLarge = status === 413;
    // The remote has certainly not taken it, and need not be asked.
    const isNotTaken = isTooLarge || status === 429 || code === 'UNAUTHORIZED';
    // Where that cannot be noted it is asked all the same; what the remote wants is to be heard.
    const after = isNotTaken
      ? await noteFields(context, noted, { target: undefined }).catch(() => undefined)
      : undefined;
    if (isTooLarge && items > 1) {
      task.maxBytes = bytes >> 1;
      return after;
    }
    if (isTooLarge || blameFor(cause as TaskStoreError) !== 'request') throw cause;
    // An earlier attempt may have arrived in the meantime, and be why this one was refused.
    const asked = await ask(context, noted);
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
async function exchange(
  context: SyncContext,
  head: TaskHead,
  request: WireRequest,
  sent?: Sent,
): Promise<TaskHead | undefined> {
  const { wire, signal, onAnswer, term } = context;
  const remote = await wire.request({ ...request, signal });
  if (remote.task.id !== head.key.taskId) {
    // The others may well be answered rightly.
    throw new TaskStoreError('IO_ERROR', 'the answer is of another task');
  }
  onAnswer();
  for (let full: TaskRecord | undefined; ; ) {
    let news: Note | 'read' | undefined;
    const decide: Decide = (_, now) => {
      news = absorb(now, remote, context.now(), sent, full, term === undefined);
      return news !== 'read' && news;
    };
    const select: SelectRange = (now) => (news === 'read' ? selectAll : selectNothing)(now);
    full = await noteAt(context, head, decide, select);
    if (news !== 'read') return full?.head;
  }
}

async function noteFields(context: SyncContext, head: TaskHead, fields: Partial<SyncState>) {
  return (await noteAt(context, head, ifFree(context, fields)))?.head;
}

/** Sets these fields where no other context has the task. */
export function ifFree(context: SyncContext, fields: Partial<SyncState>): Decide {
  return (state) => {
    assertFree(context, state);
    return [{ ...state, ...fields }];
  };
}

/** Writes what `decide` answers, if sync's state of the task is still as in `head`, and the task the same; undefined: it is not. */
async function noteAt(context: SyncContext, head: TaskHead, decide: Decide, select?: SelectRange) {
  const before = stateOf(head);
  let isOurs = false;
  const decideOurs: Decide = (state, now) => {
    isOurs = state.seq === before.seq && state.replacedAt === before.replacedAt;
    return isOurs && decide(state, now);
  };
  const { record } = await note(context, head.key, decideOurs, select);
  return isOurs ? record : undefined;
}

/**
 * A leader of a later term has written, or another context's request is out: this one must leave the task alone. A claim
 * that lasts longer than one can was made before the clock was set back.
 */
function assertFree({ id, now, claimMs, term: ours }: SyncContext, { term, target }: SyncState): void {
  const left = target && target.by !== id ? target.until - now() : 0;
  const isClaimed = left > 0 && left <= claimMs;
  if (isClaimed || Number(term) > Number(ours)) throw new TaskStoreError('STORE_LOCKED', 'another tab has it');
}
