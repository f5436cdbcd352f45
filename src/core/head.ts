/**
 * A task as it is stored: a small head and long tails.
 *
 * The head holds everything of bounded size. The tails are the history and the parts of each artifact; they are only
 * ever appended to (but for the rare change that replaces a whole task). A change therefore writes a head and the new
 * items, never the task.
 */
import type { Artifact, Message, Part, PushNotificationConfig, Task, TaskType } from './task.ts';

/** What a task is known by. No `callerId` is a caller of its own, not a wildcard. */
export interface TaskKey {
  readonly callerId: string | undefined;
  readonly taskType: TaskType;
  readonly taskId: string;
}

/** An artifact without its parts. Its *slot* is its position in `TaskHead.artifacts`; it never changes. */
export interface ArtifactHead {
  readonly header: Without<Artifact, 'parts'>;
  readonly partCount: number;
}

/** A task without its tails: `Task` but for history and artifacts. */
export type TaskBody = Without<Task, 'history' | 'artifacts'>;

/** `Omit` for open objects, whose named keys it would forget. */
type Without<T, K> = { [P in keyof T as P extends K ? never : P]: T[P] };

export interface TaskHead {
  readonly key: TaskKey;
  /** 1 when created, one more with each write of this head; what tells two writers apart. */
  readonly revision: number;
  readonly body: TaskBody;
  /** Absent where the task was stored without a history. */
  readonly messageCount?: number | undefined;
  /** Absent where the task was stored without artifacts. */
  readonly artifacts?: readonly ArtifactHead[] | undefined;
  readonly isStreaming: boolean;
  readonly pushNotification?: PushNotificationConfig | undefined;
  readonly agentUrl?: string;
  /** ISO 8601, always in the form `2026-01-31T12:00:00.000Z`, so that text order is time order. */
  readonly createdAt: string;
  /** As `createdAt`; never goes back. */
  readonly updatedAt: string;
  /** When the oldest change was made that the remote is not known to have, in ms since 1970. Absent: nothing is pending. */
  readonly pendingSince?: number | undefined;
  /** What sync knows of the remote side of this task. Only sync reads it; everything else carries it along. */
  readonly sync?: Readonly<Record<string, unknown>> | undefined;
}

/** What one commit does to a task. */
export interface Change {
  /** The head after the change. */
  readonly head: TaskHead;
  /** Messages to append to the history. */
  readonly messages: readonly Message[];
  /** Parts to append to artifacts; a slot stands here once at the most. */
  readonly parts: readonly SlotParts[];
  /** The tails start anew: what they held is dropped before the items above are appended. */
  readonly reset: boolean;
  /** Nothing that a reader of the task could see has changed (sync took a note), so nobody is told. */
  readonly quiet: boolean;
}

export interface SlotParts {
  readonly slot: number;
  readonly parts: readonly Part[];
}

/** A key as one string, different for different keys whatever their ids hold: `i:task-1`, `o5:alicetask-1`. */
export function encodeKey({ callerId, taskType, taskId }: TaskKey): string {
  const type = taskType === 'incoming' ? 'i' : 'o';
  return callerId === undefined ? `${type}:${taskId}` : `${type}${callerId.length}:${callerId}${taskId}`;
}

/** The part of a key that lists are made by: every task of one caller and type has the same. */
export function encodeScope({ callerId, taskType }: Pick<TaskKey, 'callerId' | 'taskType'>): string {
  return encodeKey({ callerId, taskType, taskId: '' });
}

/** Which task a call means, besides its id. */
export interface KeyOptions {
  /** Whose task it is. Absent is a caller of its own, not a wildcard. */
  readonly callerId?: string | undefined;
  /** @default 'incoming' */
  readonly taskType?: TaskType | undefined;
}

export function keyOf(taskId: string, { callerId, taskType = 'incoming' }: KeyOptions): TaskKey {
  return { callerId, taskType, taskId };
}

/** How many items each tail has: the history's, then by slot those of the artifacts. */
export function countsOf({ messageCount = 0, artifacts = [] }: TaskHead): number[] {
  return [messageCount, ...artifacts.map(({ partCount }) => partCount)];
}
