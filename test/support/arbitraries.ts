/** Random input for property tests: well-formed tasks, changes and operations, odd texts and ids among them. */
import fc from 'fast-check';
import {
  type Artifact,
  type Message,
  type Metadata,
  type Part,
  type TaskState,
  taskStates,
  type UpdateTaskParams,
} from '../../src/core/task.ts';

const oddText = fc.constantFrom('', '\u0000', '\ud800', '__proto__', '\u2028', '"\\\n', '𝕏', 'x'.repeat(5_000));
export const text: fc.Arbitrary<string> = fc.oneof({ weight: 4, arbitrary: fc.string({ maxLength: 20 }) }, oddText);

/** Of Node 24 and 26 (V8 13.6, 14.6): an escaped character in a name is taken for a backslash that a name before had in its place. */
const mixesUpNames = '\\' in [`{"a":0,"\\\\":0}`, `{"a":0,"\\n":0}`].map((json) => JSON.parse(json))[1];

/** What fields of objects may be called. */
export const fieldName = mixesUpNames ? text.filter((name) => !name.includes('\\')) : text;

/** JSON without `-0`, which JSON text cannot hold. */
export const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);

export const metadata = fc.dictionary(fieldName, json, { maxKeys: 3 }) as fc.Arbitrary<Metadata>;

const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

/** Drops keys whose value is undefined, as JSON does. */
const compact = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

export const part: fc.Arbitrary<Part> = fc
  .oneof(
    fc.record({ type: fc.constant('text' as const), text, metadata: optional(metadata) }),
    fc.record({ type: fc.constant('data' as const), data: json, extra: optional(json) }),
    fc.record({
      type: fc.constant('file' as const),
      file: fc.oneof(fc.record({ uri: text, name: optional(text) }), fc.record({ bytes: fc.base64String() })),
    }),
  )
  .map((value) => compact(value) as Part);

export const message: fc.Arbitrary<Message> = fc
  .record({
    role: fc.constantFrom('user' as const, 'agent' as const),
    parts: fc.array(part, { maxLength: 3 }),
    metadata: optional(metadata),
    messageId: optional(text),
  })
  .map(compact);

export const artifact: fc.Arbitrary<Artifact> = fc
  .record({
    index: optional(fc.integer({ min: 0, max: 3 })),
    parts: fc.array(part, { maxLength: 3 }),
    name: optional(text),
    description: optional(text),
    append: optional(fc.boolean()),
    lastChunk: optional(fc.constantFrom(false, false, false, true)),
    metadata: optional(metadata),
  })
  .map(compact);

export const state: fc.Arbitrary<TaskState> = fc.constantFrom(...taskStates);

export const updateParams: fc.Arbitrary<UpdateTaskParams> = fc
  .record({
    status: optional(
      fc.record({ state, message: optional(message), timestamp: optional(fc.constant('2026-05-06T07:08:09.123Z')) }),
    ),
    newMessages: optional(fc.array(message, { maxLength: 4 })),
    metadata: optional(metadata),
    artifactsUpdates: optional(fc.array(artifact, { maxLength: 3 })),
    pushNotification: optional(fc.record({ url: text, token: optional(text) })),
  })
  .map(compact);
