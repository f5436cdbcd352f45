/**
 * Faults of Chromium that cost an origin all its databases, and how not to meet them. It keeps them in one LevelDB, whose
 * newest changes lie in a log. Killed in the middle of a write, or on a full disk, it leaves half a record at the log's end,
 * goes on behind it the next time, and the time after that finds the log damaged and deletes every database of the origin
 * (google/leveldb#1287). When a database is deleted, it begins a new log.
 */
import { TaskStoreError } from '../../core/errors.ts';

/** Of a database, and of a cache, that is there for a moment only. */
const NAME = 'holdfast:scratch';

/** When to do so, in ms: after the first answers, and once more, since one time in fifty Chromium goes on in the old one. */
const AFTER_MS = [20, 200];

/** More than a log holds. */
const ROOM = 8e6;

/**
 * Not for each connection: where the site's data is cleared while it is done, all that is asked of IndexedDB waits for many
 * seconds, and whoever lost a connection to that opens another at once.
 */
let isBegun = false;
/** Whether a transaction failed as it does on a full disk, and there has not been room since. */
let isDoubtful = false;

/** Elsewhere there is nothing to dodge, and a full quota has other errors, with which what is stored can still be read. */
const isChromium = () => /Chrome/.test(globalThis.navigator?.userAgent);

export function beginNewLogs(): void {
  if (isBegun || !isChromium()) return;
  isBegun = true;
  for (const ms of AFTER_MS) setTimeout(beginNewLog, ms);
}

function beginNewLog(): void {
  const request = indexedDB.open(NAME);
  request.onsuccess = () => {
    request.result.close();
    indexedDB.deleteDatabase(NAME);
  };
}

/**
 * To be called with what a transaction, or opening, failed with. A full disk has no name of its own: it is one of these, with
 * others.
 */
export function noteFailure(error: unknown): void {
  if (!['UnknownError', 'QuotaExceededError'].includes((error as Error | undefined)?.name ?? '')) return;
  isDoubtful = isChromium();
  isBegun = false;
}

/**
 * On a full disk Chromium closes the databases. Opened again while there is room for a few changes but not for a new log,
 * they are all deleted as soon as the disk is full again. So it is tried first, where there is a cache to do it in, whether
 * the disk takes more than a log holds; rejects where it does not.
 */
export async function checkRoom(): Promise<void> {
  if (!isDoubtful || !globalThis.caches) return;
  try {
    const cache = await caches.open(NAME);
    await cache.put('https://holdfast/', new Response(new Uint8Array(ROOM)));
  } catch (error) {
    // Where the site's quota does not allow for so much, the disk may.
    if ((error as Error).name !== 'QuotaExceededError')
      throw new TaskStoreError('QUOTA_EXCEEDED', 'the disk is full', { cause: error });
  } finally {
    await caches.delete(NAME);
  }
  isDoubtful = false;
}
