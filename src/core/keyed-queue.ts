/** Runs what belongs to one key in the order of the calls, one after the other; other keys do not wait. */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<void>>();

  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const tails = this.#tails;
    const result = (tails.get(key) ?? Promise.resolve()).then(work);
    const settle = () => {
      if (tails.get(key) === tail) tails.delete(key);
    };
    const tail = result.then(settle, settle);
    tails.set(key, tail);
    return result;
  }

  /** Resolves when all work asked for so far has ended. */
  async settle(): Promise<void> {
    await Promise.all(this.#tails.values());
  }
}
