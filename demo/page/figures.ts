/** Measures the store while it is used: appends a second, and how long the last one took. */
import type { TaskStore } from 'holdfast';

const WINDOW_MS = 3_000;

export class Figures {
  /** When the last writes ended. */
  #ends: number[] = [];
  lastMs: number | undefined;
  total = 0;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Over the last seconds; of a burst shorter than that, over its own time. */
  get perSecond(): number {
    const now = this.#now();
    this.#ends = this.#ends.filter((end) => end > now - WINDOW_MS);
    const [first] = this.#ends;
    if (first === undefined) return 0;
    return this.#ends.length / (Math.max(now - first, 1_000) / 1_000);
  }

  /** The same store; its writes are timed. */
  measure<S extends TaskStore>(store: S): S {
    const time = async <T>(write: Promise<T>): Promise<T> => {
      const began = this.#now();
      const answer = await write;
      const end = this.#now();
      this.lastMs = end - began;
      this.total++;
      this.#ends.push(end);
      return answer;
    };
    const timed: Partial<TaskStore> = {
      upsertTask: (...args) => time(store.upsertTask(...args)),
      updateTask: (...args) => time(store.updateTask(...args)),
    };
    return new Proxy(store, {
      get(target, name) {
        const value = Reflect.get(timed, name) ?? Reflect.get(target, name, target);
        // Private fields are the target's.
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }
}
