/** When to try again. Pure. */
import type { TaskStoreError } from '../core/errors.ts';

/** How a remote, or one task, has fared: `failures` in a row, and not to be tried before `until` (ms since 1970). */
export interface Backoff {
  readonly failures: number;
  readonly until: number;
  /** The remote named the time itself, so that a network coming back does not end it. */
  readonly isDemanded: boolean;
}

export const calm: Backoff = { failures: 0, until: 0, isDemanded: false };

export interface BackoffLimits {
  /** Of the first wait, in ms; each failure in a row doubles it. */
  readonly baseMs: number;
  /** Of any wait, also of one that the remote asks for. */
  readonly capMs: number;
}

/** Full jitter: anything up to the doubled limit, but no less than what the remote asked for, and never over the cap. */
export function afterFailure(
  { failures }: Backoff,
  error: TaskStoreError,
  now: number,
  random: () => number,
  { baseMs, capMs }: BackoffLimits,
): Backoff {
  const jitter = random() * Math.min(capMs, baseMs * 2 ** Math.min(failures, 40));
  const demanded = error.retryAfterMs ?? 0;
  const delay = Math.min(capMs, Math.max(jitter, demanded));
  return { failures: failures + 1, until: now + delay, isDemanded: demanded > jitter };
}

/** Whom a failure speaks of: the key, the remote as a whole, this task for now, or this task for good. */
export type Blame = 'key' | 'remote' | 'task' | 'request';

const settled: ReadonlySet<string> = new Set(['REMOTE_REJECTED', 'CONFLICT', 'TASK_NOT_FOUND', 'INVALID_ARGUMENT']);

export function blameFor({ code, status }: TaskStoreError): Blame {
  if (code === 'UNAUTHORIZED') return 'key';
  if (settled.has(code)) return 'request';
  // A server that fails at one task with 500 may well take the others; so may a store that cannot be written.
  return code === 'REMOTE_UNREACHABLE' && status !== 500 ? 'remote' : 'task';
}
