/** Several tabs on one storage, that can freeze and crash: with locks and channels between them, or without either. */
import type { Backend, BackendFactory, Notice } from '../../src/backends/backend.ts';
import { memory } from '../../src/backends/memory.ts';
import { toNotice } from '../../src/backends/notices.ts';
import { TaskStoreError } from '../../src/core/errors.ts';
import type { LocalTaskStore } from '../../src/local-task-store.ts';
import { openTaskStore } from '../../src/memory.ts';
import type { Channel, Locks } from '../../src/sync.ts';
import { type Handle, Life, RemoteWorld } from './remote-world.ts';
import { guarded } from './sync-world.ts';

export class Tab extends Life {
  store!: LocalTaskStore;
  /** So many of the next calls of its storage fail. */
  failing = 0;
  /** Its storage does nothing before. */
  held: Promise<void> | undefined;
  /** Hears that its lock was stolen: when it is thawed, after everything else, as may be. */
  hearStolen: (() => void) | undefined;
}

export class TabsWorld extends RemoteWorld {
  readonly #lock = new TestLock();
  readonly #channels = new Map<{ onmessage: unknown }, Tab>();
  readonly #listeners = new Map<(notices: readonly Notice[]) => void, Tab>();
  readonly #hasLocks: boolean;
  #kept: Backend | undefined;
  readonly tabs: Tab[] = [];

  constructor(handle: Handle, hasLocks: boolean) {
    super(handle);
    this.#hasLocks = hasLocks;
  }

  async open({ isSynced = true } = {}): Promise<Tab> {
    const tab = new Tab();
    const platform = this.#hasLocks
      ? { locks: this.#lock.of(tab), openChannel: () => this.#channel(tab) }
      : { locks: null, openChannel: null };
    const { environment, sync } = this.place(tab, {}, platform);
    tab.store = await openTaskStore({ backend: this.#backend(tab), environment, ...(isSynced && { sync }) });
    this.tabs.push(tab);
    await this.rest();
    return tab;
  }

  freeze(tab: Tab): void {
    tab.frozen ??= [];
  }

  /** What came in the meantime happens in its order; what comes while it does queues behind. */
  async thaw(tab: Tab): Promise<void> {
    for (let call = tab.frozen?.shift(); call; call = tab.frozen?.shift()) {
      call();
      await this.rest();
    }
    tab.frozen = undefined;
    await this.rest();
    tab.hearStolen?.();
    tab.hearStolen = undefined;
  }

  async crash(tab: Tab): Promise<void> {
    tab.isOver = true;
    this.#lock.pass();
    this.forget(tab);
    await this.rest();
  }

  /** It is none of the tabs any more, closed or crashed. */
  forget(tab: Tab): void {
    this.tabs.splice(this.tabs.indexOf(tab), 1);
  }

  #channel(tab: Tab): Channel {
    const channel: Channel = {
      onmessage: undefined,
      postMessage: (message) => {
        const data = structuredClone(message);
        for (const [other, owner] of this.#channels) {
          const hear = () => (other.onmessage as (event: { data: unknown }) => void)({ data });
          if (other !== channel) setImmediate(() => owner.do(hear));
        }
      },
      close: () => this.#channels.delete(channel),
    };
    this.#channels.set(channel, tab);
    return channel;
  }

  /** As a database of a browser: slower than memory, and every tab is told what the others do. */
  #backend(tab: Tab): BackendFactory {
    const tell = (notices: readonly Notice[]) => {
      for (const [listener, owner] of this.#listeners) {
        if (owner !== tab) setImmediate(() => owner.do(() => listener(notices)));
      }
    };
    const begin = async () => {
      if (tab.failing-- > 0) throw new TaskStoreError('STORE_TIMEOUT', 'no answer in time');
      await new Promise((resolve) => setImmediate(resolve));
      await tab.held;
      await tab.goOn();
    };
    const open = async (context: Parameters<BackendFactory['open']>[0]) => {
      const kept = (this.#kept ??= await memory().open(context));
      return guarded(kept, tab, {
        info: { ...kept.info, kind: 'indexeddb' },
        commit: async (...args) => {
          await begin();
          const committed = await kept.commit(...args);
          const notice = toNotice(committed);
          if (notice) tell([notice]);
          return committed;
        },
        pending: async (limit) => {
          await begin();
          return kept.pending(limit);
        },
        setMeta: async (name, value) => {
          await begin();
          await kept.setMeta(name, value);
          tell([]);
        },
        listen: (listener) => {
          this.#listeners.set(listener, tab);
          return () => this.#listeners.delete(listener);
        },
      });
    };
    return { kind: 'indexeddb', unsuitable: () => undefined, open };
  }
}

interface Claim {
  readonly tab: Tab;
  readonly hold: () => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** A Web Lock. */
class TestLock {
  readonly #queue: Claim[] = [];
  #holder: Claim | undefined;

  of(tab: Tab): Locks {
    return {
      request: (_, { steal, signal }, hold) =>
        new Promise((resolve, reject) => {
          const claim: Claim = { tab, hold, resolve, reject };
          if (steal) this.#steal(claim);
          else this.#queue.push(claim);
          signal?.addEventListener('abort', () => {
            const place = this.#queue.indexOf(claim);
            if (place < 0) return;
            this.#queue.splice(place, 1);
            reject(signal.reason);
          });
          this.pass();
        }),
    };
  }

  #steal(claim: Claim): void {
    const held = this.#holder;
    this.#holder = undefined;
    this.#queue.unshift(claim);
    if (!held) return;
    const hear = () => held.reject(new DOMException('stolen', 'AbortError'));
    if (held.tab.frozen) held.tab.hearStolen = hear;
    else setImmediate(() => held.tab.do(hear));
  }

  /** To the next who lives, where nobody who lives holds it. */
  pass(): void {
    if (this.#holder && !this.#holder.tab.isOver) return;
    const next = this.#queue.shift();
    this.#holder = next;
    if (next?.tab.isOver) this.pass();
    else if (next) setImmediate(() => next.tab.do(() => this.#hold(next)));
  }

  async #hold(claim: Claim): Promise<void> {
    await claim.hold();
    claim.resolve(undefined);
    if (this.#holder !== claim) return;
    this.#holder = undefined;
    this.pass();
  }
}
