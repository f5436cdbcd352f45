/** Comparing and joining what two savers made of one task. Pure. */
import { TaskStoreError } from '../core/errors.ts';
import { isObject } from '../core/json.ts';
import { type Fields, isSame } from './plain.ts';

type Items = readonly Fields[] | undefined;

const nothing: readonly never[] = [];

export function conflict(what = 'the task'): TaskStoreError {
  return new TaskStoreError('CONFLICT', `${what} was changed elsewhere too`);
}

/**
 * The items of `next` after those of `base`; undefined where `next` is something else than `base` with items added. That it
 * begins with `grown` is known.
 */
export function addedTo(base: Items, next: Items, grown?: Items): readonly Fields[] | undefined {
  if (base === next) return nothing;
  const { length } = base ?? nothing;
  if (!next) return undefined;
  for (let i = base === grown ? length : 0; i < length; i++) if (!isSame(next[i], base?.[i])) return undefined;
  return next.slice(length);
}

/** Whether `current` is `base` with items added, wherever they stand. */
export function isWithin(base: Items = nothing, current: Items = nothing): boolean {
  if (base === current) return true;
  let found = 0;
  for (const item of current) if (isSame(item, base[found])) found++;
  return found === base.length;
}

/** Whether one of the same id is there already, and is the same. */
export function isTwin<T>(item: T, list: readonly T[] | undefined, idOf: (item: T) => unknown): boolean {
  const twin = list?.find((other) => idOf(other) === idOf(item));
  if (twin && !isSame(twin, item)) throw conflict('an id');
  return twin !== undefined;
}

/**
 * `next`'s changes on top of `current`'s, key by key, into metadata too; `current` itself where there are none. `what`
 * names it, where both changed it to different values.
 */
export function merge<T>(next: T, base: T | undefined, current: T, what?: string): T {
  if (isSame(next, base) || isSame(next, current)) return current;
  if (isSame(base, current)) return next;
  if (!isObject(next) || !isObject(current)) throw conflict(what);
  const merged: [string, unknown][] = [];
  for (const key of new Set([...Object.keys(current), ...Object.keys(next)])) {
    const value = merge(next[key], isObject(base) ? base[key] : undefined, current[key], key);
    const isGone = value === undefined && !(Object.hasOwn(next, key) && Object.hasOwn(current, key));
    if (!isGone) merged.push([key, value]);
  }
  return Object.freeze(Object.fromEntries(merged)) as T;
}

type Status = Fields | undefined;

/** Two changes of the status agree where both say the same state; then the later is kept. */
export function mergeStatus(next: Status, base: Status, current: Status): Status {
  if (isSame(next, base) || isSame(next, current)) return current;
  if (isSame(base, current) || next?.state === current?.state) return next;
  throw conflict('the status');
}
