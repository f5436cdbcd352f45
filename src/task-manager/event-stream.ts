/** One reader of a task's events. */
import { A2AError } from './a2a-error.ts';
import type { TaskEvent } from './events.ts';

/** A reader that is further behind than this is ended; what it missed is in the store. */
const MAX_WAITING = 10_000;

/** Events as they are stored, each once. Leaving the loop ends the reading, not the task. */
export interface TaskEventStream extends AsyncIterableIterator<TaskEvent> {
  /**
   * Resolves once the request was accepted: the task was found, or the message stored. Rejects with the reason otherwise,
   * as the first `next` does; who only iterates need not look at it.
   */
  readonly ready: Promise<void>;
}

type Waiter = { resolve(result: IteratorResult<TaskEvent>): void; reject(error: unknown): void };

/**
 * Holds what its reader has not taken yet. Nobody waits for a slow reader; chunks of one artifact that wait for it are joined
 * into one event.
 */
export class EventStream implements TaskEventStream {
  readonly ready: Promise<void>;
  #events: TaskEvent[] = [];
  #waiters: Waiter[] = [];
  #listeners: (() => void)[] = [];
  #limit = MAX_WAITING;
  #ended = false;
  #error: unknown;

  /** `open` lets the events begin; where it rejects, the stream ends with its error. */
  constructor(open: (stream: EventStream) => Promise<void>) {
    this.ready = open(this).catch((error: unknown) => {
      this.end(error);
      throw error;
    });
    // Whoever iterates meets the error there.
    this.ready.catch(() => {});
  }

  /** Calls `listener` once, when the stream has ended for whatever reason. */
  onEnd(listener: () => void): void {
    if (this.#ended) listener();
    else this.#listeners.push(listener);
  }

  /** What is stored already: a reader is not behind for having all of it to read. */
  replay(events: readonly TaskEvent[]): void {
    this.#limit += events.length;
    for (const event of events) this.push(event);
  }

  /** A final status ends the stream behind it. */
  push(event: TaskEvent): void {
    if (this.#ended) return;
    const waiter = this.#waiters.shift();
    if (waiter) waiter.resolve({ done: false, value: event });
    else if (!this.#join(event)) this.#events.push(event);
    if ('final' in event && event.final) this.end();
    else if (this.#events.length > this.#limit) {
      this.end(new A2AError('internalError', `this reader is ${MAX_WAITING} events behind; resubscribe to go on`));
    }
  }

  /** What waits is still delivered; then comes the end, or `error`. */
  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    for (const waiter of this.#waiters.splice(0)) this.#settle(waiter);
    for (const listener of this.#listeners) listener();
  }

  next(): Promise<IteratorResult<TaskEvent>> {
    const event = this.#events.shift();
    if (event) return Promise.resolve({ done: false, value: event });
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      if (this.#ended) this.#settle(waiter);
      else this.#waiters.push(waiter);
    });
  }

  async return(): Promise<IteratorResult<TaskEvent>> {
    this.#events = [];
    this.end();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** An error is told once; after it the stream is simply over. */
  #settle({ resolve, reject }: Waiter): void {
    const error = this.#error;
    this.#error = undefined;
    if (error === undefined) resolve({ done: true, value: undefined });
    else reject(error);
  }

  #join(event: TaskEvent): boolean {
    const last = this.#events.at(-1);
    if (!last || !('artifact' in last) || !('artifact' in event) || !event.artifact.append) return false;
    if (last.artifact.index !== event.artifact.index) return false;
    const { append: _, parts, ...header } = event.artifact;
    // One by one: a hundred thousand arguments are more than a call takes.
    for (const part of parts) last.artifact.parts.push(part);
    for (const [key, value] of Object.entries(header))
      Object.defineProperty(last.artifact, key, { value, enumerable: true, configurable: true, writable: true });
    return true;
  }
}
