/**
 * What the SDK's objects can hold and JSON cannot, as JSON and back: undefined, `-0`, `NaN`, infinities, big integers,
 * bytes and dates become `{ $: kind, value }`.
 */
import { copyJson } from '../core/json.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';

export type Fields = Record<string, unknown>;

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A frozen JSON copy from which `fromPlain` makes the same value again. Throws `INVALID_ARGUMENT` for functions, cycles, … */
export function toPlain(value: unknown): unknown {
  return copyJson(tag(value, 0));
}

/** So deep that `copyJson` refuses it by itself, with the path. */
const TOO_DEEP = 600;

function tag(value: unknown, depth: number): unknown {
  if (depth > TOO_DEEP) return value;
  if (value === undefined) return { $: 'undefined' };
  if (typeof value === 'bigint') return { $: 'bigint', value: String(value) };
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? value : tagNumber(value);
  if (value instanceof Uint8Array) return { $: 'bytes', value: encodeBase64(value) };
  if (value instanceof Date) return { $: 'date', value: tag(value.getTime(), depth) };
  if (Array.isArray(value)) return Array.from(value, (item) => tag(item, depth + 1));
  if (!isObject(value) || Object.prototype.toString.call(value) !== '[object Object]') return value;
  const tagged = Object.fromEntries(Object.entries(value).map(([key, field]) => [key, tag(field, depth + 1)]));
  return Object.hasOwn(value, '$') ? { $: 'object', value: tagged } : tagged;
}

function tagNumber(value: number) {
  return { $: 'number', value: Object.is(value, -0) ? '-0' : String(value) };
}

/** The value that `toPlain` was given; deeply frozen, but for bytes and dates, of which each look gives a fresh copy. */
export function fromPlain(plain: unknown): unknown {
  if (Array.isArray(plain)) return fill([], plain);
  if (!isObject(plain)) return plain;
  const { $, value } = plain;
  switch ($) {
    case undefined:
      return fill({}, plain);
    case 'undefined':
      return undefined;
    case 'bigint':
      return BigInt(value as string);
    case 'number':
      return Number(value);
    case 'bytes':
      return decodeBase64(value as string);
    case 'date':
      return new Date(fromPlain(value) as number);
    default:
      return fill({}, value as Fields);
  }
}

function fill(target: object, plain: object): unknown {
  for (const [key, value] of Object.entries(plain)) {
    const mutable = isObject(value) && (value.$ === 'bytes' || value.$ === 'date');
    const field = mutable ? { get: () => fromPlain(value) } : { value: fromPlain(value) };
    Object.defineProperty(target, key, { ...field, enumerable: true });
  }
  return Object.freeze(target);
}

/** Deep equality that tells an absent key from an undefined one, and compares bytes by their content. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => isSame(item, b[i]));
  if (a instanceof Uint8Array) {
    return b instanceof Uint8Array && a.length === b.length && a.every((byte, i) => byte === b[i]);
  }
  if (a instanceof Date) return b instanceof Date && Object.is(a.getTime(), b.getTime());
  if (Array.isArray(b) || b instanceof Uint8Array || b instanceof Date) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  for (const key of keys) if (!Object.hasOwn(b, key) || !isSame((a as Fields)[key], (b as Fields)[key])) return false;
  return true;
}
