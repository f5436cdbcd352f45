/**
 * How changes lie in a journal, and what is made of damage.
 *
 * One write is one line, `<crc32> <json>\n` or `<crc32> <synced> <json>\n`, and its JSON is a record or a list of them: changes
 * that were made at the same time lie in one line together. `synced` is how much of the journal, in bytes from its start, was
 * known to be on the disk when the line was written; where it does not stand it is as it last stood before. The checksum is over
 * all that follows it. JSON has no raw NUL and no raw newline, so a NUL can only be space that was reserved and never reached
 * the disk, and a newline only the end of a line.
 *
 * **Damage.** Reading stops at the first line that is not intact:
 * - Nothing but NULs, or nothing at all, follows: the end.
 * - An incomplete last line (no newline, or holes of NULs): a write that was cut off. It was never acknowledged; it is cut.
 * - Intact lines follow, but the damage has holes and no later line says that this place had been synced: the one write that was
 *   under way when the power went. Nothing in it was acknowledged as surviving that; it is cut.
 * - Anything else was written whole and has changed since: corruption, never cut.
 */
import { crc32 } from './crc32.ts';
import { indexOfByte } from './json-bytes.ts';

const NEWLINE = 10;
const SPACE = 32;
const OPEN = 91;
const COMMA = 44;
const CLOSE = 93;

/** Digits of the checksum, and of `synced`. */
const CRC = 8;
const SYNCED = 13;

/** How many bytes a line with these records may take. */
export function frameSpace(records: readonly string[]): number {
  let space = CRC + SYNCED + 5;
  for (const { length } of records) space += 3 * length + 1;
  return space;
}

/** Puts a line into the buffer and answers its length; there must be `frameSpace` for it. */
export function putFrame(buffer: Buffer, records: readonly string[], synced: number | undefined): number {
  let end = CRC + 1;
  if (synced !== undefined) {
    putNumber(buffer, end, SYNCED, 10, synced);
    end += SYNCED + 1;
  }
  const isList = records.length > 1;
  const start = end;
  for (const record of records) {
    if (isList) buffer[end] = end++ === start ? OPEN : COMMA;
    end += buffer.write(record, end);
  }
  if (isList) buffer[end++] = CLOSE;
  putNumber(buffer, 0, CRC, 16, crc32(buffer.subarray(CRC + 1, end)));
  buffer[end] = NEWLINE;
  return end + 1;
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

interface Frame {
  readonly json: string;
  /** 0 where it does not stand. */
  readonly synced: number;
  /** Where the next line begins. */
  readonly next: number;
}

/** The intact line at `start`, or undefined. One whose very last byte, the newline, never arrived counts as intact. */
export function readFrame(bytes: Buffer, start: number): Frame | undefined {
  const end = endOfLine(bytes, start);
  const body = start + CRC + 1;
  if (end <= body || bytes[body - 1] !== SPACE) return undefined;
  const crc = crc32(bytes.subarray(body, end)).toString(16).padStart(CRC, '0');
  if (bytes.toString('latin1', start, body - 1) !== crc) return undefined;
  const isPlain = bytes[body + SYNCED] !== SPACE || !isDigit(bytes[body]);
  const synced = isPlain ? 0 : Number(bytes.toString('latin1', body, body + SYNCED));
  return { json: bytes.toString('utf8', isPlain ? body : body + SYNCED + 1, end), synced, next: end + 1 };
}

/** A NUL ends a line, too: it stands where a newline did not reach the disk. */
function endOfLine(bytes: Buffer, start: number): number {
  const newline = indexOfByte(bytes, NEWLINE, start);
  const end = newline < 0 ? bytes.length : newline;
  const hole = bytes.subarray(start, end).indexOf(0);
  return hole < 0 ? end : start + hole;
}

/** A record begins with a brace or a bracket. */
function isDigit(byte = 0): boolean {
  return byte >= 48 && byte < 58;
}

type JournalEnd =
  /** Everything up to here is intact; `cut` tells that an unfinished write follows. */
  { readonly cut: boolean } | { readonly corruptAt: number };

/** What to make of the place where `readFrame` found no line. */
export function judgeEnd(bytes: Buffer, at: number): JournalEnd {
  if (at >= bytes.length || isBlank(bytes, at)) return { cut: false };
  const later = nextFrame(bytes, at + 1);
  if (!later) return isComplete(bytes, at) ? { corruptAt: at } : { cut: true };
  const hasHole = bytes.subarray(at, later.start).includes(0);
  return hasHole && later.synced <= at ? { cut: true } : { corruptAt: at };
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

/** The first intact line at or after `from`, with the furthest that any line from there on says was synced. */
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

/** Lines begin after a newline, or after a hole whose end swallowed the newline. */
function nextStart(bytes: Buffer, at: number): number {
  const newline = indexOfByte(bytes, NEWLINE, at);
  const hole = indexOfByte(bytes, 0, at);
  if (hole >= 0 && (newline < 0 || hole < newline)) {
    let end = hole;
    while (bytes[end] === 0) end++;
    return end;
  }
  return newline < 0 ? bytes.length : newline + 1;
}
