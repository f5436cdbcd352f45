/**
 * Elkar's JSON as our endpoint reads and writes it: the other side of `wire.ts`. What clients of ours sent in tags is put
 * back where it belongs and stored as such; only the op of an item stays in its `metadata.holdfast`, since clients ask
 * for it. Unknown keys are kept and answered as they came.
 */
import { isObject, type Json } from '../core/json.ts';
import type {
  Artifact,
  Message,
  Part,
  StoredTask,
  Task,
  TaskSendParams,
  TaskStatus,
  UpdateTaskParams,
} from '../core/task.ts';
import {
  decode,
  isKnown,
  type Model,
  splitKnown,
  tagOf,
  takeTag,
  toCamelCase,
  wireStates,
  withTag,
} from './wire-items.ts';
import { decodePushNotification } from './wire-push.ts';

// Requests. Of the wrong shape they come out in the wrong shape, for the checks of the core to name.

/** What may be null of send params. */
const paramsKeys = ['sessionId', 'metadata', 'acceptedOutputModes', 'pushNotification', 'historyLength'];

export function readSendParams(wire: unknown): TaskSendParams {
  if (!isObject(wire)) return wire as never;
  const params: Json = {};
  for (const [key, value] of Object.entries(wire)) {
    const name = toCamelCase(key);
    const isNamed = paramsKeys.includes(name);
    if (isNamed && value !== null) params[name] = value;
    else if (!isNamed) Object.defineProperty(params, key, { value, enumerable: true, writable: true });
  }
  if (params.pushNotification !== undefined) params.pushNotification = readPushNotification(params.pushNotification);
  return { ...params, message: readMessage(params.message) } as TaskSendParams;
}

export function readUpdate(wire: Json): UpdateTaskParams {
  const { status, artifacts_updates, new_messages, push_notification, metadata } = wire;
  return {
    ...(status != null && { status: readStatus(status) }),
    ...(new_messages != null && { newMessages: each(new_messages, readMessage) as Message[] }),
    ...(artifacts_updates != null && { artifactsUpdates: each(artifacts_updates, readArtifact) as Artifact[] }),
    ...(push_notification != null && { pushNotification: readPushNotification(push_notification) }),
    ...(metadata != null && { metadata: metadata as Json }),
  } as UpdateTaskParams;
}

/** A whole task, with what the first message (or the task's own tag) says was dropped of it. */
export function readTask(wire: unknown): Task {
  if (!isObject(wire)) return wire as never;
  const decoded = decode<Task>('task', wire);
  const task = { ...decoded };
  const { history, artifacts } = task;
  const { noSession, keys } = tagOf(Array.isArray(history) && history[0]).task ?? tagOf(decoded).task ?? {};
  if (noSession) delete task.sessionId;
  if (isObject(task.status)) task.status = keepOpInside(task.status);
  if (history !== undefined) task.history = each(history, keepOps) as Message[];
  if (artifacts !== undefined) task.artifacts = each(artifacts, keepOps) as Artifact[];
  return isObject(keys) ? { ...task, ...keys } : task;
}

function each(wire: unknown, read: (item: unknown) => unknown): unknown {
  return Array.isArray(wire) ? wire.map(read) : wire;
}

function readMessage(wire: unknown): unknown {
  return keepOps(decode('message', wire));
}

function readArtifact(wire: unknown): unknown {
  return keepOps(decode('artifacts', wire));
}

function readStatus(wire: unknown): TaskStatus {
  return keepOpInside(decode('status', wire));
}

function keepOpInside(status: TaskStatus): TaskStatus {
  return isObject(status) && status.message ? { ...status, message: keepOps(status.message) as Message } : status;
}

/** Of a message or an artifact, and of its parts. */
function keepOps(item: unknown): unknown {
  if (!isObject(item) || !Array.isArray(item.parts)) return item;
  const { op } = tagOf(item);
  return withOp({ ...item, parts: item.parts.map(keepOp) }, op);
}

function keepOp(item: unknown): unknown {
  return withOp(item, tagOf(item).op);
}

/** The op stays; so does the wrapping of a user's own value under the reserved key, which clients will take off. */
function withOp(item: unknown, op: string | undefined): unknown {
  return isObject(item) && (item.metadata === undefined || isObject(item.metadata)) ? withTag(item, { op }) : item;
}

function readPushNotification(wire: unknown): unknown {
  return decodePushNotification(wire) ?? wire;
}

// Answers.

/** A TaskResponse. */
export function writeTaskResponse(stored: StoredTask, rowId: string, callerId: string | null): Json {
  const { id, taskType, task, pushNotification, createdAt, updatedAt, isStreaming, agentUrl } = stored;
  const wire = writeTask(task);
  return {
    id: rowId,
    task_type: taskType,
    state: (wire.status as TaskStatus).state,
    a2a_task: wire,
    // Python's model wraps the configuration; Rust's does not.
    push_notification: pushNotification ? { ...pushNotification, id, pushNotificationConfig: pushNotification } : null,
    created_at: createdAt,
    updated_at: updatedAt,
    counterparty_identifier: callerId,
    is_streaming: isStreaming,
    ...(agentUrl !== undefined && { agent_url: agentUrl }),
  };
}

function writeTask(task: Task): Json {
  const { status, history, artifacts, ...body } = task;
  const { said, untold: keys } = apart('task', body);
  return withTag(
    {
      ...said,
      status: writeStatus(status),
      ...(history && { history: history.map(writeMessage) }),
      ...(artifacts && { artifacts: artifacts.map(writeArtifact) }),
    },
    { keys },
  );
}

/** The fields of an item, and apart those that readers would take for another spelling of one of ours: they go into the tag. */
function apart(model: Model, item: Json): { said: Json; untold: Json | undefined } {
  const isTaken = (name: string) => !isKnown(model, name) && isKnown(model, toCamelCase(name));
  // Nearly all have none.
  if (!Object.keys(item).some(isTaken)) return { said: item, untold: undefined };
  const [said, untold] = [false, true].map((isWanted) =>
    Object.fromEntries(Object.entries(item).filter(([name]) => isTaken(name) === isWanted)),
  );
  return { said: said as Json, untold };
}

/** `item` with these fields told in its tag; what the tag holds already stands in what is stored. */
function tell(item: Json, name: 'keys' | 'file', untold: Json | undefined): Json {
  if (!untold) return item;
  const told = { ...item };
  return withTag(told, { ...takeTag(told), [name]: untold });
}

/** Python's model knows Elkar's states only. */
function writeStatus(status: TaskStatus): Json {
  const state = wireStates[status.state];
  const message = status.message && { message: writeMessage(status.message) };
  return withTag({ ...status, ...(state && { state }), ...message }, state ? { state: status.state } : {});
}

function writeMessage(message: Message): Message {
  return message.parts.some(({ type }) => type === 'file')
    ? { ...message, parts: message.parts.map(writePart) }
    : message;
}

function writeArtifact({ index = 0, ...artifact }: Artifact): Json {
  const { said, untold } = apart('artifacts', { index, ...artifact });
  const { known, keys } = splitKnown('artifacts', said);
  return tell({ ...keys, ...known, parts: artifact.parts.map(writePart) }, 'keys', untold);
}

function writePart(part: Part): Part {
  if (part.type !== 'file') return part;
  const { said, untold } = apart('file', part.file);
  const { known, keys } = splitKnown('file', said);
  return tell({ ...part, file: { ...keys, ...known } }, 'file', untold) as Part;
}
