/** A fault of Chromium that costs an origin all its databases, and how not to meet it. */

const NAME = 'holdfast:begin-new-log';

/**
 * Chromium keeps the databases of an origin in one LevelDB, whose newest changes lie in a log. Killed in the middle of a
 * write it leaves half a record at the log's end, goes on behind it the next time, and the time after that finds the log
 * damaged and deletes every database of the origin (google/leveldb#1287). When a database is deleted, it begins a new log.
 */
export function beginNewLog(): void {
  if (!/Chrome/.test(globalThis.navigator?.userAgent)) return;
  const request = indexedDB.open(NAME);
  request.onsuccess = () => {
    request.result.close();
    indexedDB.deleteDatabase(NAME);
  };
}
