/**
 * What the SDK's objects can hold and JSON cannot, as JSON and back: undefined, `-0`, `NaN`, infinities, bytes and dates
 * become `{ $: kind, value }`.
 */
import { STORED_DEPTH } from '../core/json.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';

export type Fields = Record<string, unknown>;

/** An object that is nothing but its fields. */
export function isRecord(value: unknown): value is Fields {
  return tagOf(value) === '[object Object]';
}

/** A copy from which `fromPlain` makes the same value again. What it cannot tell (functions, cycles) is left for `copyJson` to refuse. */
export function toPlain(value: unknown, depth = 0): unknown {
  // `copyJson` refuses it, with the path.
  if (depth > STORED_DEPTH) return value;
  if (value === undefined) return { $: 'nothing' };
  if (value instanceof Uint8Array) return { $: 'bytes', value: encodeBase64(value) };
  if (value instanceof Date) return { $: 'date', value: String(+value) };
  if (Object.is(value, -0)) return { $: 'number', value: '-0' };
  if (typeof value === 'number') return Number.isFinite(value) ? value : { $: 'number', value: String(value) };
  if (Array.isArray(value)) return Array.from(value, (item) => toPlain(item, depth + 1));
  if (!isRecord(value)) return value;
  const fields = Object.entries(value).map(([key, field]) => [key, toPlain(field, depth + 1)]);
  const tagged = Object.fromEntries(fields) as Fields;
  return '$' in tagged ? { $: 'object', value: tagged } : tagged;
}

const makers: Readonly<Record<string, (text: string) => unknown>> = {
  nothing: () => undefined,
  bytes: decodeBase64,
  date: (time) => new Date(Number(time)),
  number: Number,
};

/** Whether JSON holds it as it is. */
export function isPlain(value: unknown): boolean {
  return typeof value === 'string' || isSame(toPlain(value), value);
}

/** The value that `toPlain` was given; deeply frozen, but for bytes and dates, of which each look gives a fresh copy. */
export function fromPlain(plain: unknown): unknown {
  if (typeof plain !== 'object' || plain === null) return plain;
  const { $, value } = plain as Fields;
  const make = makers[$ as string];
  return make ? make(value as string) : fill(Array.isArray(plain) ? [] : {}, $ ? (value as Fields) : plain);
}

function fill(target: object, plain: object): unknown {
  for (const [key, value] of Object.entries(plain)) {
    Object.defineProperty(target, key, { get: () => fromPlain(value), enumerable: true });
  }
  return Object.freeze(target);
}

/** Deep equality that tells an absent key from an undefined one, and compares bytes by their content. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || !a || !b || tagOf(a) !== tagOf(b)) return false;
  if (!Array.isArray(a) && !isRecord(a)) {
    const plain = toPlain(a);
    return plain !== a && isSame(plain, toPlain(b));
  }
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && isSame((a as Fields)[key], (b as Fields)[key]));
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value);
}
