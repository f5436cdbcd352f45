/** Stores on databases of their own, the raw database beside them, and ways to make it behave as it does once in a year. */
import { afterEach } from 'vitest';
import { promisifyRequest } from '../../src/backends/indexeddb/connection.ts';
import { openTaskStore, type TaskStore } from '../../src/index.browser.ts';
import type { OpenOptions } from '../../src/open-task-store.ts';

const undo: (() => unknown)[] = [];
let databases = 0;

export const newName = () => `indexeddb-${Date.now()}-${++databases}`;

/** To be called once where tests use what follows. */
export function undoAfterEach(): void {
  afterEach(async () => {
    for (const each of undo.splice(0)) await each();
  });
}

export async function open(options: OpenOptions = {}): Promise<TaskStore & { name: string }> {
  const name = options.name ?? newName();
  const store = await openTaskStore({ name, backend: 'indexeddb', ...options });
  undo.unshift(() => store.close());
  return Object.assign(store, { name });
}

/** The raw database beside the store's connection. */
export function openRaw(name: string, version?: number): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, version);
    request.onsuccess = () => {
      undo.push(() => request.result.close());
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
}

/** The records of the journal of which more than a header is left. */
export async function contentOfJournal(name: string): Promise<unknown[]> {
  const db = await openRaw(name);
  const records = await promisifyRequest<unknown[][]>(db.transaction('journal').objectStore('journal').getAll());
  db.close();
  return records.filter((record) => record.length > 4);
}

/** Puts another property in the place of one, until the test ends. */
export function replace(target: object, name: string, property: PropertyDescriptor): void {
  const original = Object.getOwnPropertyDescriptor(target, name);
  Object.defineProperty(target, name, property);
  undo.push(() => original && Object.defineProperty(target, name, original));
}

/** Puts `replacement(original)` in the place of a method, until the test ends or the returned function is called. */
export function patch<T extends object, K extends keyof T>(
  target: T,
  name: K,
  replacement: (original: T[K]) => T[K],
): () => void {
  const original = target[name];
  target[name] = replacement(original);
  const restore = () => {
    target[name] = original;
  };
  undo.push(restore);
  return restore;
}

type Method = (...args: never[]) => unknown;

/**
 * Calls `see` with what each call of a method answers, and what it was called on, until the test ends or the returned
 * function is called.
 */
export function onCall<T extends object, K extends keyof T>(
  target: T,
  name: K,
  see: (answer: T[K] extends Method ? ReturnType<T[K]> : never, self: T) => void,
): () => void {
  const watched = (original: Method) =>
    function (this: T, ...args: never[]) {
      const answer = original.apply(this, args);
      see(answer as Parameters<typeof see>[0], this);
      return answer;
    };
  return patch(target, name, (original) => watched(original as Method) as T[K]);
}

/** Calls `see` with every transaction that writes, as it begins. */
export function onWrite(see: (transaction: IDBTransaction) => void): () => void {
  return onCall(IDBDatabase.prototype, 'transaction', (transaction) => {
    if (transaction.mode === 'readwrite') see(transaction);
  });
}

/** From here on what is refused of a transaction whose end is said is left out, and the rest stored, as in Firefox. */
export function commitAsFirefox(): void {
  patch(
    IDBTransaction.prototype,
    'commit',
    () =>
      function (this: IDBTransaction) {
        this.addEventListener('error', (event) => event.preventDefault());
      },
  );
}

/**
 * From here on the page is put away as Firefox does it: what is asked of IndexedDB is done, and nothing is ever heard of it.
 * The returned function shows the page again, when all that was asked for is done.
 */
export function putAway(): (name: string) => Promise<void> {
  const muffle = (target: EventTarget) => {
    for (const type of ['success', 'error', 'complete', 'abort'])
      target.addEventListener(type, (event) => event.stopImmediatePropagation(), true);
  };
  const restores = [onCall(IDBDatabase.prototype, 'transaction', muffle), onCall(IDBFactory.prototype, 'open', muffle)];
  return async (name) => {
    for (const restore of restores) restore();
    const db = await openRaw(name);
    const tx = db.transaction([...db.objectStoreNames], 'readwrite');
    await promisifyRequest(tx.objectStore('meta').get('nothing'));
    globalThis.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
  };
}

type Store = (value: unknown, key?: IDBValidKey) => IDBRequest<IDBValidKey>;

/** Puts `replacement(original)` in the place of both ways to write a value. */
export function patchStoring(replacement: (original: Store) => Store): () => void {
  const restores = (['add', 'put'] as const).map((name) => patch(IDBObjectStore.prototype, name, replacement));
  return () => {
    for (const restore of restores) restore();
  };
}

/** Keeps every transaction on the tasks waiting until the returned function is called. */
export async function occupy(name: string): Promise<() => void> {
  const db = await openRaw(name);
  const tasks = db.transaction([...db.objectStoreNames], 'readwrite').objectStore('tasks');
  let isHeld = true;
  await new Promise<void>((resolve) => {
    const hold = () => {
      resolve();
      if (isHeld) tasks.get('nothing').onsuccess = hold;
    };
    hold();
  });
  const release = () => {
    isHeld = false;
  };
  undo.push(release);
  return release;
}

/** From here on, until the returned function is called, nothing can be stored any more. */
export function fillDisk(): () => void {
  return patchStoring(
    (original) =>
      function (this: IDBObjectStore, value, ...key) {
        const { transaction } = this;
        // As browsers do it: the request is taken, and the transaction ends.
        Object.defineProperty(transaction, 'commit', { value: () => {}, configurable: true });
        const error = new DOMException('', 'QuotaExceededError');
        Object.defineProperty(transaction, 'error', { value: error, configurable: true });
        queueMicrotask(() => {
          try {
            transaction.abort();
          } catch {
            // Another of its values was refused before.
          }
        });
        return original.call(this, value, ...key);
      },
  );
}
