import { untilAborted } from '../core/abort.ts';

/** Work on one subject at a time, in the order in which it was asked for; different subjects do not wait for each other. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** An aborted `signal` ends the wait; work under way is its own to abort. */
  take<T>(subject: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(subject);
    const turn = before ? before.then(() => begin(signal, work)) : begin(signal, work);
    const done = turn.then(
      () => {},
      () => {},
    );
    this.#last.set(subject, done);
    void done.then(() => {
      if (this.#last.get(subject) === done) this.#last.delete(subject);
    });
    return before && signal ? untilAborted(turn, signal) : turn;
  }

  /** Resolves when all work asked for so far has ended. */
  async settle(): Promise<void> {
    await Promise.all(this.#last.values());
  }
}

async function begin<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  signal?.throwIfAborted();
  return work();
}
