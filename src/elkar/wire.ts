/**
 * Elkar's JSON, and the only place that knows it: what is sent to a server, and what its answers say. Pure.
 *
 * Both spellings are written and either is read. What an unmodified Elkar server would drop rides in
 * `metadata.holdfast` of the item it belongs to (or of a message, for what belongs to the task) and is put back on read.
 */
import { type FieldIssue, TaskStoreError } from '../core/errors.ts';
import { check, id, is, object, oneOf, optional, type Shape, text, time } from '../core/shape.ts';
import {
  type Artifact,
  type Message,
  type Part,
  type PushNotificationConfig,
  type Task,
  type TaskSendParams,
  type TaskStatus,
  type TaskType,
  taskShape,
} from '../core/task.ts';
import {
  bothSpellings,
  decodeArtifact,
  decodeMessage,
  decodeStatus,
  dropNulls,
  encodeArtifact,
  encodeMessage,
  encodeStatus,
  isObject,
  type Json,
  split,
  type Tag,
  type Tagged,
  type TaskTag,
  takeTag,
  withTag,
} from './wire-items.ts';

export type { Json, Tagged, TaskTag } from './wire-items.ts';

// Requests.

/** A message to send: `op` is the unique id of the change it is, `task` what the change does to the task besides. */
export interface OutgoingMessage {
  readonly message: Message;
  readonly op: string;
  readonly task?: TaskTag | undefined;
}

/** A chunk of an artifact to send; `ops` has an id for each of its parts. */
export interface OutgoingArtifact {
  readonly artifact: Artifact;
  /** Only with the chunk that creates the artifact: our endpoint takes a later chunk's metadata for new ones. */
  readonly op?: string | undefined;
  readonly ops: readonly string[];
  /** The server has this artifact already, and will take nothing but the parts. */
  readonly isLater?: boolean | undefined;
}

export interface CreateRequest {
  /** A task that the server has not got; `sessionId` is needed. */
  readonly params: TaskSendParams;
  readonly op: string;
  /** Never null on the wire: see `defaultCallerId` of the client. */
  readonly callerId: string;
  /** When the task was created. */
  readonly timestamp: string;
  readonly isStreaming?: boolean | undefined;
}

export interface UpdateRequest {
  readonly callerId: string;
  /** `op` is that of the message in it, if any: the server appends that to the history, before `messages`. */
  readonly status?:
    | { readonly status: TaskStatus; readonly op: string; readonly task?: TaskTag | undefined }
    | undefined;
  readonly messages?: readonly OutgoingMessage[] | undefined;
  readonly artifacts?: readonly OutgoingArtifact[] | undefined;
  readonly pushNotification?: PushNotificationConfig | undefined;
  /** Taken by our endpoint; Elkar ignores it, so it rides on a message too (`task`). */
  readonly metadata?: Json | undefined;
  readonly taskType?: TaskType | undefined;
}

export interface ClientTaskRequest {
  /** The whole task. */
  readonly task: Task;
  readonly agentUrl: string;
  readonly callerId: string;
  /** The op of each message of the history. @default none */
  readonly ops?: readonly string[] | undefined;
}

export const taskKeys: ReadonlySet<string> = new Set(['id', 'sessionId', 'status', 'history', 'artifacts', 'metadata']);
export const sendSpellings = [
  ['acceptedOutputModes', 'accepted_output_modes'],
  ['pushNotification', 'push_notification'],
  ['historyLength', 'history_length'],
] as const;

/** Body of `POST /tasks`. */
export function createBody({ params, op, callerId, timestamp, isStreaming }: CreateRequest): Json {
  const { message, historyLength: _, ...rest } = params;
  const task = {
    timestamp,
    ...(params.metadata && { metadata: params.metadata }),
    ...(isStreaming && { isStreaming }),
  };
  return {
    send_task_params: { ...bothSpellings(rest, sendSpellings), message: encodeMessage(message, { op, task }) },
    counterparty_identifier: callerId,
    ...(isStreaming && { is_streaming: true }),
  };
}

/** Body of `PUT /tasks/{id}`. */
export function updateBody(request: UpdateRequest): Json {
  const { callerId, status, messages = [], artifacts, pushNotification, metadata, taskType } = request;
  return {
    caller_id: callerId,
    ...(status && { status: encodeStatus(status.status, { op: status.op, task: status.task }) }),
    ...(messages.length > 0 && {
      new_messages: messages.map(({ message, op, task }) => encodeMessage(message, { op, task })),
    }),
    ...(artifacts && {
      artifacts_updates: artifacts.map(({ artifact, ...tag }) => encodeArtifact(artifact, tag)),
    }),
    ...(pushNotification && { push_notification: pushNotification }),
    ...(metadata && { metadata }),
    ...(taskType === 'outgoing' && { task_type: taskType }),
  };
}

