/**
 * Does to the profile of a Chromium that does not run what a kill in the middle of a write to IndexedDB does: of the last
 * record in its LevelDB's log there is the header, and nothing else.
 */
import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Of a record: checksum, length 125, type. */
export const HEADER = Uint8Array.of(0xd7, 0x39, 0xe0, 0x2a, 125, 0, 1);

/**
 * @param {string} profile the browser's folder
 * @param {Uint8Array} bytes to be added to the log of each origin
 * @returns {string[]} the paths of the logs
 */
export function appendToLogs(profile, bytes = HEADER) {
  const home = join(profile, 'Default/IndexedDB');
  const names = readdirSync(home, { recursive: true, encoding: 'utf8' });
  const logs = names.filter((name) => /\.leveldb\/\d+\.log$/.test(name)).map((name) => join(home, name));
  for (const log of logs) appendFileSync(log, bytes);
  return logs;
}
