/** One task on its way to the remote: plan, note the target, send, bring in the answer. */
import { TaskStoreError } from '../core/errors.ts';
import type { TaskHead, TaskKey } from '../core/head.ts';
import { selectAll, type TaskRecord } from '../core/record.ts';
import { assertSendable, encodeId, type RemoteTask } from '../elkar/wire.ts';
import { absorb, type Sent } from './absorb.ts';
import type { SyncContext } from './context.ts';
import { type Plan, plan, selectUnsent } from './plan.ts';
import { blameFor } from './schedule.ts';
import { errorOf, note, progressOf, readHead, remember, type SyncState, stateOf } from './state.ts';

/** A task on its way. */
export interface PushedTask {
  readonly key: TaskKey;
  /** What was halved when the remote said that it was too much. */
  maxBytes?: number;
  /** So many unsent items are read of each tail: few at first, since they may be large. */
  limit?: number;
}

/**
 * Makes one request, if something is to be pushed, and answers whether more is. Rejects with what the remote, or the
 * store, failed at.
 */
export async function pushStep(context: SyncContext, task: PushedTask): Promise<boolean | undefined> {
  const { port, identity } = context;
  const { key } = task;
  const head = await readHead(port, key);
  if (head?.pendingSince === undefined || errorOf(head, identity)) return undefined;
  const state = stateOf(head);
  assertFree(context, state);
  // What goes whole may go again.
  const isInDoubt = key.taskType === 'incoming' && (state.unsure || state.target);
  await (isInDoubt ? ask(context, key) : pushNext(context, task));
  return (await readHead(port, key))?.pendingSince !== undefined;
}

/** Asks the remote what it has, and brings in what is new there; answers whether nothing came between. */
export async function ask(context: SyncContext, key: TaskKey): Promise<boolean> {
  const head = await readHead(context.port, key);
  if (!head) return true;
  const { seq, rowId } = stateOf(head);
  try {
    return await bringIn(context, key, await get(context, key), seq);
  } catch (error) {
    if ((error as TaskStoreError).code !== 'TASK_NOT_FOUND' || rowId !== undefined) throw error;
    return noteAt(context, key, seq, { target: undefined, unsure: undefined });
  }
}

function get({ wire, signal, defaultCallerId }: SyncContext, key: TaskKey): Promise<RemoteTask> {
  const { taskId, taskType, callerId = defaultCallerId } = key;
  const route = taskType === 'incoming' ? '/tasks' : '/client-side/tasks';
  return wire.request({ route, taskId, query: `?caller_id=${encodeId(callerId)}`, signal });
}

async function pushNext(context: SyncContext, task: PushedTask): Promise<void> {
  const { port, identity, id, claimMs, wire, term, signal, defaultCallerId, maxRequestBytes } = context;
  const { key, limit = 128, maxBytes = maxRequestBytes } = task;
  const { taskId, callerId = defaultCallerId } = key;
  const at = port.environment.now();
  const record = await port.read(key, key.taskType === 'incoming' ? selectUnsent(limit) : selectAll);
  if (!record) return;
  const { head } = record;
  const state = stateOf(head);
  const { seq, uid = port.environment.newId() } = state;
  const next = plan(record, uid, callerId, maxBytes);
  if (!next) {
    await note(port, key, (state, now) => now.revision === head.revision && [{ ...state, target: undefined }, 0]);
    return;
  }
  const { body, route = '/tasks', items = 0 } = next;
  if (next.isHungry) task.limit = Math.min(4096, limit * 8);
  assertSendable(body, taskId);
  const target = { by: id, until: at + claimMs, unseen: next.unseen };
  const known = next.status ? remember(state.known, next.status) : state.known;
  if (!(await noteAt(context, key, seq, { target, known, uid, identity, term }))) return;
  try {
    const answer = await wire.request({ route, taskId: next.isUpdate ? taskId : undefined, body, signal });
    await bringIn(context, key, answer, seq + 1, { head, at, items });
  } catch (error) {
    await afterRefusal(context, task, error as TaskStoreError, next, state);
  }
}

/** Throws `error` again, unless there is more to do. */
async function afterRefusal(
  context: SyncContext,
  task: PushedTask,
  error: TaskStoreError,
  { items = 0, bytes = 0 }: Plan,
  before: SyncState,
): Promise<void> {
  const { key } = task;
  const { code, status } = error;
  const isTooLarge = status === 413;
  // The remote has certainly not taken it, and need not be asked.
  if (isTooLarge || status === 429 || code === 'UNAUTHORIZED') {
    await noteAt(context, key, before.seq + 1, { target: undefined });
  }
  if (isTooLarge && items > 1) task.maxBytes = bytes >> 1;
  else if (isTooLarge || blameFor(error) !== 'request') throw error;
  else {
    // An earlier attempt may have arrived in the meantime, and be why this one was refused.
    await ask(context, key);
    const head = await readHead(context.port, key);
    if (head && progressOf(stateOf(head), items) === progressOf(before, items)) throw error;
  }
}

/** Brings an answer into the store, unless sync's state of the task has moved on since `seq`; answers whether it did. */
async function bringIn(
  { port }: SyncContext,
  key: TaskKey,
  remote: RemoteTask,
  seq: number,
  sent?: Sent,
): Promise<boolean> {
  let full: TaskRecord | undefined;
  for (;;) {
    let isOurs = false;
    let command: ReturnType<typeof absorb>;
    const decide = (head: TaskHead | undefined) => {
      isOurs = head !== undefined && stateOf(head).seq === seq;
      command = isOurs ? absorb(head as TaskHead, remote, port.environment.now(), sent, full) : undefined;
      return command === 'read' ? undefined : command;
    };
    await port.transact(key, decide, { source: 'remote' });
    if (command !== 'read') return isOurs;
    full = await port.read(key, selectAll);
  }
}

/** Writes fields of the state, if it is still at `seq`. */
function noteAt(context: SyncContext, key: TaskKey, seq: number, fields: Partial<SyncState>): Promise<boolean> {
  return note(context.port, key, (state) => {
    assertFree(context, state);
    return state.seq === seq && [{ ...state, ...fields }];
  });
}

/** A leader of a later term has written, or another context's request is out: this one must leave the task alone. */
function assertFree({ id, port, term: ours }: SyncContext, { term, target }: SyncState): void {
  const isClaimed = target && target.by !== id && target.until > port.environment.now();
  if (isClaimed || Number(term) > Number(ours)) throw new TaskStoreError('STORE_LOCKED', 'another tab pushes it');
}
