/** Checks that arguments have the shape of the model in `task.ts`. */
import { invalidField } from './errors.ts';
import { type KeyOptions, keyOf, type TaskKey } from './head.ts';
import {
  amount,
  bool,
  callable,
  check,
  count,
  flag,
  id,
  is,
  list,
  object,
  oneOf,
  optional,
  type Shape,
  text,
  time,
} from './shape.ts';
import { type FilePart, type Part, type StoredTask, taskStates } from './task.ts';

const optionalText = optional(text);
const metadata = optional(object({}));

const fileShape = object(
  { name: optionalText, mimeType: optionalText, bytes: optionalText, uri: optionalText },
  is(
    (file) => ((file as FilePart['file']).bytes === undefined) !== ((file as FilePart['file']).uri === undefined),
    'exactly one of bytes, uri',
  ),
);
const parts = new Map<unknown, Shape>([
  ['text', object({ text, metadata })],
  ['file', object({ file: fileShape, metadata })],
  ['data', object({ data: is((data) => data !== undefined, 'a JSON value'), metadata })],
]);
const partType = oneOf(...parts.keys());

const part: Shape = object({ type: partType }, (value, path, issues) =>
  parts.get((value as Part).type)?.(value, path, issues),
);

const message = object({ role: oneOf('user', 'agent'), parts: list(part), metadata });

const artifact = object({
  index: optional(count),
  parts: list(part),
  name: optionalText,
  description: optionalText,
  append: flag,
  lastChunk: flag,
  metadata,
});

export const stateShape: Shape = oneOf(...taskStates);

const status = object({ state: stateShape, message: optional(message), timestamp: optional(time) });

export const taskShape: Shape = object({
  id,
  sessionId: optionalText,
  status,
  history: optional(list(message)),
  artifacts: optional(list(artifact)),
  metadata,
});

const pushNotification = optional(
  object({
    url: text,
    token: optionalText,
    authentication: optional(object({ schemes: list(text), credentials: optionalText })),
  }),
);

export const taskSendParamsShape: Shape = object({
  id,
  sessionId: optionalText,
  message,
  acceptedOutputModes: optional(list(text)),
  pushNotification,
  historyLength: optional(count),
  metadata,
});

const callerId = optional(id);
const taskType = oneOf('incoming', 'outgoing');

export const updateTaskParamsShape: Shape = object({
  status: optional(status),
  newMessages: optional(list(message)),
  metadata,
  artifactsUpdates: optional(list(artifact)),
  pushNotification,
  callerId,
  taskType: optional(taskType),
});

export const storedTaskShape: Shape = object({
  id,
  callerId,
  taskType,
  isStreaming: bool,
  task: taskShape,
  pushNotification,
  createdAt: time,
  updatedAt: time,
  agentUrl: optionalText,
});

/** Checks what is to be taken in as a stored task. Throws `INVALID_ARGUMENT`. */
export function checkStoredTask(stored: StoredTask): void {
  check(storedTaskShape, stored);
  if (stored.task.id !== stored.id) throw invalidField(['task', 'id'], 'expected the same as id');
}

/** The options of all calls together; each takes some of them. */
export const optionsShape: Shape = object({
  signal: optional(object({ throwIfAborted: callable })),
  callerId,
  taskType: optional(taskType),
  historyLength: optional(count),
  includeArtifacts: flag,
  isStreaming: flag,
  agentUrl: optionalText,
  until: optional(oneOf('local', 'remote')),
  onConflict: optional(oneOf('skip', 'replace')),
});

/** A task's id that is an argument of its own. */
export const taskIdShape: Shape = object({ taskId: id });

/** The task that a call means by such an id. Throws `INVALID_ARGUMENT` where it names none. */
export function checkedKey(taskId: string, options: KeyOptions): TaskKey {
  // A check in full takes a third of the time of a read from memory.
  if (!taskId || typeof taskId !== 'string') check(taskIdShape, { taskId });
  return keyOf(taskId, options);
}

/** What a list takes besides. */
export const listQueryShape: Shape = object({
  allCallers: flag,
  state: optional((value, path, issues) => (Array.isArray(value) ? list(stateShape) : stateShape)(value, path, issues)),
  sessionId: optionalText,
  updatedAfter: optional(time),
  order: optional(oneOf('newest', 'oldest')),
  limit: optional(amount),
  cursor: optionalText,
});
