/**
 * Elkar's JSON as our endpoint reads and writes it: the other side of `wire.ts`. What clients of ours sent in tags is put
 * back where it belongs and stored as such; only the op of an item stays in its `metadata.holdfast`, since clients ask
 * for it. Unknown keys are kept and answered as they came.
 */
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
import { decodePushNotification } from './wire-answers.ts';
import {
  artifactSpellings,
  bothSpellings,
  decodeArtifact,
  decodeMessage,
  decodeStatus,
  dropNulls,
  fileSpellings,
  isObject,
  type Json,
  oneSpelling,
  sendSpellings,
  sentAs,
  type Tag,
  takeTag,
  taskKeys,
  withTag,
} from './wire-items.ts';

// Requests. Of the wrong shape they come out in the wrong shape, for the checks of the core to name.

const paramsKeys = new Set(['sessionId', 'metadata', 'acceptedOutputModes', 'pushNotification', 'historyLength']);

export function readSendParams(wire: unknown): TaskSendParams {
  if (!isObject(wire)) return wire as never;
  const params = dropNulls(oneSpelling(wire, sendSpellings), paramsKeys);
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
  const { item, tag } = takeTag(wire);
  if (!isObject(item)) return item as never;
  const task = dropNulls(item, taskKeys) as Task;
  const first = Array.isArray(task.history) ? decodeMessage(task.history[0]).tag.task : undefined;
  const { noSession, keys } = first ?? tag.task ?? {};
  if (noSession) delete task.sessionId;
  if (task.status !== undefined) task.status = readStatus(task.status);
  if (task.history !== undefined) task.history = each(task.history, readMessage) as Message[];
  if (task.artifacts !== undefined) task.artifacts = each(task.artifacts, readArtifact) as Artifact[];
  return isObject(keys) ? { ...task, ...keys } : task;
}

function each(wire: unknown, read: (item: unknown) => unknown): unknown {
  return Array.isArray(wire) ? wire.map(read) : wire;
}

function readMessage(wire: unknown): Message {
  const { item, tag } = decodeMessage(wire);
  return keepOp(item, tag);
}

function readArtifact(wire: unknown): Artifact {
  const { item, tag, parts } = decodeArtifact(wire);
  if (!isObject(item) || !Array.isArray(item.parts)) return item;
  return keepOp({ ...item, parts: parts.map((part) => keepOp(part.item, part.tag)) }, tag);
}

function readStatus(wire: unknown): TaskStatus {
  const { item, tag } = decodeStatus(wire);
  return isObject(item) && item.message ? { ...item, message: keepOp(item.message, tag) } : item;
}

/** The op stays; so does the wrapping of a user's own value under the reserved key, which clients will take off. */
function keepOp<T>(item: T, { op }: Tag): T {
  return isObject(item) && (item.metadata === undefined || isObject(item.metadata))
    ? (withTag(item, { op }) as T)
    : item;
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
  return withTag(
    {
      ...body,
      status: writeStatus(status),
      ...(history && { history: history.map(writeMessage) }),
      ...(artifacts && { artifacts: artifacts.map(writeArtifact) }),
    },
    {},
  );
}

/** Python's model knows Elkar's states only. */
function writeStatus(status: TaskStatus): Json {
  const state = sentAs[status.state];
  const message = status.message && { message: writeMessage(status.message) };
  return withTag({ ...status, ...(state && { state }), ...message }, state ? { state: status.state } : {});
}

function writeMessage(message: Message): Message {
  return message.parts.some(({ type }) => type === 'file')
    ? { ...message, parts: message.parts.map(writePart) }
    : message;
}

function writeArtifact(artifact: Artifact): Json {
  const { index = 0, parts } = artifact;
  return bothSpellings({ ...artifact, index, parts: parts.map(writePart) }, artifactSpellings);
}

function writePart(part: Part): Part {
  return part.type === 'file' ? ({ ...part, file: bothSpellings(part.file, fileSpellings) } as Part) : part;
}
