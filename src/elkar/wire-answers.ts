/** What an Elkar server answers, as the core's tasks: tags taken off, and what they carried put back. Pure. */
import type { Json } from '../core/json.ts';
import { check, id } from '../core/shape.ts';
import type { Task } from '../core/task.ts';
import { taskShape } from '../core/task-shapes.ts';
import { applyTags, decode, type TaskTag } from './wire-items.ts';

/** A task as the remote has it. */
export interface RemoteTask {
  /** Of the remote's row; another one for the same task id is another task. */
  readonly rowId: string;
  /**
   * The core's task, without what a late duplicate doubled; of its messages and parts `tagOf` says which change made
   * them.
   */
  readonly task: Task;
  /** What else the tags say of it. */
  readonly tag: TaskTag;
  /** The answer itself. */
  readonly row: Json;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** Reads a TaskResponse. Throws where `row` is none. */
export function readTaskResponse(row: Json & { id: string }): RemoteTask {
  check(id, row.id);
  const createdAt = toIso(row.created_at);
  const updatedAt = toIso(row.updated_at);
  const decoded = decode<Task>('task', row.a2a_task);
  const { status, history, artifacts } = decoded;
  const tag: TaskTag = applyTags({}, [decoded, ...(history ?? [])], 'task');
  // Creating a task, Elkar drops the message and the time of its status; a status of anybody else's has a time.
  const isFirst = status.timestamp === undefined && status.state === 'submitted';
  const message = isFirst && history?.[0];
  const timestamp = status.timestamp ?? (isFirst ? createdAt : updatedAt);
  // Elkar writes the same moment in its own way.
  const isOurs = tag.timestamp && (isFirst || Date.parse(tag.timestamp) === Date.parse(timestamp));
  const task: Task = {
    ...decoded,
    status: { ...(message && { message }), ...status, timestamp: isOurs ? tag.timestamp : timestamp },
    // Elkar ignores what later chunks say of the artifact.
    ...(artifacts && { artifacts: artifacts.map((artifact) => applyTags(artifact, artifact.parts, 'header')) }),
    ...tag.keys,
  };
  if (tag.noSession) delete task.sessionId;
  // Elkar keeps those that an outgoing task came with, and none that came later.
  if (tag.metadata) task.metadata = tag.metadata;
  check(taskShape, task);
  return { rowId: row.id, task, tag, row, createdAt, updatedAt };
}

function toIso(time: unknown): string {
  return new Date(Date.parse(time as string)).toISOString();
}
