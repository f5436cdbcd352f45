/**
 * Checks of shape on the store's hot path: a handful of combinators that name every bad field.
 *
 * The model's published schemas are zod's (`schemas.ts`), and the wire, the endpoint and imports use those. The store itself
 * does not: zod is half of the size budget of the whole browser build and takes several times as long per streamed chunk.
 * A property test holds the two to the same verdict on every value.
 */
import { type FieldIssue, invalidArgument } from './errors.ts';
import { copyJson, isObject, MAX_DEPTH } from './json.ts';

/** Adds an issue for each thing wrong with `value`; `path` is where it stands, used as a stack so that good values cost no copy of it. */
export type Shape = (value: unknown, path: (string | number)[], issues: FieldIssue[]) => void;

/** A frozen copy of `value`, checked; what was checked is what is kept. Throws `INVALID_ARGUMENT` with every bad field. */
export function validate<T>(shape: Shape, value: T): T {
  const copied = copyJson(value, MAX_DEPTH);
  check(shape, copied);
  return copied;
}

/** Throws `INVALID_ARGUMENT` with every bad field of an argument that is not kept. */
export function check(shape: Shape, value: unknown): void {
  const issues: FieldIssue[] = [];
  shape(value, [], issues);
  if (issues.length > 0) throw invalidArgument(issues);
}

export function is(test: (value: unknown) => boolean, expected: string): Shape {
  return (value, path, issues) => {
    if (!test(value)) issues.push({ path: [...path], message: `expected ${expected}` });
  };
}

export function oneOf(...values: readonly unknown[]): Shape {
  return is((value) => values.includes(value), values.map((value) => JSON.stringify(value)).join(' or '));
}

export function optional(shape: Shape): Shape {
  return (value, path, issues) => {
    if (value !== undefined) shape(value, path, issues);
  };
}

export function list(item: Shape): Shape {
  return (value, path, issues) => {
    if (!Array.isArray(value)) issues.push({ path: [...path], message: 'expected an array' });
    else for (let i = 0; i < value.length; i++) within(i, item, value[i], path, issues);
  };
}

/** An object with at least these fields; others are nobody's business. `further` checks what one field alone cannot tell. */
export function object(fields: Readonly<Record<string, Shape>>, further?: Shape): Shape {
  const names = Object.keys(fields);
  const shapes = Object.values(fields);
  return (value, path, issues) => {
    if (!isObject(value)) {
      issues.push({ path: [...path], message: 'expected an object' });
      return;
    }
    // On the way of every streamed chunk, so a plain loop without destructuring.
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string;
      within(name, shapes[i] as Shape, value[name], path, issues);
    }
    further?.(value, path, issues);
  };
}

/** Checks a field of what stands at `path`. */
function within(
  key: string | number,
  shape: Shape,
  value: unknown,
  path: (string | number)[],
  issues: FieldIssue[],
): void {
  path.push(key);
  shape(value, path, issues);
  path.pop();
}

export const callable: Shape = is((value) => typeof value === 'function', 'a function');
export const text: Shape = is((value) => typeof value === 'string', 'a string');
export const id: Shape = is((value) => typeof value === 'string' && value !== '', 'a string that is not empty');
export const bool: Shape = oneOf(true, false);
export const flag: Shape = optional(bool);
export const count: Shape = is(
  (value) => Number.isInteger(value) && (value as number) >= 0,
  'a whole number of 0 or more',
);
export const amount: Shape = is((value) => Number.isInteger(value) && (value as number) > 0, 'a whole number over 0');
export const duration: Shape = is((ms) => typeof ms === 'number' && ms > 0, 'a number over 0');
export const time: Shape = is(
  (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)),
  'an ISO 8601 time',
);
