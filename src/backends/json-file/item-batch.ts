/** Items that are made one JSON text: of short ones that takes half the time of a text each. */
import { isObject } from '../../core/json.ts';

/** The longest text of several items, in characters, or about that. */
const LONGEST = 32 * 1024;

/** Where the items end, `limit` at the latest, that are made one text with the one at `start`. */
export function endOfBatch(items: readonly unknown[], start: number, limit: number): number {
  let end = start + 1;
  for (let length = lengthOf(items[start]); end < limit; end++) {
    length += lengthOf(items[end]);
    if (length > LONGEST) break;
  }
  return end;
}

/** About how long a value is as JSON. */
function lengthOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  let length = 8;
  if (Array.isArray(value)) for (const item of value) length += lengthOf(item);
  else if (isObject(value)) for (const name in value) length += name.length + lengthOf(value[name]);
  return length;
}
