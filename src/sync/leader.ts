/**
 * Which context pushes. Where there are Web Locks, the one that holds the lock, for as long as it lives; the others queue,
 * and a lock of a dead context passes on at once. Elsewhere every context leads: either nobody else has the storage open,
 * or the claim in each task's target keeps them apart (see `Target`).
 */

/** What sync needs of `navigator.locks`. */
export type Locks = Pick<LockManager, 'request'>;

export interface Candidate {
  /** This context leads from now on. */
  lead(): void;
  /** Another context has taken over. */
  yield(): void;
}

export interface Election {
  /** Takes the lead from a leader that does not answer. */
  steal(): void;
  stop(): void;
}

export function everyoneLeads(candidate: Candidate): Election {
  candidate.lead();
  return { steal() {}, stop() {} };
}

export function electByLock(locks: Locks, name: string, candidate: Candidate): Election {
  const end = new AbortController();
  let release = () => {};

  const hold = () => {
    if (end.signal.aborted) return;
    candidate.lead();
    return new Promise<void>((resolve) => {
      release = resolve;
    });
  };
  const stand = (options: LockOptions) => {
    let wasLeading = false;
    const holding = () => {
      wasLeading = true;
      return hold();
    };
    locks.request(name, options, holding).catch(() => {
      // Stolen, or stopped while queueing.
      if (wasLeading) candidate.yield();
      if (wasLeading && !end.signal.aborted) stand({ signal: end.signal });
    });
  };
  stand({ signal: end.signal });
  return {
    steal: () => stand({ steal: true }),
    stop() {
      end.abort();
      release();
    },
  };
}
