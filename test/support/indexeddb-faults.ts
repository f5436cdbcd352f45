/**
 * An IndexedDB that fails as real ones do: each of it once in a year, and here all day. Faults are drawn from a seed, for
 * each transaction as it begins.
 */

/** What can happen to one transaction. */
const inflictions = {
  /** As browsers do it when they are short of something. */
  abort: (tx: IDBTransaction) => tx.abort(),

  /** The connection is lost; what is under way on it still ends. */
  close: (tx: IDBTransaction) => tx.db.close(),

  /** It completes, and by all signs it was cut off. */
  unseenEnd(tx: IDBTransaction, draw: Draw) {
    const delay = draw(3);
    hideEnd(tx);
    tx.addEventListener('complete', (event) => setTimeout(() => tx.onabort?.(event), delay));
  },

  lateEnd(tx: IDBTransaction, draw: Draw) {
    const delay = draw(20);
    let tell: IDBTransaction['oncomplete'] = null;
    hideEnd(tx, (given) => {
      tell = given;
    });
    tx.addEventListener('complete', (event) => setTimeout(() => tell?.call(tx, event), delay));
  },

  /** It completes, and nothing is ever heard of it. */
  noEnd: (tx: IDBTransaction) => hideEnd(tx),

  /** Nothing comes of it, and nothing is ever heard of that. */
  silentAbort(tx: IDBTransaction) {
    Object.defineProperty(tx, 'onabort', { set: () => {} });
    tx.abort();
  },
};

/** `fullDisk` comes and goes, and lasts. */
export type Fault = keyof typeof inflictions | 'fullDisk';

/** A number from 0 up to, but not including, `count`. */
export type Draw = (count: number) => number;

/** One transaction in so many has a fault: in some rounds so many that one comes on top of another. */
const rarities = [4, 8, 25];

export class FaultyIndexedDb {
  readonly #faults: readonly Fault[];
  readonly #draw: Draw;
  readonly #rarity: number;
  readonly #restores: (() => void)[] = [];
  #isFull = false;

  constructor(faults: readonly Fault[], draw: Draw) {
    this.#faults = faults;
    this.#draw = draw;
    this.#rarity = rarities[draw(rarities.length)] as number;
  }

  has(fault: Fault): boolean {
    return this.#faults.includes(fault);
  }

  /** To be called now and then; the disk is full most of the time, as one is that has once been full. */
  turn(): void {
    if (this.has('fullDisk') && this.#draw(12) === 0) this.#isFull = this.#draw(3) > 0;
  }

  start(): void {
    this.#restores.push(
      this.#patchTransactions(),
      this.#patchStoring('add'),
      this.#patchStoring('put'),
      this.#patchOpening(),
    );
  }

  stop(): void {
    this.#isFull = false;
    for (const restore of this.#restores.splice(0)) restore();
  }

  #patchTransactions(): () => void {
    const begin = IDBDatabase.prototype.transaction;
    const inflict = (tx: IDBTransaction) => this.#inflict(tx);
    IDBDatabase.prototype.transaction = function (this: IDBDatabase, ...args) {
      const tx = begin.apply(this, args);
      inflict(tx);
      return tx;
    };
    return () => {
      IDBDatabase.prototype.transaction = begin;
    };
  }

  #inflict(tx: IDBTransaction): void {
    // A transaction that upgrades is not begun by its user, and one that reads has no end that anyone waits for.
    const fault = this.#draw(this.#rarity) === 0 && this.#faults[this.#draw(this.#faults.length)];
    if (!fault || fault === 'fullDisk') return;
    if (tx.mode === 'readwrite' || fault === 'abort' || fault === 'close') inflictions[fault](tx, this.#draw);
  }

  #patchOpening(): () => void {
    const open = IDBFactory.prototype.open;
    const isRefused = () => this.#isFull && this.#draw(4) === 0;
    IDBFactory.prototype.open = function (this: IDBFactory, ...args) {
      if (isRefused()) throw new DOMException('', 'QuotaExceededError');
      return open.apply(this, args);
    };
    return () => {
      IDBFactory.prototype.open = open;
    };
  }

  #patchStoring(name: 'add' | 'put'): () => void {
    const store = IDBObjectStore.prototype[name];
    const isFull = () => this.#isFull;
    IDBObjectStore.prototype[name] = function (this: IDBObjectStore, ...args) {
      if (isFull()) refuse(this.transaction);
      return store.apply(this, args);
    };
    return () => {
      IDBObjectStore.prototype[name] = store;
    };
  }
}

/** `set` gets the listener in the place of the transaction. */
function hideEnd(tx: IDBTransaction, set: (listener: IDBTransaction['oncomplete']) => void = () => {}): void {
  Object.defineProperty(tx, 'oncomplete', { set });
}

/** The quota is looked at when all is to be written, and then the transaction ends. */
function refuse(tx: IDBTransaction): void {
  const error = new DOMException('', 'QuotaExceededError');
  Object.defineProperty(tx, 'commit', { value: () => {}, configurable: true });
  Object.defineProperty(tx, 'error', { value: error, configurable: true });
  queueMicrotask(() => {
    try {
      tx.abort();
    } catch {
      // It has ended already.
    }
  });
}
