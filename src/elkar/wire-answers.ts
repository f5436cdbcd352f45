/** What an Elkar server answers, as the core's tasks: tags taken off, and what they carried put back. Pure. */
import { check, id, is, object, oneOf, optional, type Shape, text, time } from '../core/shape.ts';
import {
  type Artifact,
  type Message,
  type Part,
  type PushNotificationConfig,
  type Task,
  type TaskStatus,
  type TaskType,
  taskShape,
} from '../core/task.ts';
import {
  decodeArtifact,
  decodeMessage,
  decodeStatus,
  dropNulls,
  isObject,
  type Json,
  type Tag,
  type Tagged,
  type TaskTag,
  takeTag,
  taskKeys,
} from './wire-items.ts';

/** A task as the remote has it. */
export interface RemoteTask {
  /** Of the remote's row; another one for the same task id is another task. */
  readonly rowId: string;
  readonly taskType: TaskType;
  readonly callerId: string | undefined;
  /** The core's task, without tags and without what a late duplicate doubled; items may be shared with the lists below. */
  readonly task: Task;
  /** The history as it lies there, doubled items included. */
  readonly messages: readonly Tagged<Message>[];
  readonly artifacts: readonly RemoteArtifact[];
  readonly isStreaming: boolean;
  readonly agentUrl: string | undefined;
  readonly pushNotification: PushNotificationConfig | undefined;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface RemoteArtifact {
  readonly index: number;
  /** Of the chunk that created it. */
  readonly op?: string | undefined;
  /** As they lie there, doubled ones included. */
  readonly parts: readonly Tagged<Part>[];
}

const responseShape: Shape = object({
  id,
  task_type: oneOf('incoming', 'outgoing'),
  state: text,
  a2a_task: is(isObject, 'a task'),
  created_at: time,
  updated_at: time,
  counterparty_identifier: optional(text),
});

/** Reads a TaskResponse. Throws `INVALID_ARGUMENT` where `answer` is none. */
export function readTaskResponse(answer: unknown): RemoteTask {
  const response = isObject(answer) ? dropNulls(answer, new Set(['counterparty_identifier'])) : answer;
  check(responseShape, response);
  const wire = response as Json & { id: string; task_type: TaskType; created_at: string; updated_at: string };
  const createdAt = toIso(wire.created_at);
  const updatedAt = toIso(wire.updated_at);
  const { task, messages, artifacts, tag } = decodeTask(wire.a2a_task as Json, createdAt, updatedAt);
  check(taskShape, task);
  return {
    rowId: wire.id,
    taskType: wire.task_type,
    callerId: wire.counterparty_identifier as string | undefined,
    task,
    messages,
    artifacts,
    isStreaming: wire.is_streaming === true || tag.isStreaming === true,
    agentUrl: [wire.agent_url, tag.agentUrl].find((url) => typeof url === 'string'),
    pushNotification: decodePushNotification(wire.push_notification),
    createdAt,
    updatedAt,
  };
}

function toIso(time: string): string {
  return new Date(time).toISOString();
}

/** Elkar's model wraps the configuration with the task's id. */
export function decodePushNotification(wire: unknown): PushNotificationConfig | undefined {
  if (!isObject(wire)) return undefined;
  const config = wire.pushNotificationConfig ?? wire.push_notification_config ?? wire;
  if (!isObject(config)) return undefined;
  const { authentication, ...rest } = dropNulls(config, new Set(['token', 'authentication']));
  const auth = isObject(authentication) ? dropNulls(authentication, new Set(['credentials'])) : authentication;
  return { ...rest, ...(auth !== undefined && { authentication: auth }) } as PushNotificationConfig;
}

interface DecodedTask {
  readonly task: Task;
  readonly messages: readonly Tagged<Message>[];
  readonly artifacts: readonly RemoteArtifact[];
  readonly tag: TaskTag;
}

/** A whole task as it comes in an answer; of the wrong shape it comes out in the wrong shape. */
function decodeTask(wire: Json, createdAt: string, updatedAt: string): DecodedTask {
  const { item, tag: own } = takeTag(wire);
  const task = dropNulls(item as Json, taskKeys) as Task;
  const history = Array.isArray(task.history) ? task.history.map(decodeMessage) : [];
  const artifacts = Array.isArray(task.artifacts) ? task.artifacts.map(decodeArtifact) : [];
  const status = decodeStatus(task.status);
  const tag: TaskTag = merged({}, [own.task, ...history.map(({ tag }) => tag.task)]);

  if (Array.isArray(task.history)) task.history = dropDoubled(history);
  if (Array.isArray(task.artifacts)) {
    task.artifacts = artifacts.map(({ item, parts }) => ({ ...withHeaders(item, parts), parts: dropDoubled(parts) }));
  }
  task.status = restoreStatus(status.item, task.history?.[0], tag, createdAt, updatedAt);
  if (tag.noSession) delete task.sessionId;
  if (tag.metadata && !task.metadata) task.metadata = tag.metadata;
  return {
    task: { ...task, ...tag.keys },
    messages: history.map(({ item, tag }) => ({ item, op: tag.op })),
    artifacts: artifacts.map(({ item, tag, parts }) => ({
      index: item.index ?? 0,
      op: tag.op,
      parts: parts.map(({ item, tag }) => ({ item, op: tag.op })),
    })),
    tag,
  };
}

/** Creating a task, Elkar drops the message and the time of its status; a status of anybody else's has a time. */
function restoreStatus(
  status: TaskStatus,
  first: Message | undefined,
  tag: TaskTag,
  createdAt: string,
  updatedAt: string,
): TaskStatus {
  if (!isObject(status)) return status;
  const { state, message, timestamp } = status;
  if (timestamp === undefined) {
    if (state !== 'submitted') return { ...status, timestamp: updatedAt };
    return { ...status, ...(!message && first && { message: first }), timestamp: tag.timestamp ?? createdAt };
  }
  // Elkar writes the same moment in its own way.
  const isSame = tag.timestamp !== undefined && Date.parse(tag.timestamp) === Date.parse(timestamp);
  return isSame ? { ...status, timestamp: tag.timestamp } : status;
}

/** The artifact's header after the changes of later chunks, which Elkar ignored. */
function withHeaders(artifact: Artifact, parts: readonly { tag: Tag }[]): Artifact {
  return merged(
    artifact,
    parts.map(({ tag }) => tag.header),
  );
}

/** `first` with the fields of those that are objects, the later winning; spread, so that no key is special. */
function merged<T extends object>(first: T, later: readonly unknown[]): T {
  let sum = first;
  for (const fields of later) if (isObject(fields)) sum = { ...sum, ...fields };
  return sum;
}

/** A request that arrives after it was given up, and repeated, doubles its items; the first of each op counts. */
function dropDoubled<T>(items: readonly { item: T; tag: Tag }[]): T[] {
  const seen = new Set<string>();
  const once: T[] = [];
  for (const { item, tag } of items) {
    if (tag.op !== undefined && seen.has(tag.op)) continue;
    if (tag.op !== undefined) seen.add(tag.op);
    once.push(item);
  }
  return once;
}
