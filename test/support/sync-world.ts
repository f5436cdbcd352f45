/** One context after the other, on a storage that outlives their crashes. */
import type { Backend, BackendFactory } from '../../src/backends/backend.ts';
import { memory } from '../../src/backends/memory.ts';
import { TaskStoreError } from '../../src/core/errors.ts';
import type { LocalTaskStore } from '../../src/local-task-store.ts';
import { openTaskStore } from '../../src/memory.ts';
import type { SyncOptions } from '../../src/sync.ts';
import { Life, RemoteWorld } from './remote-world.ts';

export class SyncWorld extends RemoteWorld {
  /** So many of the next calls of the storage fail. */
  readonly refusals = { pending: 0, setMeta: 0, commit: 0 };
  /** Runs when the storage has done what it was called for, and before it is heard to have. */
  beforeHeard: ((name: keyof SyncWorld['refusals']) => Promise<void>) | undefined;
  /** Whether the storage has no more than heads at hand. */
  mustFetch = false;
  #kept: Backend | undefined;
  #life = new Life();
  store!: LocalTaskStore;

  async open(options: Partial<SyncOptions> = {}): Promise<LocalTaskStore> {
    this.#life = new Life();
    this.store = await openTaskStore({
      backend: this.#survivor(this.#life),
      ...this.place(this.#life, options, { openChannel: null, locks: null }),
    });
    return this.store;
  }

  openWithoutSync(): Promise<LocalTaskStore> {
    return openTaskStore({ backend: this.#survivor(new Life()) });
  }

  /** The process is gone: nothing of it runs on, and what it had under way gets no answer. */
  crash(): void {
    this.#life.isOver = true;
  }

  /** The same memory for each opening. */
  #survivor(life: Life): BackendFactory {
    const refuse = (name: keyof SyncWorld['refusals']) => {
      if (this.refusals[name]-- > 0) throw new TaskStoreError('STORE_TIMEOUT', 'no answer in time');
    };
    const open = async (context: Parameters<BackendFactory['open']>[0]) => {
      const kept = (this.#kept ??= await memory().open(context));
      return guarded(kept, life, {
        commit: async (key, decide, select) => {
          refuse('commit');
          const look = this.mustFetch && (() => undefined);
          const committed = await kept.commit(key, (head, atHand) => decide(head, look || atHand), select);
          await this.beforeHeard?.('commit');
          return committed;
        },
        pending: async (limit) => {
          refuse('pending');
          const heads = await kept.pending(limit);
          await this.beforeHeard?.('pending');
          return heads;
        },
        setMeta: (name, value) => {
          refuse('setMeta');
          return kept.setMeta(name, value);
        },
      });
    };
    return { kind: 'kept', unsuitable: () => undefined, open };
  }
}

/** A backend that takes calls only from a context that lives, and answers only such a one; some of them in other ways. */
export function guarded(kept: Backend, life: Life, others: Partial<Backend>): Backend {
  const guard = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      await life.goOn();
      const result = await call(...args);
      await life.goOn();
      return result;
    };
  };
  return {
    info: others.info ?? kept.info,
    commit: guard(others.commit ?? ((...args) => kept.commit(...args))),
    read: guard((...args) => kept.read(...args)),
    list: guard((query) => kept.list(query)),
    pending: guard(others.pending ?? ((limit) => kept.pending(limit))),
    getMeta: guard((name) => kept.getMeta(name)),
    setMeta: guard(others.setMeta ?? ((name, value) => kept.setMeta(name, value))),
    listen: others.listen ?? (() => () => {}),
    close: async () => {},
  };
}
