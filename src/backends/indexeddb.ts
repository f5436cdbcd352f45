/** Tasks in IndexedDB: in pages, workers and service workers of an origin, shared between them. */
import type { TaskHead, TaskKey } from '../core/head.ts';
import type { HeadQuery } from '../core/query.ts';
import type { SelectRange, TaskRecord } from '../core/record.ts';
import type { Backend, BackendContext, BackendFactory, BackendInfo, Committed, Decide, Notice } from './backend.ts';
import { Connection, promisifyRequest } from './indexeddb/connection.ts';
import { type ListContext, listHeads, pendingHeads } from './indexeddb/listing.ts';
import { ReadQueue } from './indexeddb/read-queue.ts';
import { Replica } from './indexeddb/replica.ts';
import { WriteQueue } from './indexeddb/write-queue.ts';
import { toNotice } from './notices.ts';

/**
 * A backend in the IndexedDB database of the store's name. Several contexts may have it open at once.
 *
 * Durability is `relaxed` by default: what was acknowledged survives the tab and the browser, and is on its way to the
 * disk; `strict` waits for the disk.
 */
export function indexedDb(): BackendFactory {
  return {
    kind: 'indexeddb',
    unsuitable: () => {
      try {
        return globalThis.indexedDB ? undefined : 'no IndexedDB here';
      } catch {
        // Denied; opening tells why.
        return undefined;
      }
    },
    open: async (context) => {
      const connection = new Connection(context);
      const opening = connection.database();
      // Set up while the database opens, which takes its time.
      const backend = new IndexedDbBackend(context, connection);
      try {
        // Denied storage shows now, not at the first change.
        await opening;
        return backend;
      } catch (error) {
        await backend.close();
        throw error;
      }
    },
  };
}

class IndexedDbBackend implements Backend {
  readonly #info: BackendInfo;
  readonly #connection: Connection;
  readonly #replica = new Replica();
  readonly #writes: WriteQueue;
  readonly #reads: ReadQueue;
  #channel: BroadcastChannel | undefined;

  constructor({ name, durability }: BackendContext, connection: Connection) {
    this.#info = { kind: 'indexeddb', survives: durability === 'strict' ? 'power-cut' : 'process', location: name };
    this.#connection = connection;
    this.#writes = new WriteQueue(connection, this.#replica, (committed) => this.#announce(committed));
    this.#reads = new ReadQueue(connection, this.#replica, () => this.#writes.touch());
    try {
      this.#channel = new BroadcastChannel(`holdfast:${name}`);
    } catch {
      // There is none, or storage is denied; of that, opening tells why.
    }
  }

  get info(): BackendInfo {
    return { ...this.#info, dataLoss: this.#connection.dataLoss };
  }

  commit(key: TaskKey, decide: Decide, select: SelectRange): Promise<Committed> {
    return this.#writes.commit(key, decide, select);
  }

  read(key: TaskKey, select: SelectRange): Promise<TaskRecord | undefined> {
    return this.#reads.read(key, select);
  }

  list(query: HeadQuery): Promise<readonly TaskHead[]> {
    return this.#readList((context) => listHeads(context, query));
  }

  pending(limit: number): Promise<readonly TaskHead[]> {
    return this.#readList((context) => pendingHeads(context, limit));
  }

  getMeta(name: string): Promise<unknown> {
    return this.#meta('readonly', (store) => store.get(name));
  }

  async setMeta(name: string, value: unknown): Promise<void> {
    await this.#meta('readwrite', (store) => store.put(value, name));
    this.#announce();
  }

  listen(listener: (notices: readonly Notice[]) => void): () => void {
    const hear = ({ data }: Pick<MessageEvent<readonly Notice[]>, 'data'>) => {
      // An erased task leaves no record that would tell of its end, so what is known of all tasks is forgotten.
      if (!data[0]) this.#replica.forget();
      listener(data);
    };
    const end = new AbortController();
    this.#channel?.addEventListener('message', hear, end);
    this.#connection.onLost = () => hear({ data: [] });
    // Before a page goes away, others are told what they have not been told yet.
    globalThis.addEventListener?.('pagehide', () => this.#writes.tell(), end);
    return () => end.abort();
  }

  async close(): Promise<void> {
    await this.#writes.close();
    this.#channel?.close();
    // A call that was given up may still begin a change.
    this.#channel = undefined;
    await this.#connection.close();
  }

  #readList<T>(body: (context: ListContext) => Promise<T>): Promise<T> {
    return this.#connection.transact('readonly', async (tx) => {
      const { pages } = this.#replica.view;
      const view = this.#replica.catchUp(tx);
      const [answer] = await Promise.all([body({ tx, pages, view }), view]);
      this.#writes.touch();
      return answer;
    });
  }

  #meta<T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest): Promise<T> {
    return this.#connection.transact(
      mode,
      (tx) => promisifyRequest<T>(ask(tx.objectStore('meta'))),
      () => ['meta'],
    );
  }

  /** Without an argument, others are told to look for themselves. */
  #announce(committed?: readonly Committed[]): void {
    const notices = committed?.flatMap((each) => toNotice(each) ?? []) ?? [];
    if (notices[0] || !committed) this.#channel?.postMessage(notices);
  }
}
