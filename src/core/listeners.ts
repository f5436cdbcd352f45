import { callable, check } from './shape.ts';

/** Those who want to be told of something. */
export class Listeners<T> {
  readonly #listeners = new Set<(news: T) => void>();

  get size(): number {
    return this.#listeners.size;
  }

  /** Ends with the returned function. */
  add(listener: (news: T) => void): () => void {
    check(callable, listener);
    // A wrapper of its own for each call, so that one function added twice is told twice and ends twice.
    const own = (news: T) => listener(news);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** Errors of a listener are reported as uncaught, not thrown into the call that made the news. */
  tell(news: T): void {
    // A listener may add others, which are told of the next news, or take some away.
    for (const listener of [...this.#listeners]) {
      try {
        if (this.#listeners.has(listener)) listener(news);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}
