/**
 * How changes lie in a journal, and what is made of damage.
 *
 * A record is one line: `<crc32> <length> <synced> <json>\n`. `length` is that of the JSON in bytes. `synced` is how much
 * of the journal, in bytes from its start, was known to be on the disk when the record was written; the checksum is over
 * all that follows it. JSON has no raw NUL and no raw newline, so a NUL can only be space that was reserved and never
 * reached the disk, and a newline only the end of a record.
 *
 * **Damage.** Reading stops at the first line that is no intact record:
 * - Nothing but NULs, or nothing at all, follows: the end.
 * - An incomplete last line (no newline, or holes of NULs): a write that was cut off. It was never acknowledged; it is cut.
 * - Intact records follow, but the damage has holes and no later record says that this place had been synced: the one
 *   write that was under way when the power went. Nothing in it was acknowledged as surviving that; it is cut.
 * - Anything else was written whole and has changed since: corruption, never cut.
 */
import { crc32 } from './crc32.ts';

const NEWLINE = 10;
const SPACE = 32;

/** Bytes before the JSON. Numbers are padded, so that the JSON can be put in its place before its length is known. */
const HEAD = 'crc-crc- 0123456789 0123456789012 '.length;

/** How many bytes a record may take. */
export function frameSpace(json: string): number {
  return HEAD + json.length * 3 + 1;
}

/** Puts a record into the buffer and answers its length; there must be `frameSpace` for it. */
export function putFrame(buffer: Buffer, at: number, json: string, synced: number): number {
  const length = buffer.write(json, at + HEAD);
  const end = at + HEAD + length;
  putNumber(buffer, at + 9, 10, 10, length);
  putNumber(buffer, at + 20, 13, 10, synced);
  putNumber(buffer, at, 8, 16, crc32(buffer.subarray(at + 9, end)));
  buffer[end] = NEWLINE;
  return HEAD + length + 1;
}

/** Padded with zeros, a space behind it. Written digit by digit: making texts of them would take longer than the checksum. */
function putNumber(buffer: Buffer, at: number, width: number, base: 10 | 16, value: number): void {
  let rest = value;
  buffer[at + width] = SPACE;
  for (let i = at + width - 1; i >= at; i--) {
    const digit = rest % base;
    buffer[i] = digit + (digit < 10 ? 48 : 87);
    rest = rest === digit ? 0 : (rest - digit) / base;
  }
}

export interface Frame {
  readonly json: string;
  readonly synced: number;
  /** Where the next record begins. */
  readonly next: number;
}

/** The intact record at `start`, or undefined. One whose very last byte, the newline, never arrived counts as intact. */
export function readFrame(bytes: Buffer, start: number): Frame | undefined {
  const lengthEnd = bytes.indexOf(SPACE, start + 9);
  const syncedEnd = bytes.indexOf(SPACE, lengthEnd + 1);
  if (bytes[start + 8] !== SPACE || lengthEnd < 0 || syncedEnd < 0 || syncedEnd - start > 48) return undefined;
  const [crc, length = '', synced] = bytes.toString('latin1', start, syncedEnd).split(' ');
  const end = syncedEnd + 1 + Number(length);
  if (!(end <= bytes.length) || ((bytes[end] ?? 0) > 0 && bytes[end] !== NEWLINE)) return undefined;
  if (
    crc32(bytes.subarray(start + 9, end))
      .toString(16)
      .padStart(8, '0') !== crc
  )
    return undefined;
  return { json: bytes.toString('utf8', syncedEnd + 1, end), synced: Number(synced), next: end + 1 };
}

export type JournalEnd =
  /** Everything up to here is intact; `cut` tells that an unfinished write follows. */
  { readonly end: number; readonly cut: boolean } | { readonly corruptAt: number };

/** What to make of the place where `readFrame` found no record. */
export function judgeEnd(bytes: Buffer, at: number): JournalEnd {
  if (at >= bytes.length || isBlank(bytes, at)) return { end: Math.min(at, bytes.length), cut: false };
  const later = nextFrame(bytes, at + 1);
  if (!later) return isComplete(bytes, at) ? { corruptAt: at } : { end: at, cut: true };
  const hasHole = bytes.subarray(at, later.start).includes(0);
  return hasHole && later.synced <= at ? { end: at, cut: true } : { corruptAt: at };
}

function isBlank(bytes: Buffer, from: number): boolean {
  for (let at = from; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** Whether what begins here ends like a whole write, so that no interrupted one can have left it. */
function isComplete(bytes: Buffer, from: number): boolean {
  let end = bytes.length;
  while (bytes[end - 1] === 0) end--;
  return bytes[end - 1] === NEWLINE && !bytes.subarray(from, end).includes(0);
}

/** The first intact record at or after `from`, with the furthest that any record from there on says was synced. */
function nextFrame(bytes: Buffer, from: number): { start: number; synced: number } | undefined {
  let first: number | undefined;
  let synced = 0;
  for (let at = from; at < bytes.length; ) {
    const found = readFrame(bytes, at);
    if (found) {
      first ??= at;
      synced = Math.max(synced, found.synced);
      at = found.next;
      continue;
    }
    at = nextStart(bytes, at);
  }
  return first === undefined ? undefined : { start: first, synced };
}

/** Records begin after a newline, or after a hole whose end swallowed the newline. */
function nextStart(bytes: Buffer, at: number): number {
  const newline = bytes.indexOf(NEWLINE, at);
  const hole = bytes.indexOf(0, at);
  if (hole >= 0 && (newline < 0 || hole < newline)) {
    let end = hole;
    while (bytes[end] === 0) end++;
    return end;
  }
  return newline < 0 ? bytes.length : newline + 1;
}
