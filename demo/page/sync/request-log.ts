/** The attempts of every tab, the newest first; one tab pushes, all show it. */
import type { Attempt } from './faulty-fetch.ts';

const KEPT = 300;

export class RequestLog {
  /** How many changes reached the remote in requests that were answered, and how many requests that took. */
  totals = { items: 0, requests: 0 };
  #attempts: Attempt[] = [];
  readonly #channel: BroadcastChannel;
  readonly #listeners = new Set<() => void>();

  constructor(channel: BroadcastChannel) {
    this.#channel = channel;
    channel.addEventListener('message', ({ data }) => data?.attempt && this.#keep(data.attempt));
  }

  get attempts(): readonly Attempt[] {
    return this.#attempts;
  }

  add(attempt: Attempt): void {
    this.#channel.postMessage({ attempt });
    this.#keep(attempt);
  }

  clear(): void {
    this.#attempts = [];
    for (const listener of this.#listeners) listener();
  }

  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }

  #keep(attempt: Attempt): void {
    const place = this.#attempts.findIndex(({ id }) => id === attempt.id);
    if (place >= 0) this.#attempts[place] = attempt;
    else this.#attempts = [attempt, ...this.#attempts.slice(0, KEPT - 1)];
    if (attempt.outcome === 'answered' && attempt.status === 200 && attempt.items > 0) {
      this.totals = { items: this.totals.items + attempt.items, requests: this.totals.requests + 1 };
    }
    for (const listener of this.#listeners) listener();
  }
}
