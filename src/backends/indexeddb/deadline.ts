/**
 * Gives up what is not answered in time. One timer looks after all that is waited for, and is not touched when something
 * is answered: to set and clear one for each transaction costs a twentieth of a small write.
 */
import { TaskStoreError } from '../../core/errors.ts';

interface Wait {
  readonly until: number;
  readonly giveUp: () => void;
}

export class Deadline {
  readonly #ms: number;
  /** Those that end first stand first, since all are given the same time. */
  readonly #waits = new Set<Wait>();
  #isWatching = false;

  constructor(ms: number) {
    this.#ms = ms;
  }

  /** `work`, or `STORE_TIMEOUT` where that takes too long; then `onTimeout` is called as well. */
  limit<T>(work: Promise<T>, onTimeout: () => unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        reject(new TaskStoreError('STORE_TIMEOUT', `no answer within ${this.#ms} ms`));
        onTimeout();
      };
      const wait = { until: performance.now() + this.#ms, giveUp };
      this.#waits.add(wait);
      if (!this.#isWatching) this.#watch(this.#ms);
      work.then(resolve, reject).finally(() => this.#waits.delete(wait));
    });
  }

  #watch(ms: number): void {
    this.#isWatching = true;
    setTimeout(() => {
      this.#isWatching = false;
      for (const wait of this.#waits) {
        const left = wait.until - performance.now();
        if (left > 0) {
          this.#watch(left);
          return;
        }
        this.#waits.delete(wait);
        wait.giveUp();
      }
    }, ms);
  }
}
