/** When to try again. Pure. */
import type { TaskStoreError } from '../core/errors.ts';

/** Of the first wait, in ms; each failure in a row doubles it. */
const BASE_MS = 500;

/**
 * How long to wait after so many failures in a row: anything up to the doubled limit (full jitter), but no less than what
 * the remote asked for, and never over the cap. What another tab has claimed may be free at any moment: its waits do not grow.
 */
export function backoffDelay(
  failures: number,
  { code, retryAfterMs = 0 }: TaskStoreError,
  random: number,
  capMs: number,
) {
  const limit = code === 'STORE_LOCKED' ? BASE_MS : BASE_MS * 2 ** failures;
  const jitter = random * Math.min(capMs, limit);
  return {
    ms: Math.min(capMs, Math.max(jitter, retryAfterMs)),
    /** The remote named the time itself, so that a network coming back does not end it. */
    isRetryAfter: retryAfterMs > jitter,
  };
}

/** Whom a failure speaks of: the key, the remote as a whole, this task for now, or this task for good. */
type FailureScope = 'key' | 'remote' | 'task' | 'request';

export function failureScope({ code, status }: TaskStoreError): FailureScope {
  // Without a status it is the `apiKey` function that failed, maybe for want of a network.
  if (code === 'UNAUTHORIZED') return status ? 'key' : 'remote';
  if (['REMOTE_REJECTED', 'CONFLICT', 'TASK_NOT_FOUND', 'INVALID_ARGUMENT'].includes(code)) return 'request';
  // A server that fails at one task with 500 may well take the others; so may a store that cannot be written.
  return code === 'REMOTE_UNREACHABLE' && status !== 500 ? 'remote' : 'task';
}
