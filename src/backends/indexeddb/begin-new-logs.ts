/** A fault of Chromium that costs an origin all its databases, and how not to meet it. */

const NAME = 'holdfast:begin-new-log';

/** When to do so, in ms: after the first answers, and once more, since one time in fifty Chromium goes on in the old one. */
const AFTER_MS = [20, 200];

/**
 * Not for each connection: where the site's data is cleared while it is done, all that is asked of IndexedDB waits for many
 * seconds, and whoever lost a connection to that opens another at once.
 */
let isBegun = false;

/**
 * Chromium keeps the databases of an origin in one LevelDB, whose newest changes lie in a log. Killed in the middle of a
 * write it leaves half a record at the log's end, goes on behind it the next time, and the time after that finds the log
 * damaged and deletes every database of the origin (google/leveldb#1287). When a database is deleted, it begins a new log.
 */
export function beginNewLogs(): void {
  if (isBegun || !/Chrome/.test(globalThis.navigator?.userAgent)) return;
  isBegun = true;
  for (const ms of AFTER_MS) setTimeout(beginNewLog, ms);
}

/** A full disk leaves half a record as well: these are Chromium's words for it. */
export function noteFailure(error: unknown): void {
  if (/NO_SPACE|disk full/.test(String(error))) isBegun = false;
}

function beginNewLog(): void {
  const request = indexedDB.open(NAME);
  request.onsuccess = () => {
    request.result.close();
    indexedDB.deleteDatabase(NAME);
  };
}
