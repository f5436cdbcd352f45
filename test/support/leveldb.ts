/** The files in which Chromium keeps IndexedDB. */
import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Of a record in a log: checksum, length 125, type. */
const HEADER = Uint8Array.of(0xd7, 0x39, 0xe0, 0x2a, 125, 0, 1);

/**
 * Does to the profile of a browser that does not run what a kill in the middle of a write does: of the last record there is
 * the header and nothing else. Answers the paths of the logs.
 */
export function leaveHalfARecord(profile: string): string[] {
  return appendToLogs(profile, HEADER);
}

/** Adds a record that is not what its checksum says. */
export function damageLogs(profile: string): string[] {
  return appendToLogs(profile, Uint8Array.of(...HEADER, ...new Uint8Array(125)));
}

function appendToLogs(profile: string, bytes: Uint8Array): string[] {
  const home = join(profile, 'Default/IndexedDB');
  const names = readdirSync(home, { recursive: true, encoding: 'utf8' });
  const logs = names.filter((name) => /\.leveldb\/\d+\.log$/.test(name)).map((name) => join(home, name));
  for (const log of logs) appendFileSync(log, bytes);
  return logs;
}
