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

/** Answers `work`, or rejects with `STORE_TIMEOUT` where that takes too long; then `onTimeout` is called as well. */
export type WithDeadline = <T>(work: Promise<T>, onTimeout: () => unknown) => Promise<T>;

export function createDeadline(ms: number): WithDeadline {
  /** How to give up on each, and when. Those that end first stand first, since all are given the same time. */
  const waits = new Map<() => void, number>();
  let isWatching = false;
  const watch = (): void => {
    for (const [giveUp, until] of waits) {
      const left = until - performance.now();
      isWatching = left > 0;
      if (isWatching) {
        setTimeout(watch, Math.min(left, LONGEST_MS));
        return;
      }
      waits.delete(giveUp);
      setTimeout(giveUp, GRACE_MS);
    }
    isWatching = false;
  };
  return (work, onTimeout) =>
    new Promise((resolve, reject) => {
      let isAnswered = false;
      const giveUp = () => {
        if (isAnswered) return;
        reject(new TaskStoreError('STORE_TIMEOUT', `no answer within ${ms} ms`));
        onTimeout();
      };
      waits.set(giveUp, performance.now() + ms);
      if (!isWatching) watch();
      work.then(resolve, reject).finally(() => {
        isAnswered = true;
        waits.delete(giveUp);
      });
    });
}
