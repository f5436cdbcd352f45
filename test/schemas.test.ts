import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { check, type Shape } from '../src/core/shape.ts';
import { storedTaskShape, taskSendParamsShape, taskShape, updateTaskParamsShape } from '../src/core/task-shapes.ts';
import { storedTaskSchema, taskSchema, taskSendParamsSchema, updateTaskParamsSchema } from '../src/schemas.ts';
import { artifact, message, updateParams } from './support/arbitraries.ts';
import { scaled, seeded } from './support/long.ts';

/** A well-formed value of each model with every field present, to spoil one field at a time. */
const push = { url: 'u', token: 't', authentication: { schemes: ['s'], credentials: 'c' } };
const full = (item: unknown, artifacts: unknown, update: object) => {
  const status = { state: 'working', message: item, timestamp: '2026-01-01T00:00:00Z' };
  const task = { id: 't', sessionId: 's', status, history: [item], artifacts: [artifacts], metadata: {} };
  const stored = { id: 't', callerId: 'c', taskType: 'incoming', isStreaming: true, task, pushNotification: push };
  return {
    task,
    stored: { ...stored, createdAt: '2026-01-01T00:00:00Z', updatedAt: '2026-01-01T00:00:00Z', agentUrl: 'a' },
    send: {
      id: 't',
      sessionId: 's',
      message: item,
      acceptedOutputModes: ['x'],
      pushNotification: push,
      historyLength: 1,
    },
    update: {
      status,
      newMessages: [item],
      artifactsUpdates: [artifacts],
      pushNotification: push,
      callerId: 'c',
      taskType: 'outgoing',
      ...update,
    },
  };
};

const pairs = {
  task: [taskShape, taskSchema],
  stored: [storedTaskShape, storedTaskSchema],
  send: [taskSendParamsShape, taskSendParamsSchema],
  update: [updateTaskParamsShape, updateTaskParamsSchema],
} as const;

const accepts = (shape: Shape, value: unknown): boolean => {
  try {
    check(shape, value);
    return true;
  } catch {
    return false;
  }
};

/** Replaces (or removes) what stands at a random place of a value. */
function spoil(value: unknown, picks: readonly number[], by: unknown): unknown {
  const [pick = 0, ...rest] = picks;
  if (typeof value !== 'object' || value === null || rest.length === 0) return by;
  const keys = Object.keys(value);
  if (keys.length === 0) return by;
  const key = keys[pick % keys.length] as string;
  const child = spoil((value as Record<string, unknown>)[key], rest, by);
  if (Array.isArray(value)) return value.map((item, i) => (String(i) === key ? child : item));
  const { [key]: _, ...others } = value as Record<string, unknown>;
  return child === undefined ? others : { ...others, [key]: child };
}

const wrong = fc.constantFrom<unknown[]>(
  undefined,
  null,
  0,
  1,
  -1,
  0.5,
  '',
  'x',
  true,
  [],
  {},
  [1],
  { type: 'text' },
  'user',
  '2026-01-01',
);

describe('the published schemas and the checks of the store', () => {
  it('give the same verdict on whatever they are shown', () => {
    const verdicts = { yes: 0, no: 0 };
    fc.assert(
      fc.property(
        message,
        artifact,
        updateParams,
        fc.constantFrom(...(Object.keys(pairs) as (keyof typeof pairs)[])),
        fc.array(fc.nat(20), { maxLength: 8 }),
        wrong,
        (item, artifacts, update, name, picks, by) => {
          const [shape, schema] = pairs[name];
          const good = full(item, artifacts, update)[name];
          expect(accepts(shape, good)).toBe(true);
          const spoiled = spoil(good, picks, by);
          const verdict = schema.safeParse(spoiled).success;
          verdicts[verdict ? 'yes' : 'no']++;
          expect(accepts(shape, spoiled)).toBe(verdict);
        },
      ),
      { numRuns: scaled(2_000, 40_000), ...seeded('schemas') },
    );
    // Both verdicts must have come up often, or the property says little.
    expect(Math.min(verdicts.yes, verdicts.no)).toBeGreaterThan(100);
  });
});
