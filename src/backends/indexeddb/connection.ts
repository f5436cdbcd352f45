/**
 * The connection to the database and the frame of every transaction: opened when first needed and again when the browser
 * drops it, never waited for without a limit, its failures turned into typed errors.
 */
import { unwrap } from 'idb';
import { TaskStoreError, type TaskStoreErrorCode, toTaskStoreError } from '../../core/errors.ts';
import type { BackendContext } from '../backend.ts';
import { beginNewLogs, checkRoom, noteFailure } from './chromium-faults.ts';
import { createDeadline, type Waits, type WithDeadline } from './deadline.ts';
import { openDatabase, TASK_STORES, type TaskRow } from './schema.ts';

const ATTEMPTS = 4;

/** Errors of a transaction that was cut off from the database: its outcome is unknown, and another connection may do better. */
const cutOff = ['AbortError', 'InvalidStateError', 'TimeoutError', 'TransactionInactiveError', 'UnknownError'];

export class Connection {
  /**
   * Called when the database is deleted or its version raised, or the site's data cleared, and when the page is shown, be it
   * again: whoever asks again finds out what was not heard.
   */
  declare onLost?: () => void;
  /** See `BackendInfo`. */
  declare dataLoss?: string;
  readonly #name: string;
  readonly #withDeadline: WithDeadline;
  readonly #durability: IDBTransactionDurability;
  #open: Promise<IDBDatabase> | undefined;
  readonly #waits: Waits = new Map();
  /** Aborted when it is let go of for good. */
  readonly #end = new AbortController();

  constructor({ name, timeoutMs, durability = 'relaxed' }: BackendContext) {
    this.#name = name;
    this.#withDeadline = createDeadline(timeoutMs, this.#waits);
    this.#durability = durability;
    const show = ({ persisted }: Partial<PageTransitionEvent>) => {
      // Firefox never delivers what a page would have heard while it was put away, also not how its transactions ended.
      if (persisted) for (const [giveUp] of this.#waits) giveUp();
      this.onLost?.();
    };
    globalThis.addEventListener?.('pageshow', show, this.#end);
  }

  /** Resolves when the database can really be used; where storage is denied, this is where it shows. */
  database(): Promise<IDBDatabase> {
    return (this.#open ??= this.#connect().catch((error) => {
      this.#open = undefined;
      // Given up, since the page was put away.
      if (!error) return this.database();
      noteFailure(error);
      throw toStoreError(error, 'STORE_UNAVAILABLE', 'IndexedDB cannot be used');
    }));
  }

  /** Async, since a browser that denies storage throws at once. */
  async #connect(): Promise<IDBDatabase> {
    if (this.#end.signal.aborted) throw new TaskStoreError('STORE_CLOSED', 'the store is closed');
    const onLost = () => {
      close();
      this.onLost?.();
    };
    const opening = checkRoom().then(() => openDatabase(this.#name, onLost, this));
    const close = () => opening.then((db) => db.close()).catch(() => {});
    const db = unwrap(await this.#withDeadline(opening, close)) as IDBDatabase;
    beginNewLogs();
    return db;
  }

  /** Lets go of the connection for good: what is still to come, such as a call that was given up, finds nothing to open. */
  close(): Promise<void> {
    this.#end.abort();
    return this.drop();
  }

  /** Lets go of the connection; the next transaction opens another. */
  async drop(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    (await open?.catch(() => undefined))?.close();
  }

  /**
   * One transaction: `body` makes its requests (it may wait for requests of this transaction and for nothing else), and
   * its answer counts when the transaction is complete. Begins again where the connection was lost; `body` may find out
   * by what it stores whether an earlier try took effect. `begin` is called just before, and answers which stores it needs:
   * what is ready when the transaction begins reaches the browser in one go, without waking it several times.
   */
  async transact<T>(
    mode: IDBTransactionMode,
    body: (tx: IDBTransaction) => T | Promise<T>,
    begin: (db: IDBDatabase) => string[] = () => TASK_STORES,
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const db = await this.database().catch((error) => {
        // An earlier try may have taken effect, so a disk that is full by now must not read as a refusal.
        throw attempt > 1 && error.code === 'QUOTA_EXCEEDED'
          ? new TaskStoreError('STORE_UNAVAILABLE', error.message, { cause: error })
          : error;
      });
      try {
        const tx = db.transaction(begin(db), mode, { durability: this.#durability });
        return await this.#withDeadline(run(tx, body), () => {
          abort(tx);
          this.drop();
        });
      } catch (error) {
        noteFailure(error);
        if (!isDisconnect(error) || attempt === ATTEMPTS) throw toStoreError(error, 'IO_ERROR', 'IndexedDB failed');
        this.drop();
      }
    }
  }
}

/** What `body` answers: once the transaction is complete, where it writes. */
async function run<T>(tx: IDBTransaction, body: (tx: IDBTransaction) => T | Promise<T>): Promise<T> {
  if (tx.mode === 'readonly') return body(tx);
  return new Promise((resolve, reject) => {
    let failure: unknown;
    let isRefused = false;
    // That the transaction has ended under the body is told by the transaction itself, and why.
    const note = (error: unknown) => {
      if (!isDisconnect(error)) failure = error;
    };
    const work = (async () => body(tx))();
    work.catch((error) => {
      note(error);
      abort(tx);
    });
    // Firefox does not say why a transaction ended that was to be committed.
    tx.onerror = ({ target }) => {
      isRefused = true;
      note((target as IDBRequest).error);
    };
    const fail = () => reject(failure ?? tx.error);
    // Nor does it always end such a one where its last request was refused.
    tx.oncomplete = () => (isRefused ? fail() : resolve(work));
    // Where Chromium closes a database under several contexts, some transactions do not hear that they have ended.
    tx.onabort = tx.db.onclose = fail;
  });
}

/** An abort without an error is the browser's, too. */
export function isDisconnect(error: unknown): boolean {
  return !error || cutOff.includes((error as Error).name);
}

function abort(tx: IDBTransaction): void {
  try {
    tx.abort();
  } catch {
    // It has ended already.
  }
}

export function promisifyRequest<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export function getRow(tx: IDBTransaction, name: string): Promise<TaskRow | undefined> {
  return promisifyRequest(tx.objectStore('tasks').get(name));
}

function toStoreError(error: unknown, code: TaskStoreErrorCode, message: string): TaskStoreError {
  const { name, message: detail } = Object(error) as Partial<Error>;
  const isFull = name === 'QuotaExceededError';
  return toTaskStoreError(
    error,
    isFull ? 'QUOTA_EXCEEDED' : code,
    `${message}: ${detail || name || 'no reason given'}`,
  );
}
