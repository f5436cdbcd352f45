/** The items of one tail as they lie in a line of the file, and how they are read: never all of them as one text. */
import { endOfValue } from './json-bytes.ts';

/** Bytes from the line's start, without the brackets. */
export interface Section {
  readonly start: number;
  readonly end: number;
  readonly count: number;
  /** Where every `MARK_STEP`th item begins, in bytes from `start`. */
  readonly marks: readonly number[];
}

export const MARK_STEP = 64;

/** So much is parsed at a time, unless one item alone is longer: what makes one text has a limit. */
const MARKS_AT_ONCE = 128;
export const BYTES_AT_ONCE = 16 * 1024 * 1024;

/** The bytes, from the line's start, of the items from the last mark before `from` up to at least `to`: chunk by chunk. */
export function* chunks(
  { start, end, marks }: Section,
  from: number,
  to: number,
): Generator<readonly [start: number, end: number]> {
  const last = Math.ceil(to / MARK_STEP);
  // A mark stands behind the comma that ends what comes before it.
  const startOf = (mark: number) => (mark < marks.length ? start + (marks[mark] as number) : end + 1);
  for (let mark = Math.floor(from / MARK_STEP); mark < last; ) {
    const first = startOf(mark);
    const limit = Math.min(last, mark + MARKS_AT_ONCE);
    do mark++;
    while (mark < limit && startOf(mark + 1) - first <= BYTES_AT_ONCE);
    yield [first, startOf(mark) - 1];
  }
}

/** The items in these bytes, which have nothing but commas between them. Throws where they are no JSON. */
export function parseItems(bytes: Buffer): unknown[] {
  if (bytes.length <= BYTES_AT_ONCE) return JSON.parse(`[${bytes}]`);
  const items: unknown[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = endOfValue(bytes, at) ?? bytes.length;
    items.push(JSON.parse(bytes.toString('utf8', at, end)));
    at = end + 1;
  }
  return items;
}
