/** Work that ends in time. */
import { onAbort, untilAborted } from './abort.ts';

/** Calls `then` after so many ms, unless the returned function is called before. */
export type Later = (ms: number, then: () => void, isWaitedFor?: boolean) => () => void;

/** A timer cannot wait longer, in ms: it would not wait at all. */
export const LONGEST_MS = 2 ** 31 - 1;

/** By the platform's timer, which keeps the process from ending where somebody waits for it. */
export const later: Later = (ms, then, isWaitedFor) => {
  const timer = setTimeout(then, Math.min(ms, LONGEST_MS));
  if (!isWaitedFor) (timer as { unref?: () => void }).unref?.();
  return () => clearTimeout(timer);
};

/** `work`, unless `signal` is aborted before, or so many ms pass: then what `late` answers is thrown. Either ends its signal. */
export async function withDeadline<T>(
  work: (signal: AbortSignal) => Promise<T>,
  ms: number,
  late: () => unknown,
  signal: AbortSignal | undefined,
  after = later,
): Promise<T> {
  signal?.throwIfAborted();
  const end = new AbortController();
  const ignore = signal && onAbort(signal, () => end.abort(signal.reason));
  const cancel = after(ms, () => end.abort(late()), true);
  try {
    // Raced, since what the user gave (a function for the key, a `fetch`) need not heed the signal.
    return await untilAborted(work(end.signal), end.signal);
  } finally {
    cancel();
    ignore?.();
  }
}
