/**
 * Gives up what is not answered in time. One timer looks after all that is waited for, and is not touched when something
 * is answered: to set and clear one for each transaction costs a twentieth of a small write.
 */
import { TaskStoreError } from '../../core/errors.ts';

/** Answers `work`, or rejects with `STORE_TIMEOUT` where that takes too long; then `onTimeout` is called as well. */
export type Limit = <T>(work: Promise<T>, onTimeout: () => unknown) => Promise<T>;

export function limitOf(ms: number): Limit {
  /** Those that end first stand first, since all are given the same time. */
  const waits = new Set<readonly [until: number, giveUp: () => void]>();
  let isWatching = false;

  const watch = (left: number) => {
    isWatching = true;
    setTimeout(look, left);
  };
  const look = () => {
    isWatching = false;
    for (const wait of waits) {
      const left = wait[0] - performance.now();
      if (left > 0) return watch(left);
      waits.delete(wait);
      wait[1]();
    }
  };

  return (work, onTimeout) =>
    new Promise((resolve, reject) => {
      const giveUp = () => {
        reject(new TaskStoreError('STORE_TIMEOUT', `no answer within ${ms} ms`));
        onTimeout();
      };
      const wait = [performance.now() + ms, giveUp] as const;
      waits.add(wait);
      if (!isWatching) watch(ms);
      work.then(resolve, reject).finally(() => waits.delete(wait));
    });
}
