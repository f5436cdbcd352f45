/** Tasks that come and go while the database fails, of each of which it is known what has become of it. */
import { expect } from 'vitest';
import type { StoredTask } from '../../src/core/task.ts';
import type { TaskStore } from '../../src/index.browser.ts';
import { failureOf, say } from './indexeddb-calls.ts';
import type { Fault } from './indexeddb-faults.ts';
import { messagesOf } from './indexeddb-ledger.ts';

/** The last message; null where there is no such task, undefined where that is not known. */
type Fate = string | null | undefined;

export class Fates {
  readonly #mayBeTakenBack: boolean;
  readonly #mayBeErased: boolean;
  /** One call at a time is made for a task, or nobody could tell which was the last. */
  readonly #fates = new Map<string, Promise<Fate>>();

  constructor(faults: readonly Fault[]) {
    this.#mayBeTakenBack = faults.includes('noEnd');
    this.#mayBeErased = faults.includes('fullDisk');
  }

  async meet(id: string, act: 'look' | 'delete' | 'upsert', store: TaskStore, item: string): Promise<void> {
    const fate = this.#fates.get(id) ?? Promise.resolve(null);
    const next = fate.then((fate) => {
      if (act === 'look') return this.#look(id, store, fate);
      return act === 'delete' ? this.#delete(id, store, fate) : this.#upsert(id, store, fate, item);
    });
    this.#fates.set(id, next);
    await next;
  }

  /** To be called when all is well again. */
  async judge(store: TaskStore): Promise<void> {
    for (const [id, ending] of this.#fates) {
      const fate = await ending;
      if (fate !== undefined) expect(lastOf(await store.getTask(id)), `the end of ${id}`).toBe(fate);
    }
  }

  async #look(id: string, store: TaskStore, fate: Fate): Promise<Fate> {
    // One that was erased others may still find until they are told.
    const isKnown = fate !== undefined && (fate !== null || !this.#mayBeErased);
    await failureOf(async () => {
      const found = await store.getTask(id);
      if (isKnown) expect(lastOf(found)).toBe(fate);
    });
    return fate;
  }

  async #delete(id: string, store: TaskStore, fate: Fate): Promise<Fate> {
    const code = await failureOf(async () => {
      const isFound = await store.deleteTask(id);
      // To erase leaves no trace: where its end was not seen, there is nothing to be found when it is tried again.
      if (fate !== undefined && !this.#mayBeErased) expect(isFound).toBe(fate !== null);
    });
    // An earlier deletion that was given up may have left nothing to delete, and be taken back yet.
    return code || (fate === undefined && this.#mayBeTakenBack) ? undefined : null;
  }

  async #upsert(id: string, store: TaskStore, fate: Fate, item: string): Promise<Fate> {
    const code = await failureOf(() => store.upsertTask({ id, message: say(item, 900) }));
    if (code === 'QUOTA_EXCEEDED') return fate;
    return code ? undefined : item;
  }
}

function lastOf(task: StoredTask | undefined): string | null {
  return messagesOf(task).at(-1) ?? null;
}
