/**
 * Which context pushes. Where there are Web Locks, the one that holds the lock, for as long as it lives; the others queue,
 * and a lock of a dead context passes on at once. Elsewhere every context leads: either nobody else has the storage open,
 * or the claim in each task's target keeps them apart (see `Target`).
 */

/** What sync needs of `navigator.locks`. */
export interface Locks {
  request(name: string, options: LockRequest, hold: () => unknown): Promise<unknown>;
}

export interface LockRequest {
  readonly steal?: boolean;
  readonly signal?: AbortSignal;
}

export interface Election {
  /** Takes the lead from a leader that does not answer. */
  steal(): void;
  stop(): void;
}

/** Calls `lead` when this context leads from now on, and `stepDown` when another has taken over. */
export function joinElection(locks: Locks, name: string, lead: () => void, stepDown: () => void): Election {
  const end = new AbortController();
  const { signal } = end;
  const requestLock = (options: LockRequest) => {
    let isLeading = false;
    const hold = () => {
      if (signal.aborted) return;
      isLeading = true;
      lead();
      return new Promise((resolve) => signal.addEventListener('abort', resolve));
    };
    locks.request(name, options, hold).catch(() => {
      // Stolen, or stopped while queueing.
      if (!isLeading) return;
      stepDown();
      requestLock({ signal });
    });
  };
  requestLock({ signal });
  return { steal: () => requestLock({ steal: true }), stop: () => end.abort() };
}
