/** Listing: from a caller's query to heads, and from heads to summaries and a cursor. */
import { invalidField } from './core/errors.ts';
import type { TaskHead } from './core/head.ts';
import { type HeadQuery, type ListPosition, positionOf } from './core/query.ts';
import { isoTime } from './core/reduce.ts';
import type { TaskState } from './core/task.ts';
import type { ListQuery, TaskPage, TaskSummary } from './task-store.ts';

const DEFAULT_LIMIT = 50;

/** IndexedDB refuses to be asked for more than 2 ** 32 - 1. */
const MAX_LIMIT = 2 ** 31;

/** Asks for one head more than the page holds, to know whether another page follows. */
export function toHeadQuery(query: ListQuery): HeadQuery {
  const { callerId, taskType = 'incoming', state, sessionId, updatedAfter, cursor } = query;
  const { order = 'newest', limit = DEFAULT_LIMIT } = query;
  return {
    scope: query.allCallers ? undefined : { callerId, taskType },
    states: state && ([state].flat() as TaskState[]),
    sessionId,
    updatedAfter: updatedAfter && isoTime(Date.parse(updatedAfter)),
    order,
    limit: Math.min(limit, MAX_LIMIT) + 1,
    after: cursor === undefined ? cursor : decodeCursor(cursor),
  };
}

export function toPage(heads: readonly TaskHead[], limit = DEFAULT_LIMIT): TaskPage {
  const tasks = heads.slice(0, limit).map(toSummary);
  return heads.length > limit
    ? { tasks, nextCursor: encodeCursor(positionOf(heads[limit - 1] as TaskHead)) }
    : { tasks };
}

/** Fields are set one by one: lists make many summaries, and conditional spreads take ten times as long. */
function toSummary(head: TaskHead): TaskSummary {
  const { key, body } = head;
  const summary: { -readonly [K in keyof TaskSummary]: TaskSummary[K] } = {
    id: key.taskId,
    taskType: key.taskType,
    status: body.status,
    isStreaming: head.isStreaming,
    messageCount: head.messageCount ?? 0,
    artifactCount: head.artifacts?.length ?? 0,
    createdAt: head.createdAt,
    updatedAt: head.updatedAt,
    pending: head.pendingSince !== undefined,
  };
  if (key.callerId !== undefined) summary.callerId = key.callerId;
  if (body.sessionId !== undefined) summary.sessionId = body.sessionId;
  if (body.metadata) summary.metadata = body.metadata;
  if (head.agentUrl !== undefined) summary.agentUrl = head.agentUrl;
  return summary;
}

function encodeCursor({ updatedAt, key }: ListPosition): string {
  return encodeURIComponent(JSON.stringify([updatedAt, key]));
}

function decodeCursor(cursor: string): ListPosition {
  try {
    const [updatedAt, key] = JSON.parse(decodeURIComponent(cursor));
    if (typeof key === 'string' && !Number.isNaN(Date.parse(updatedAt))) return { updatedAt, key };
  } catch {
    // Not one of ours; said below.
  }
  throw invalidField(['cursor'], 'not a cursor of this list');
}
