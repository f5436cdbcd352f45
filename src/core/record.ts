/** Reading a task: which items of its tails are wanted, what comes back, and the snapshot that a caller sees. */
import type { TaskHead } from './head.ts';
import type { Artifact, Message, Part, StoredTask, Task } from './task.ts';

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
  const { key, isStreaming, createdAt, updatedAt, pushNotification, agentUrl } = record.head;
  const { callerId, taskType, taskId } = key;
  const stored = { id: taskId, taskType, isStreaming, createdAt, updatedAt } as StoredTask;
  if (late) postpone(stored, { record, view }, lateTask);
  else stored.task = toTask(record, view);
  if (callerId !== undefined) stored.callerId = callerId;
  if (pushNotification) stored.pushNotification = pushNotification;
  if (agentUrl !== undefined) stored.agentUrl = agentUrl;
  return stored;
}

/** A tail longer than this is put together only when looked at. */
const LONG = 1_000;

function toTask(record: TaskRecord, view: TaskView): Task {
  const { body, messageCount, artifacts } = record.head;
  // A spread that gets another property takes an engine ten times as long.
  const task = Object.assign({}, body) as Task;
  if (messageCount !== undefined) {
    if (messageCount > LONG && view.historyLength === undefined) postpone(task, { record, view }, lateHistory);
    else task.history = record.messages();
  }
  if (artifacts && view.includeArtifacts !== false) {
    const isLong = artifacts.length > LONG || artifacts.some(({ partCount }) => partCount > LONG);
    if (isLong) postpone(task, { record, view }, lateArtifacts);
    else task.artifacts = toArtifacts({ record });
  }
  return task;
}

function toArtifacts({ record }: Pick<Source, 'record'>): Artifact[] {
  return (record.head.artifacts ?? []).map(({ header }, slot) =>
    Object.assign({}, header, { parts: record.parts(slot) }),
  );
}

interface Source {
  readonly record: TaskRecord;
  readonly view: TaskView;
}

/** Where an object with late properties keeps what they are made of, out of sight of whoever lists, copies or compares it. */
const source = Symbol();

interface Late {
  [source]?: Source;
}

interface LateProperty {
  readonly key: string;
  readonly descriptor: PropertyDescriptor & ThisType<Late>;
}

const lateTask = lateProperty('task', ({ record, view }) => toTask(record, view));
const lateHistory = lateProperty('history', ({ record }) => record.messages());
const lateArtifacts = lateProperty('artifacts', toArtifacts);

/**
 * An own property like any other to whoever copies, prints or compares the object, computed at first sight. All objects share
 * its two functions: closures of their own would cost each of them several times what all the rest of it does.
 */
function lateProperty(key: string, compute: (source: Source) => unknown): LateProperty {
  // A frozen object stays as it is: then it is computed at each sight.
  const settle = (target: object, value: unknown) =>
    Reflect.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  return {
    key,
    descriptor: {
      get() {
        const value = compute(this[source] as Source);
        settle(this, value);
        return value;
      },
      set(value) {
        settle(this, value);
      },
      enumerable: true,
      configurable: true,
    },
  };
}

function postpone(target: object, from: Source, { key, descriptor }: LateProperty): void {
  Object.defineProperty(target, source, { value: from, configurable: true });
  Object.defineProperty(target, key, descriptor);
}
