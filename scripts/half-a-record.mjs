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
 * @param {Uint8Array} bytes to be added to the log that each origin writes to: one that is flushed to a table may lie beside it
 * @returns {string[]} the paths of the logs
 */
export function appendToLogs(profile, bytes = HEADER) {
  const home = join(profile, 'Default/IndexedDB');
  return readdirSync(home)
    .filter((name) => name.endsWith('.leveldb'))
    .map((name) => {
      // Their names are numbers of as many digits.
      const newest = readdirSync(join(home, name))
        .filter((file) => file.endsWith('.log'))
        .sort()
        .at(-1);
      if (!newest) throw new Error(`no log in ${name}`);
      const log = join(home, name, newest);
      appendFileSync(log, bytes);
      return log;
    });
}
