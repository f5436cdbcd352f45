/**
 * Elkar's JSON, and the only place that knows it: what is sent to a server, and what its answers say. Pure.
 *
 * Both spellings are written and either is read. What an unmodified Elkar server would drop rides in
 * `metadata.holdfast` of the item it belongs to (or of a message, for what belongs to the task) and is put back on read.
 */
import { type FieldIssue, TaskStoreError } from '../core/errors.ts';
import type {
  Artifact,
  Message,
  PushNotificationConfig,
  Task,
  TaskSendParams,
  TaskStatus,
  TaskType,
} from '../core/task.ts';
import {
  bothSpellings,
  encodeArtifact,
  encodeMessage,
  encodeStatus,
  type Json,
  sendSpellings,
  split,
  type TaskTag,
  taskKeys,
  withTag,
} from './wire-items.ts';

export { type RemoteArtifact, type RemoteTask, readTaskResponse } from './wire-answers.ts';
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
