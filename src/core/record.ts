/** Reading a task: which items of its tails are wanted, what comes back, and the snapshot that a caller sees. */
import type { TaskHead } from './head.ts';
import type { Message, Part, StoredTask, Task } from './task.ts';

/** Which items of the tails are wanted: from one position up to, but not including, another. */
export interface TailRange {
  readonly messages: readonly [from: number, to: number];
  readonly parts: (slot: number) => readonly [from: number, to: number];
}

/** Answers, from the head alone, which items are wanted with it. */
export type SelectRange = (head: TaskHead) => TailRange;

/**
 * A head with the items that were asked for. The two functions may be called late, and often: they answer the same items
 * each time, in an array of the caller's own.
 */
export interface TaskRecord {
  readonly head: TaskHead;
  readonly messages: () => Message[];
  readonly parts: (slot: number) => Part[];
}

/** Which part of a task an answer holds. */
export interface TaskView {
  /** The last n messages; absent: all. */
  readonly historyLength?: number | undefined;
  /** `false` leaves the artifacts out. */
  readonly includeArtifacts?: boolean | undefined;
}

const none = [0, 0] as const;
const noParts = () => none;

/** The head alone. */
export const selectNothing: SelectRange = () => ({ messages: none, parts: noParts });

/** All of the task. */
export const selectAll: SelectRange = (head) => ({
  messages: [0, head.messageCount ?? 0],
  parts: (slot) => [0, head.artifacts?.[slot]?.partCount ?? 0],
});

export function selectView({ historyLength, includeArtifacts }: TaskView): SelectRange {
  if (historyLength === undefined && includeArtifacts !== false) return selectAll;
  if (historyLength === 0 && includeArtifacts === false) return selectNothing;
  return (head) => {
    const all = selectAll(head);
    const count = head.messageCount ?? 0;
    return {
      messages: [historyLength === undefined ? 0 : Math.max(0, count - historyLength), count],
      parts: includeArtifacts === false ? noParts : all.parts,
    };
  };
}

/**
 * What a caller sees of a record: a snapshot of its own. With `late`, the task in it is put together when first looked at, so
 * that a caller who streams chunks and ignores the answers pays nothing for their length.
 */
export function toStoredTask(record: TaskRecord, view: TaskView, late = false): StoredTask {
  const { head } = record;
  const { callerId, taskType, taskId } = head.key;
  const { isStreaming, createdAt, updatedAt } = head;
  let task: Task | undefined;
  const stored: StoredTask =
    late && (view.historyLength !== 0 || view.includeArtifacts !== false)
      ? {
          id: taskId,
          taskType,
          isStreaming,
          get task() {
            return (task ??= toTask(record, view));
          },
          createdAt,
          updatedAt,
        }
      : { id: taskId, taskType, isStreaming, task: toTask(record, view), createdAt, updatedAt };
  if (callerId !== undefined) stored.callerId = callerId;
  if (head.pushNotification) stored.pushNotification = head.pushNotification;
  if (head.agentUrl !== undefined) stored.agentUrl = head.agentUrl;
  return stored;
}

/** A tail longer than this is put together only when looked at. */
const LONG = 1_000;

function toTask(record: TaskRecord, view: TaskView): Task {
  const { body, messageCount, artifacts } = record.head;
  const task: Task = { ...body };
  if (messageCount !== undefined) {
    const isLong = messageCount > LONG && view.historyLength === undefined;
    if (isLong) defineLazy(task, 'history', record.messages);
    else task.history = record.messages();
  }
  if (artifacts && view.includeArtifacts !== false) {
    const toArtifacts = () => artifacts.map(({ header }, slot) => ({ ...header, parts: record.parts(slot) }));
    const isLong = artifacts.some(({ partCount }) => partCount > LONG) || artifacts.length > LONG;
    if (isLong) defineLazy(task, 'artifacts', toArtifacts);
    else task.artifacts = toArtifacts();
  }
  return task;
}

/** An own property like any other to whoever copies, prints or compares the object, computed at first sight. */
function defineLazy<T, K extends keyof T>(target: T, key: K, compute: () => T[K]): void {
  const settle = (value: T[K]) => {
    Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
    return value;
  };
  Object.defineProperty(target, key, {
    get: () => settle(compute()),
    set: settle,
    enumerable: true,
    configurable: true,
  });
}
