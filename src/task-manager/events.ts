/** The events of a task's stream, and how a change of the store becomes events. */
import {
  type Artifact,
  finishedStates,
  type Message,
  type Task,
  type TaskState,
  type TaskStatus,
} from '../core/task.ts';
import type { TaskChange } from '../task-store.ts';

export interface TaskStatusUpdateEvent {
  readonly id: string;
  readonly status: TaskStatus;
  /** Whether the turn is over: nothing follows in this stream. */
  readonly final: boolean;
  /** The history so far; on the first status of a stream that was taken up again, and only there. */
  readonly history?: Message[];
}

export interface TaskArtifactUpdateEvent {
  readonly id: string;
  /** The new parts; `append: true` where they follow those of earlier events. */
  readonly artifact: Artifact;
}

export type TaskEvent = TaskStatusUpdateEvent | TaskArtifactUpdateEvent;

/** Whether this status ends a turn: the task is finished, or waits for its user. */
export function endsTurn(state: TaskState): boolean {
  return finishedStates.has(state) || state === 'input-required' || state === 'auth-required';
}

/** Artifacts come first, so that a final status is the last event. Every call makes events of their own. */
export function toEvents({ taskId: id, artifacts, status }: TaskChange): TaskEvent[] {
  const events: TaskEvent[] = artifacts.map((artifact) => ({
    id,
    artifact: { ...artifact, parts: [...artifact.parts] },
  }));
  if (status) events.push({ id, status, final: endsTurn(status.state) });
  return events;
}

/** The stored state as events: every artifact whole, then the status with the history. */
export function replayTask({ id, status, history, artifacts = [] }: Task, running: boolean): TaskEvent[] {
  const events: TaskEvent[] = artifacts.map(({ append: _, ...artifact }) => ({ id, artifact }));
  return [...events, { id, status, final: endsTurn(status.state) && !running, ...(history && { history }) }];
}
