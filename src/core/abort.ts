/** Waiting that an abort signal may end. */

/** Who is to be told; each signal has one listener for all, since Node warns of more than ten. */
const listeners = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `then` when the signal is aborted, unless the returned function is called before. */
export function onAbort(signal: AbortSignal, then: () => void): () => void {
  const known = listeners.get(signal);
  const all = known ?? new Set();
  if (!known) {
    listeners.set(signal, all);
    signal.addEventListener('abort', () => {
      for (const tell of all) tell();
    });
  }
  all.add(then);
  return () => all.delete(then);
}

/** `work`, or the signal's reason if that comes first: beginning the work may have aborted it already. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    work.then(resolve, reject).finally(onAbort(signal, () => reject(signal.reason)));
  });
}
