/**
 * Elkar's JSON, and the only place that knows it: what is sent to a server, and what its answers say. Pure.
 *
 * Both spellings are written and either is read. What an unmodified Elkar server would drop rides in
 * `metadata.holdfast` of the item it belongs to (or of a message, for what belongs to the task) and is put back on read.
 */
import { TaskStoreError } from '../core/errors.ts';
import type { Message, PushNotificationConfig, Task, TaskSendParams, TaskStatus, TaskType } from '../core/task.ts';
import {
  encode,
  encodeChunk,
  encodeStatus,
  type Json,
  type OutgoingArtifact,
  split,
  type Tag,
  type TaskTag,
  withTag,
} from './wire-items.ts';

export { type RemoteTask, readTaskResponse } from './wire-answers.ts';
export { type Json, type OutgoingArtifact, tagOf } from './wire-items.ts';

// Requests. What is undefined in a body is not sent.

/** A message to send: `op` is the unique id of the change it is, `task` what the change does to the task besides. */
export interface OutgoingMessage {
  readonly message: Message;
  readonly op?: string | undefined;
  readonly task?: TaskTag | undefined;
}

export interface CreateRequest {
  /** A task that the server has not got; `sessionId` is needed. */
  readonly params: TaskSendParams;
  readonly op: string;
  /** Never null on the wire: see `defaultCallerId` of the client. */
  readonly callerId: string;
  /** When the task was created. */
  readonly timestamp: string;
  readonly isStreaming: boolean | undefined;
}

export interface UpdateRequest {
  readonly callerId: string;
  readonly status?: TaskStatus | undefined;
  /** Of the message in it, if any: the server appends that to the history, before `messages`. */
  readonly statusTag?: Omit<OutgoingMessage, 'message'> | undefined;
  readonly messages: readonly OutgoingMessage[];
  readonly artifacts?: readonly OutgoingArtifact[] | undefined;
  readonly pushNotification?: PushNotificationConfig | undefined;
  /** Taken by our endpoint; Elkar ignores it, so it rides on a message too (`task`). */
  readonly metadata?: Json | undefined;
  readonly taskType?: TaskType | undefined;
}

/** Body of `POST /tasks`. */
export function createBody({ params, op, callerId, timestamp, isStreaming }: CreateRequest): Json {
  const { message, pushNotification, metadata } = params;
  const task = { timestamp, metadata, isStreaming };
  return {
    send_task_params: {
      ...params,
      push_notification: pushNotification,
      message: encode('message', message, { op, task }),
    },
    counterparty_identifier: callerId,
    is_streaming: isStreaming,
  };
}

/** Body of `PUT /tasks/{id}`. */
export function updateBody(request: UpdateRequest): Json {
  const { callerId, status, statusTag, messages, artifacts, pushNotification, metadata, taskType } = request;
  return {
    caller_id: callerId,
    status: status && encodeStatus(status, statusTag),
    new_messages: messages.map(({ message, ...tag }) => encode('message', message, tag)),
    artifacts_updates: artifacts?.map(encodeChunk),
    push_notification: pushNotification,
    metadata,
    task_type: taskType === 'outgoing' ? taskType : undefined,
  };
}

/** Body of `POST /client-side/tasks`: the whole task. */
export function clientTaskBody(task: Task, agentUrl: string, callerId: string): Json {
  const { known, keys } = split('task', task);
  const { status, history, artifacts, metadata } = task;
  const { timestamp } = status;
  const lost: Tag = {
    task: { agentUrl, timestamp, keys, metadata, noSession: task.sessionId === undefined || undefined },
  };
  const wire = {
    sessionId: task.id,
    ...known,
    status: encodeStatus(status),
    history: history?.map((message, i) => encode('message', message, i === 0 ? lost : {})),
    artifacts: artifacts?.map((artifact) => encode('artifacts', { index: 0, ...artifact })),
  };
  return {
    // The first message is sure to keep its metadata; a task without one has only its own.
    task: withTag(wire, history?.[0] ? {} : lost),
    server_agent_url: agentUrl,
    counterparty_identifier: callerId,
  };
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

/**
 * Refuses, with `REMOTE_REJECTED` naming the field, a request that is known to break an Elkar server: NUL characters
 * and halves of surrogate pairs, which its database cannot hold, nesting deeper than its parser goes, and task ids that
 * no URL can name.
 */
export function assertSendable(body: Json, taskId: string): void {
  const path = /^\.\.?$/.test(taskId) ? 'id' : pathToFlaw({ id: taskId, body }, 0);
  if (path) throw new TaskStoreError('REMOTE_REJECTED', `Elkar cannot hold ${path.slice(0, 200)}`, { taskId });
}

function pathToFlaw(value: object, depth: number): string | undefined {
  for (const [key, field] of Object.entries(value)) {
    const isNested = typeof field === 'object' && field !== null;
    const text = typeof field === 'string' ? `${key} ${field}` : key;
    const isFlaw = /[\0\p{Surrogate}]/u.test(text) || (isNested && depth >= MAX_NESTING);
    const path = isNested && !isFlaw && pathToFlaw(field, depth + 1);
    if (isFlaw || path) return path ? `${key}.${path}` : key;
  }
  return undefined;
}
