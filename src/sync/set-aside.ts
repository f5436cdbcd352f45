/** Tasks that the remote refuses, or that are another identity's: found, retried, given up. Any context may do it. */
import { countsOf, type TaskKey } from '../core/head.ts';
import type { StorePort } from '../store-port.ts';
import type { BlockedTask } from '../task-store.ts';
import { errorOf, foreignError, markOf, note, type SyncState, start, unseenOf } from './state.ts';

/** More heads than any store has. */
const ALL = 2 ** 31;

export async function listBlocked(port: StorePort, identity: string): Promise<BlockedTask[]> {
  const blocked = (await port.pending(ALL)).map((head) => ({ ...head.key, error: errorOf(head, identity) }));
  return blocked.filter(({ error }) => error) as BlockedTask[];
}

/** Takes the task up again. Where the remote's side of it was in doubt, it is compared anew from the first item on. */
export function retry(port: StorePort, key: TaskKey, identity: string): Promise<unknown> {
  return note(port, key, (state, head) => {
    const { blocked } = state;
    const error = foreignError(head, identity);
    if (error) throw error;
    return (
      blocked && [blocked.code === 'REMOTE_REJECTED' ? { ...state, blocked: undefined } : { ...anew(state), identity }]
    );
  });
}

/** What is pending of the task counts as settled. One that this remote has never had is tried whole at its next change. */
export function discard(port: StorePort, key: TaskKey, identity: string): Promise<unknown> {
  return note(port, key, (state, head) => {
    if (!errorOf(head, identity)) return undefined;
    if (!state.blocked || state.rowId === undefined) return [anew(state), 0];
    const status = markOf(head.body.status);
    const tails = countsOf(head).map((count, n) => {
      const { local, remote, own } = state.tails[n] ?? start;
      // Numbers of ops are never given again.
      return { local: count, remote, own: own + Math.max(0, count - local) };
    });
    const known = state.known?.map((known) => ({ ...known, mark: status }));
    const settled = { target: undefined, blocked: undefined, isReplaced: undefined };
    return [{ ...state, tails, status, known, unseen: unseenOf(head), ...settled }, 0];
  });
}

/** Nothing is known of the remote's side any more, not even whether there is one. */
function anew({ seq }: SyncState): SyncState {
  return { seq, tails: [], unsure: true };
}
