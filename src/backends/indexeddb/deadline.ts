/**
 * Gives up what is not answered in time. One timer looks after all that is waited for, and is not touched when something
 * is answered: to set and clear one for each transaction costs a twentieth of a small write.
 */
import { LONGEST_MS } from '../../core/deadline.ts';
import { TaskStoreError } from '../../core/errors.ts';

/**
 * So long after its time each is still listened for: where the page stood still (it was frozen, or busy), answers that came
 * meanwhile are delivered after the timer.
 */
const GRACE_MS = 100;

/**
 * How to give up on each that is waited for, and when that is done with `STORE_TIMEOUT`. Those that end first stand first,
 * since all are given the same time.
 */
export type Waits = Map<(error?: unknown) => void, number>;

/** Answers `work`, or rejects where it is given up; then `onGivenUp` is called as well. */
export type WithDeadline = <T>(work: Promise<T>, onGivenUp: () => unknown) => Promise<T>;

export function createDeadline(ms: number, waits: Waits): WithDeadline {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const watch = (): void => {
    for (const [giveUp, until] of waits) {
      const left = until - performance.now();
      if (left > 0) {
        timer = setTimeout(watch, Math.min(left, LONGEST_MS));
        return;
      }
      waits.delete(giveUp);
      setTimeout(giveUp, GRACE_MS, new TaskStoreError('STORE_TIMEOUT', `no answer within ${ms} ms`));
    }
    timer = undefined;
  };
  return (work, onGivenUp) =>
    new Promise((resolve, reject) => {
      let isAnswered = false;
      const giveUp = (error?: unknown) => {
        if (isAnswered) return;
        isAnswered = true;
        waits.delete(giveUp);
        reject(error);
        onGivenUp();
      };
      waits.set(giveUp, performance.now() + ms);
      if (!timer) watch();
      work.then(resolve, reject).finally(() => {
        isAnswered = true;
        waits.delete(giveUp);
      });
    });
}
