/** Waiting until the remote has what was stored when the wait began. Holds no state: the store itself knows what is pending. */
import { LONGEST_MS, withDeadline } from '../core/deadline.ts';
import { TaskStoreError } from '../core/errors.ts';
import type { TaskHead } from '../core/head.ts';
import { checkedKey } from '../core/task-shapes.ts';
import type { FlushOptions, SyncStatus } from '../task-store.ts';
import { failureScope } from './backoff.ts';
import type { SyncContext } from './context.ts';
import { blockingError, readHead } from './state.ts';

/** While much is under way, what is left is looked for no more often than this, in ms. */
const LOOK_MS = 500;

/**
 * `nextChange` resolves when something may have changed; `sync` tells how it stands then. Once it is `ready`, the tasks
 * that were here before it are pending.
 */
export function flush(
  context: SyncContext,
  options: FlushOptions,
  sync: { readonly status: SyncStatus; readonly ready: Promise<void> | undefined },
  nextChange: () => Promise<void>,
): Promise<void> {
  const { now } = context;
  const { taskId, signal, timeoutMs = LONGEST_MS } = options;
  const key = taskId === undefined ? undefined : checkedKey(taskId, options);
  let since: number | undefined;
  let lookedAt = 0;
  const waitUntilPushed = async (end: AbortSignal) => {
    await sync.ready;
    while (!end.aborted) {
      const change = nextChange();
      const { state } = sync.status;
      if (state === 'stopped') throw syncEndedError();
      if (key || state !== 'pushing' || now() - lookedAt > LOOK_MS) {
        lookedAt = now();
        const heads = key ? [await readHead(context, key)] : await context.backend.pending(1000);
        // What is pending already may bear a later time, of a clock that was set back.
        const until = (since ??= Math.max(now(), ...heads.map((head) => head?.pendingSince ?? 0)));
        const left = heads.filter((head) => (head?.pendingSince as number) <= until) as TaskHead[];
        const errors = left.map((head) => blockingError(head, context.identity));
        if (errors.length === 0) return;
        // Tasks that were set aside keep nobody waiting while others are on their way.
        if (errors.every(Boolean)) throw errors[0];
      }
      if (isKeyRefused(sync.status)) throw sync.status.lastError;
      await change;
    }
  };
  const late = () =>
    new TaskStoreError('REMOTE_UNREACHABLE', 'not all reached the remote in time', { cause: sync.status.lastError });
  return withDeadline(waitUntilPushed, timeoutMs, late, signal, context.later);
}

/** Sync waits for a new key; `lastError` says so, and that it was the remote's word. */
export function isKeyRefused({ state, lastError }: SyncStatus): boolean {
  return state === 'paused' && failureScope(Object(lastError)) === 'key';
}

export function syncEndedError(): TaskStoreError {
  return new TaskStoreError('STORE_CLOSED', 'sync has ended');
}
