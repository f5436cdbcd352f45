/** Random tasks of the official A2A SDK, as 1.x and 0.3.x hold them: well-formed ones, and odd ones that JavaScript lets through. */
import fc from 'fast-check';
import { fieldName, text } from './arbitraries.ts';

type Fields = Record<string, unknown>;

const time = fc
  .date({ min: new Date('2020-01-01T00:00:00Z'), max: new Date('2030-01-01T00:00:00Z'), noInvalidDate: true })
  .map((date) => date.toISOString());
const oddTime = fc.constantFrom(undefined, '', 'yesterday', '2026-05-06', '2026-05-06T07:08:09+02:00', '2026-13-99');
const timestamp = fc.oneof({ weight: 3, arbitrary: time }, oddTime);

const json = fc.jsonValue({ maxDepth: 3 });
/** What structured clones hold and JSON does not. */
const odd = fc.constantFrom<unknown>(undefined, Number.NaN, -0, Number.POSITIVE_INFINITY);
const oddObject = fc.constantFrom<unknown>({ $: 'bytes' }, { $: 1, a: [undefined] }, new Date(0), [
  new Uint8Array([7]),
]);
const value = fc.oneof({ weight: 6, arbitrary: json }, odd, oddObject);
const named = fc.oneof(fieldName, fc.constantFrom('$', 'a2a'));
const record = fc.dictionary(named, value, { maxKeys: 3, noNullPrototype: true });
const metadata = fc.option(record, { nil: undefined });
const texts = fc.array(text, { maxLength: 2 });

/** Drops some keys, and adds one at times: objects that were written by hand. */
function loosely(arbitrary: fc.Arbitrary<Fields>, required: readonly string[] = []): fc.Arbitrary<Fields> {
  const loose = fc
    .tuple(arbitrary, fc.array(fc.nat(9), { maxLength: 3 }), fc.option(value, { nil: undefined }))
    .map(([object, dropped, extra]) => {
      const keys = Object.keys(object).filter((key, i) => required.includes(key) || !dropped.includes(i));
      const kept = Object.fromEntries(keys.map((key) => [key, object[key]]));
      return extra === undefined ? kept : { ...kept, extra };
    });
  return fc.oneof({ weight: 3, arbitrary }, loose);
}

const bytes = fc.uint8Array({ maxLength: 40 });
const content = fc.oneof(
  text.map((value) => ({ $case: 'text', value })),
  bytes.map((value) => ({ $case: 'raw', value })),
  text.map((value) => ({ $case: 'url', value })),
  value.map((value) => ({ $case: 'data', value })),
  fc.constantFrom(undefined, { $case: 'data', value: null }, { $case: 'data', value: undefined }, { $case: 'later' }),
);

const part = loosely(fc.record({ content, metadata, filename: text, mediaType: text }));

const message = loosely(
  fc.record({
    messageId: text,
    contextId: text,
    taskId: text,
    role: fc.constantFrom(1, 2, 1, 2, 0, -1),
    parts: fc.array(part, { maxLength: 3 }),
    metadata,
    extensions: texts,
    referenceTaskIds: texts,
  }),
);

const status = loosely(
  fc.record({
    state: fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 8, -1),
    message: fc.option(message, { nil: undefined }),
    timestamp,
  }),
);

const artifact = loosely(
  fc.record({
    artifactId: text,
    name: text,
    description: text,
    parts: fc.array(part, { maxLength: 4 }),
    metadata,
    extensions: texts,
  }),
);

export const newId = fc.oneof(
  fc.uuid(),
  text.filter((id) => id !== ''),
);

/** A `Task` of 1.x. */
export const task10 = (id: fc.Arbitrary<string> = newId): fc.Arbitrary<Fields> =>
  loosely(
    fc.record({
      id,
      contextId: text,
      status: fc.option(status, { nil: undefined, freq: 9 }),
      artifacts: fc.array(artifact, { maxLength: 3 }),
      history: fc.array(message, { maxLength: 4 }),
      metadata,
    }),
    ['id'],
  ).map((task) => structuredClone(task));

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
/** Absent, rather than undefined. */
const compact = (object: Fields) =>
  Object.fromEntries(Object.entries(object).filter(([, field]) => field !== undefined));

const part03 = loosely(
  fc
    .oneof(
      fc.record({ kind: fc.constant('text'), text, metadata }),
      fc.record({ kind: fc.constant('data'), data: record, metadata }),
      fc.record({
        kind: fc.constant('file'),
        file: fc
          .oneof(
            fc.record({ bytes: fc.base64String(), name: optional(text), mimeType: optional(text) }),
            fc.record({ uri: text, name: optional(text) }),
          )
          .map(compact),
        metadata,
      }),
    )
    .map(compact),
);

const message03 = loosely(
  fc
    .record({
      kind: fc.constant('message'),
      messageId: text,
      role: fc.constantFrom('user', 'agent'),
      parts: fc.array(part03, { maxLength: 3 }),
      contextId: optional(text),
      taskId: optional(text),
      metadata,
      extensions: optional(texts),
      referenceTaskIds: optional(texts),
    })
    .map(compact),
);

const states03 = ['submitted', 'working', 'input-required', 'completed', 'canceled', 'failed', 'rejected', 'unknown'];

/** A `Task` of 0.3.x. */
export const task03 = (id: fc.Arbitrary<string> = newId): fc.Arbitrary<Fields> =>
  loosely(
    fc
      .record({
        kind: fc.constant('task'),
        id,
        contextId: text,
        status: loosely(
          fc
            .record({
              state: fc.constantFrom(...states03, 'auth-required', 'later'),
              message: optional(message03),
              timestamp,
            })
            .map(compact),
        ),
        artifacts: optional(
          fc.array(
            loosely(
              fc
                .record({
                  artifactId: text,
                  name: optional(text),
                  description: optional(text),
                  parts: fc.array(part03, { maxLength: 4 }),
                  metadata,
                  extensions: optional(texts),
                })
                .map(compact),
            ),
            { maxLength: 3 },
          ),
        ),
        history: optional(fc.array(message03, { maxLength: 4 })),
        metadata,
      })
      .map(compact),
    ['kind', 'id'],
  ).map((task) => structuredClone(task));
