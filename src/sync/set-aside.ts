/** Tasks that the remote refuses, or that are another identity's: found, retried, given up. Any context may do it. */
import { TaskStoreError } from '../core/errors.ts';
import type { TaskHead, TaskKey } from '../core/head.ts';
import type { StorePort } from '../store-port.ts';
import type { BlockedTask } from '../task-store.ts';
import { isPushable } from './push.ts';
import { advance, markOf, type SyncState, stateOf, tailOf } from './state.ts';

export function errorOf(head: TaskHead, identity: string): TaskStoreError | undefined {
  const state = stateOf(head);
  const { taskId } = head.key;
  if (head.pendingSince === undefined || isPushable(head, identity)) return undefined;
  if (!state.blocked) return new TaskStoreError('CONFLICT', `these changes belong to ${state.identity}`, { taskId });
  const { code, message, ...details } = state.blocked;
  return new TaskStoreError(code, message, { ...details, taskId });
}

export async function listBlocked(port: StorePort, identity: string): Promise<BlockedTask[]> {
  let heads: readonly TaskHead[] = [];
  for (let limit = 1000; heads.length < limit; limit *= 4) {
    heads = await port.pending(limit);
    if (heads.length < limit) break;
  }
  return heads.flatMap((head) => {
    const error = errorOf(head, identity);
    const { taskId, callerId, taskType } = head.key;
    return error ? [{ taskId, ...(callerId !== undefined && { callerId }), taskType, error }] : [];
  });
}

/** Takes the task up again. Where the remote's side of it was in doubt, it is compared anew from the first item on. */
export function retry(port: StorePort, key: TaskKey, identity: string): Promise<unknown> {
  return change(port, key, (head, state) => {
    const other = !state.blocked && errorOf(head, identity);
    if (other) throw other;
    const isInDoubt = state.blocked?.code === 'CONFLICT' || state.blocked?.code === 'TASK_NOT_FOUND';
    const sync = isInDoubt ? { seq: state.seq + 1, identity, unsure: true } : advance(state, { blocked: undefined });
    return state.blocked && [sync as SyncState, head.pendingSince ?? port.environment.now()];
  });
}

/** What is pending of the task counts as settled. One that the remote has never had is tried whole at its next change. */
export function discard(port: StorePort, key: TaskKey, identity: string): Promise<unknown> {
  return change(port, key, (head, state) => {
    if (!errorOf(head, identity)) return undefined;
    if (state.rowId === undefined) return [{ seq: state.seq + 1, unsure: true } as SyncState, undefined];
    const settle = ({ local, remote, own }: SyncState['messages'], count: number) => ({
      local: count,
      remote,
      own: own + count - local,
    });
    const sync = advance(state, {
      messages: settle(state.messages, head.messageCount ?? 0),
      parts: (head.artifacts ?? []).map(({ partCount }, slot) => settle(tailOf(state, slot), partCount)),
      status: markOf(head.body.status),
      push: markOf(head.pushNotification),
      metadata: markOf(head.body.metadata),
      target: undefined,
      blocked: undefined,
    });
    return [sync, undefined];
  });
}

function change(
  port: StorePort,
  key: TaskKey,
  decide: (head: TaskHead, state: SyncState) => readonly [SyncState, pendingSince: number | undefined] | undefined,
): Promise<unknown> {
  return port.transact(key, (head) => {
    if (!head) throw new TaskStoreError('TASK_NOT_FOUND', 'there is no such task for this caller');
    const decided = decide(head, stateOf(head));
    return decided && { type: 'note', sync: { ...decided[0] }, pendingSince: decided[1] };
  });
}
