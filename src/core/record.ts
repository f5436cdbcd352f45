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
  /** Another whenever the tails begin anew. Only where several contexts may write. */
  readonly id?: number;
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
  return (head) => {
    const {
      messages: [, count],
      parts,
    } = selectAll(head);
    return {
      messages: [Math.max(0, count - (historyLength ?? count)), count],
      parts: includeArtifacts === false ? noParts : parts,
    };
  };
}

/**
 * What a caller sees of a record: a snapshot of its own. With `lazy`, the task in it is put together when first looked at, so
 * that a caller who streams chunks and ignores the answers pays nothing for their length.
 */
export function toStoredTask(record: TaskRecord, view: TaskView, lazy = false): StoredTask {
  const { key, isStreaming, createdAt, updatedAt, pushNotification, agentUrl } = record.head;
  const { callerId, taskType, taskId } = key;
  const stored = { id: taskId, taskType, isStreaming, createdAt, updatedAt } as StoredTask;
  if (lazy) {
    Object.defineProperty(stored, source, { value: () => toTask(record, view) });
    Object.defineProperty(stored, 'task', lazyTask);
  } else stored.task = toTask(record, view);
  if (callerId !== undefined) stored.callerId = callerId;
  if (pushNotification) stored.pushNotification = pushNotification;
  if (agentUrl !== undefined) stored.agentUrl = agentUrl;
  return stored;
}

/** Where an answer keeps what makes its task, out of sight of whoever lists, copies or compares it. */
const source = Symbol();

type Lazy = { readonly [source]: () => Task };

/**
 * An own property like any other to whoever copies, prints or compares the object, computed at first sight. All answers share
 * its two functions: closures of their own would cost each several times what all the rest of it does.
 */
const lazyTask: PropertyDescriptor & ThisType<Lazy> = {
  get() {
    return settle(this, this[source]());
  },
  set(task) {
    settle(this, task);
  },
  enumerable: true,
  configurable: true,
};

/** A frozen answer stays as it is: then its task is put together at each sight. */
function settle<T>(stored: object, value: T): T {
  Reflect.defineProperty(stored, 'task', { value, writable: true, enumerable: true, configurable: true });
  return value;
}

function toTask(record: TaskRecord, view: TaskView): Task {
  const { body, messageCount, artifacts } = record.head;
  // A spread that gets another property takes an engine several times as long; but it sets no prototype.
  const task: Task = Object.hasOwn(body, '__proto__') ? { ...body } : Object.assign({}, body);
  if (messageCount !== undefined) task.history = record.messages();
  if (artifacts && view.includeArtifacts !== false) {
    task.artifacts = artifacts.map(({ header }, slot) => ({ ...header, parts: record.parts(slot) }));
  }
  return task;
}
