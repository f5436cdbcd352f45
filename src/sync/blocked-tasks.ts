/** Tasks that the remote refuses, or that are another identity's: found, retried, given up. Any context may do it. */
import { countsOf, type TaskKey } from '../core/head.ts';
import type { BlockedTask } from '../task-store.ts';
import type { SyncContext } from './context.ts';
import { blockingError, conflictOf, digestOf, nothingAcked, type SyncState, unseenOf, updateState } from './state.ts';

export async function listBlocked({ backend, identity, run }: SyncContext): Promise<BlockedTask[]> {
  // More than any store has.
  const heads = await run('blocked', undefined, () => backend.pending(2 ** 31));
  const blocked = heads.map((head) => ({ ...head.key, error: blockingError(head, identity) }));
  return blocked.filter(({ error }) => error) as BlockedTask[];
}

/** Takes the task up again. Where the remote's side of it was in doubt, it is compared anew from the first item on. */
export function retry(context: SyncContext, key: TaskKey): ReturnType<typeof updateState> {
  return updateState(context, key, (state, head) => {
    const { blocked } = state;
    const error = conflictOf(head, context.identity);
    if (error) throw error;
    return (
      blocked && [
        blocked.code === 'REMOTE_REJECTED'
          ? { ...state, blocked: undefined }
          : { ...anew(state), identity: context.identity },
      ]
    );
  });
}

/** What is pending of the task counts as settled. One that this remote has never had is tried whole at its next change. */
export function discard(context: SyncContext, key: TaskKey): ReturnType<typeof updateState> {
  return updateState(context, key, (state, head) => {
    const { identity } = context;
    if (!blockingError(head, identity)) return undefined;
    const { identity: owner = identity, rowId, replacedAt, uid, blocked } = state;
    if (owner !== identity) return [anew(state), 0];
    const former = uid ? [...(state.former ?? []), `${uid}.`].slice(-8) : state.former;
    // One that cannot be combined with what the remote has was compared with it, though its row is not known here.
    if (!(rowId ?? blocked?.code === 'CONFLICT')) {
      // Where a request may still be out, it is this identity's that may have arrived.
      return [{ ...anew(state), identity: former && identity, former }, 0];
    }
    const given = { ...state, former, target: undefined, blocked: undefined, replacedAt: undefined };
    // What the remote has of it whole is what was taken last.
    if (key.taskType === 'outgoing') return [given, 0];
    const status = digestOf(head.body.status);
    const next: SyncState = {
      ...given,
      tails: countsOf(head).map((local, n) => ({ ...nothingAcked, ...state.tails[n], local })),
      status: rowId && status,
      known: state.known?.map(({ print }) => ({ print, mark: status })),
      unseen: unseenOf(head),
      // After a replacement the remote says how much its artifacts hold.
      unsure: replacedAt || !rowId ? true : undefined,
    };
    return [next, 0];
  });
}

/** Nothing is known of the remote's side any more, not even whether there is one. */
function anew({ seq }: SyncState): SyncState {
  return { seq, tails: [], unsure: true };
}
