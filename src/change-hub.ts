/** Tells watchers and subscribers of changes. Costs nothing while nobody listens. */
import { encodeKey, type TaskKey } from './core/head.ts';
import type { TaskChange } from './task-store.ts';

/** Called when a task may have changed; `gone` when it was deleted. */
export type Wake = (gone: boolean) => void;

export class ChangeHub {
  readonly #listeners = new Set<(change: TaskChange) => void>();
  readonly #wakes = new Map<string, Set<Wake>>();

  get hasListeners(): boolean {
    return this.#listeners.size > 0;
  }

  subscribe(listener: (change: TaskChange) => void): () => void {
    // A wrapper of its own for each call, so that one function subscribed twice is told twice and ends twice.
    const own = (change: TaskChange) => listener(change);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** `listener` errors are reported as uncaught, not thrown into the call that made the change. */
  tell(change: TaskChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  onWake(key: TaskKey, wake: Wake): () => void {
    const name = encodeKey(key);
    const wakes = this.#wakes.get(name) ?? new Set();
    this.#wakes.set(name, wakes.add(wake));
    return () => {
      wakes.delete(wake);
      if (wakes.size === 0) this.#wakes.delete(name);
    };
  }

  wake(key: TaskKey, gone: boolean): void {
    if (this.#wakes.size === 0) return;
    for (const wake of this.#wakes.get(encodeKey(key)) ?? []) wake(gone);
  }

  /** Ends every watch. */
  close(): void {
    for (const wakes of this.#wakes.values()) for (const wake of [...wakes]) wake(true);
    this.#listeners.clear();
  }
}