/** Body of `POST /client-side/tasks`. */
export function clientTaskBody({ task, agentUrl, callerId, ops = [] }: ClientTaskRequest): Json {
  return { task: encodeWholeTask(task, agentUrl, ops), server_agent_url: agentUrl, counterparty_identifier: callerId };
}

function encodeWholeTask(task: Task, agentUrl: string, ops: readonly string[]): Json {
  const { known, keys } = split(task, taskKeys);
  const { id, sessionId, status, history, artifacts, metadata } = task;
  const lost: TaskTag = {
    agentUrl,
    timestamp: status.timestamp,
    keys,
    ...(sessionId === undefined && { noSession: true }),
    ...(metadata && { metadata }),
  };
  // The first message is sure to keep its metadata; a task without one has only its own.
  const onMessage = history !== undefined && history.length > 0;
  const wire = {
    ...known,
    sessionId: sessionId ?? id,
    status: encodeStatus(status),
    ...(history && {
      history: history.map((message, i) => encodeMessage(message, { op: ops[i], ...(i === 0 && { task: lost }) })),
    }),
    ...(artifacts && { artifacts: artifacts.map((artifact) => encodeArtifact(artifact)) }),
  };
  return withTag(wire, onMessage ? {} : { task: lost });
}

// Ids in URLs.

/**
 * An id as one segment, or one value, of a URL. URLs resolve `.` and `..` away, encoded or not, and hold no half of a
 * surrogate pair: such an id is written as JSON behind a bare `=`, which our endpoint understands.
 */
export function encodeId(id: string): string {
  const isPlain = id !== '.' && id !== '..' && !/\p{Surrogate}/u.test(id);
  return isPlain ? encodeURIComponent(id) : `=${encodeURIComponent(JSON.stringify(id))}`;
}

// What breaks the server.

/** Elkar's parser gives up at 128 levels. */
const MAX_NESTING = 127;
const unsendable = /[\0\p{Surrogate}]/u;

/**
 * Refuses, with `REMOTE_REJECTED` naming the fields, a request that is known to break an Elkar server: NUL characters
 * and halves of surrogate pairs, which its database cannot hold, nesting deeper than its parser goes, and task ids that
 * no URL can name.
 */
export function assertSendable(value: unknown, details: { operation?: string; taskId?: string } = {}): void {
  const issues: FieldIssue[] = [];
  const { taskId } = details;
  if (taskId === '.' || taskId === '..') issues.push({ path: ['id'], message: 'no URL can name it' });
  inspect({ id: taskId }, [], issues);
  inspect(value, [], issues);
  if (issues.length === 0) return;
  const fields = issues.map(({ path, message }) => `${path.slice(0, 8).join('.')}: ${message}`);
  const message = `an Elkar server cannot hold this (${fields.slice(0, 5).join('; ')})`;
  throw new TaskStoreError('REMOTE_REJECTED', message, { ...details, issues });
}

function inspect(value: unknown, path: (string | number)[], issues: FieldIssue[]): void {
  if (typeof value === 'string') {
    if (unsendable.test(value)) issues.push({ path: [...path], message: 'a NUL character or half a surrogate pair' });
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (path.length >= MAX_NESTING) {
    issues.push({ path: [...path], message: `nested deeper than ${MAX_NESTING} levels` });
    return;
  }
  const isArray = Array.isArray(value);
  for (const [key, field] of Object.entries(value)) {
    path.push(isArray ? Number(key) : key);
    if (!isArray) inspect(key, path, issues);
    inspect(field, path, issues);
    path.pop();
  }
}

// Answers.

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
    agentUrl: typeof wire.agent_url === 'string' ? wire.agent_url : tag.agentUrl,
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
  const tags = [own.task, ...history.map(({ tag }) => tag.task)].filter((tag) => tag !== undefined);
  const tag: TaskTag = Object.assign({}, ...tags);

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
  const headers = parts.map(({ tag }) => tag.header).filter(isObject);
  return headers.length === 0 ? artifact : Object.assign({}, artifact, ...headers);
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
