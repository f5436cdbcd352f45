import { invalidField } from './errors.ts';

export type Json = { [key: string]: unknown };

/** An object that is no array. */
export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Deeper arguments are refused: engines overflow their stacks on them at depths that differ. */
export const MAX_DEPTH = 500;

/** What was taken in lies a little deeper where it is stored, and must come back. */
export const STORED_DEPTH = MAX_DEPTH + 10;

/**
 * A deep, frozen copy of a JSON value. Taken once, on the way in: from then on the store, its snapshots and its
 * watchers can share it, since nobody can change it.
 *
 * Keeps every own key, `__proto__` included, and lone surrogates. Properties that are `undefined` are left out and `-0`
 * becomes `0`, as JSON would have it. What JSON cannot hold (functions, dates, NaN, cycles, …) is an
 * `INVALID_ARGUMENT` that names the field.
 */
export function copyJson<T>(value: T, maxDepth = STORED_DEPTH): T {
  return copy(value, [], maxDepth) as T;
}

function copy(value: unknown, path: (string | number)[], maxDepth: number): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (!Number.isFinite(value)) throw invalidField(path, `${value} is not a JSON number`);
      return value === 0 ? 0 : value;
    case 'object':
      return value === null ? null : copyContainer(value, path, maxDepth);
    default:
      throw invalidField(path, `${typeof value} is not a JSON value`);
  }
}

function copyContainer(value: object, path: (string | number)[], maxDepth: number): unknown {
  if (path.length > maxDepth) throw invalidField(path.slice(0, 8), `nested deeper than ${maxDepth} levels, or a cycle`);
  if (Array.isArray(value)) {
    const result = new Array<unknown>(value.length);
    for (let i = 0; i < value.length; i++) {
      path.push(i);
      result[i] = copy(value[i], path, maxDepth);
      path.pop();
    }
    return Object.freeze(result);
  }
  const tag = Object.prototype.toString.call(value);
  if (tag !== '[object Object]') throw invalidField(path, `${tag.slice(8, -1)} is not a JSON value`);
  const result: Record<string, unknown> = {};
  // Of the ways to go through an object this one makes no list of its keys.
  for (const key in value) {
    const field = (value as Record<string, unknown>)[key];
    if (field === undefined || !Object.hasOwn(value, key)) continue;
    path.push(key);
    const copied = copy(field, path, maxDepth);
    path.pop();
    // A plain assignment to this one name would set the prototype instead.
    if (key === '__proto__') Object.defineProperty(result, key, { value: copied, enumerable: true });
    else result[key] = copied;
  }
  return Object.freeze(result);
}
