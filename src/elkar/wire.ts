/**
 * What is sent to an Elkar server, as its JSON. Pure.
 *
 * Both spellings are written and either is read. What an unmodified Elkar server would drop rides in
 * `metadata.holdfast` of the item it belongs to (or of a message, for what belongs to the task) and is put back on read.
 */
import { TaskStoreError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { Artifact, Task, TaskSendParams, UpdateTaskParams } from '../core/task.ts';
import { encode, splitKnown, type Tags } from './wire-items.ts';

// Requests. What is undefined in a body is not sent.

interface CreateRequest {
  /** A task that the server has not got; `sessionId` is needed. */
  readonly params: TaskSendParams;
  readonly op: string;
  /** Never null on the wire: see `defaultCallerId` of the client. */
  readonly callerId: string;
  /** When the task was created. */
  readonly timestamp: string;
  readonly isStreaming: boolean | undefined;
}

/** Body of `POST /tasks`. */
export function createBody({ params, op, callerId, timestamp, isStreaming }: CreateRequest): Json {
  const { message, pushNotification, metadata } = params;
  const task = { timestamp, metadata, isStreaming };
  return {
    send_task_params: {
      ...params,
      push_notification: pushNotification,
      message: encode('message', message, new Map().set(message, { op, task })),
    },
    counterparty_identifier: callerId,
    is_streaming: isStreaming,
  };
}

/**
 * Body of `PUT /tasks/{id}`. Elkar appends the status's message to the history before the others. It ignores metadata, which
 * our endpoint takes, so they ride on a message too.
 */
export function updateBody(callerId: string, params: UpdateTaskParams, tags: Tags): Json {
  const { status, newMessages = [], artifactsUpdates, pushNotification, metadata, taskType } = params;
  return {
    caller_id: callerId,
    status: encode('status', status, tags),
    new_messages: encode('history', newMessages, tags),
    artifacts_updates: encode('artifacts', artifactsUpdates?.map(withIndex), tags),
    push_notification: pushNotification,
    metadata,
    task_type: taskType === 'outgoing' ? taskType : undefined,
  };
}

/** Body of `POST /client-side/tasks`: the whole task. */
export function clientTaskBody(task: Task, agentUrl: string, callerId: string): Json {
  const { status, history, artifacts, sessionId } = task;
  const { timestamp } = status;
  const { keys } = splitKnown('task', task);
  const lost = { agentUrl, timestamp, keys, noSession: sessionId === undefined || undefined };
  const whole = { sessionId: task.id, ...task, artifacts: artifacts?.map(withIndex) };
  // The first message is sure to keep its metadata; a task without one has only its own.
  const first = history?.[0];
  const tags: Tags = new Map()
    .set(whole, { keys: undefined, task: first ? undefined : lost })
    .set(first, { task: lost });
  return { task: encode('task', whole, tags), server_agent_url: agentUrl, counterparty_identifier: callerId };
}

function withIndex(artifact: Artifact): Artifact {
  return { index: 0, ...artifact };
}

// Ids in URLs.

/**
 * An id as one segment, or one value, of a URL. URLs resolve `.` and `..` away, encoded or not, and hold no half of a
 * surrogate pair: such an id is written as JSON behind a bare `=`, which our endpoint understands.
 */
export function encodeId(id: string): string {
  const isSpecial = /^\.\.?$|\p{Surrogate}/u.test(id);
  return isSpecial ? `=${encodeURIComponent(JSON.stringify(id))}` : encodeURIComponent(id);
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
    const isNested = field && typeof field === 'object';
    const isFlaw = /[\0\p{Surrogate}]/u.test(typeof field === 'string' ? `${key} ${field}` : key);
    if (isFlaw || (isNested && depth >= MAX_NESTING)) return key;
    const path = isNested && pathToFlaw(field, depth + 1);
    if (path) return `${key}.${path}`;
  }
  return undefined;
}
