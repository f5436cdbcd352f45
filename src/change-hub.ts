/** Tells watchers and subscribers of changes. Costs nothing while nobody listens. */
import { encodeKey, type TaskKey } from './core/head.ts';
import { Listeners } from './core/listeners.ts';
import type { TaskChange } from './task-store.ts';

/** Called when a task may have changed; `gone` when it was deleted. */
export type Wake = (gone: boolean) => void;

export class ChangeHub extends Listeners<TaskChange> {
  readonly #wakes = new Map<string, Set<Wake>>();

  onWake(key: TaskKey, wake: Wake): () => void {
    const name = encodeKey(key);
    const wakes = this.#wakes.get(name) ?? new Set();
    this.#wakes.set(name, wakes.add(wake));
    return () => {
      // Another watch may have come since this one was ended first.
      if (wakes.delete(wake) && wakes.size === 0) this.#wakes.delete(name);
    };
  }

  wake(key: TaskKey, gone: boolean): void {
    if (this.#wakes.size === 0) return;
    for (const wake of this.#wakes.get(encodeKey(key)) ?? []) wake(gone);
  }

  wakeAll(gone: boolean): void {
    for (const wakes of this.#wakes.values()) for (const wake of [...wakes]) wake(gone);
  }

  /** Ends every watch. */
  close(): void {
    this.wakeAll(true);
    this.clear();
  }
}
