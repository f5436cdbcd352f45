/**
 * What a head remembers of the remote. Pending is a difference, not a queue: the head's counts and digests minus the
 * ones here. Everything is plain JSON, because it lies in `TaskHead.sync`.
 */
import { TaskStoreError } from '../core/errors.ts';
import { countsOf, type TaskHead, type TaskKey } from '../core/head.ts';
import { isObject } from '../core/json.ts';
import { type SelectRange, selectAll, selectNothing, type TaskRecord } from '../core/record.ts';
import type { Command, PulledChange } from '../core/reduce.ts';
import type { TaskStatus } from '../core/task.ts';
import { wireStates } from '../elkar/wire-items.ts';
import type { StorePort } from '../store-port.ts';

/** How far a tail is acknowledged: its first `local` items are the remote's first `remote`, duplicates left out. */
export interface TailAck {
  readonly local: number;
  readonly remote: number;
  /** How many of them this side made; the number of its next op. */
  readonly own: number;
}

/** A status the remote may show; for an outgoing task, the task. */
export interface KnownStatus {
  /** Its fingerprint. */
  readonly print: string;
  /** Digest of our status that it stands for; empty: not one of ours. */
  readonly mark: string;
  /** The number of its message's op, if it went with one. */
  readonly own?: number | undefined;
}

/** A request that may have reached the remote; found without an answer, it means: ask the remote first. */
interface Target {
  /** The context that sent it, and until when (ms since 1970) the others leave the task alone, where there are no locks. */
  readonly by: string;
  readonly until: number;
  /** Becomes the state's with a 200, since no answer shows these fields. */
  readonly unseen?: string | undefined;
}

export interface SyncState {
  /**
   * One more with each write of this state: the fencing number. Whoever acknowledges must find the number it left, so
   * that a thawed tab cannot acknowledge over its successor.
   */
  readonly seq: number;
  /** The leader's term that wrote this; a leader of an earlier term leaves the task alone. */
  readonly term?: number | undefined;
  /** Whose changes these are: under another identity they are never pushed. */
  readonly identity?: string | undefined;
  /** Names this side in the ops of its items. Made before a push, and kept until all has arrived. */
  readonly uid?: string | undefined;
  /** The beginnings of ops from before something was discarded: a request with such items may still be out. */
  readonly former?: readonly string[] | undefined;
  /** Of the remote's row; absent: the remote is not known to have the task. */
  readonly rowId?: string | undefined;
  /** As in `countsOf`; null or absent: the remote is not known to have it. */
  readonly tails: readonly (TailAck | null)[];
  /** Digest of our status that the remote has. */
  readonly status?: string | undefined;
  /** The statuses sent and seen last: one that comes back after a later one was a late duplicate, not somebody's change. */
  readonly known?: readonly KnownStatus[] | undefined;
  /** Digest of what the remote takes and never shows. */
  readonly unseen?: string | undefined;
  readonly target?: Target | undefined;
  /** The task may be on the remote already: it was here before sync was, or was imported. */
  readonly unsure?: boolean | undefined;
  /** The revision that was replaced here; noted by the store itself, but for outgoing tasks, which go whole. */
  readonly replacedAt?: number | undefined;
  /** Set aside. */
  readonly blocked?: PackedError | undefined;
}

export const nothingAcked: TailAck = { local: 0, remote: 0, own: 0 };

export function stateOf(head: TaskHead): SyncState {
  return { seq: 0, tails: [], ...head.sync };
}

export async function readHead({ backend }: StorePort, key: TaskKey): Promise<TaskHead | undefined> {
  return (await backend.read(key, selectNothing))?.head;
}

export function itemsOf({ head, messages, parts }: TaskRecord, tail: number): readonly object[] {
  if (tail === 0) return messages();
  return head.artifacts?.[tail - 1] ? parts(tail - 1) : [];
}

/** The op of the item that is the nth born here of a tail; without n its beginning. */
export function opOf(uid: string | undefined, tail: number, own: number | '' | undefined): string {
  return [uid, tail, own].join('.');
}

const digests = new WeakMap<object, string>();

/** A short hash of a value, whatever the order of its keys; cached, since values are frozen. */
export function digestOf(value: object): string {
  let mark = digests.get(value);
  if (!mark) digests.set(value, (mark = hash(value)));
  return mark;
}

function hash(value: object): string {
  const text = JSON.stringify(value, (_, inner) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
  let a = 0;
  let b = 0;
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 16777619);
    b = Math.imul(b, 31) + text.charCodeAt(i);
  }
  return `${a}.${b}.${text.length}`;
}

/** Digest of the fields that the remote takes and never shows. */
export function unseenOf({ body: { metadata }, pushNotification }: TaskHead): string | undefined {
  return metadata || pushNotification ? digestOf([metadata, pushNotification]) : undefined;
}

/** Equal for our status and the remote's copy: its state on the wire and its time; that of `submitted` the remote sets. */
export function fingerprintOf({ state, timestamp = '' }: TaskStatus): string {
  return state === 'submitted' ? state : `${wireStates[state] ?? state}@${Date.parse(timestamp)}`;
}

/** With one status more, forgetting what was long ago. */
export function rememberStatus(known: readonly KnownStatus[] = [], status: KnownStatus): readonly KnownStatus[] {
  return [...known.filter(({ mark }) => mark !== status.mark), status].slice(-8);
}

/** Whether the task was replaced here after the remote got it; it can only append, so it cannot follow. */
function wasReplaced({ replacedAt, uid, rowId }: SyncState): boolean {
  return !!(replacedAt && (uid ?? rowId));
}

/** Whether the remote is still to get something. */
export function hasPending(head: TaskHead, state: SyncState, counts = countsOf(head)): boolean {
  const { status, unseen, tails } = state;
  return (
    wasReplaced(state) ||
    status !== digestOf(head.body.status) ||
    unseen !== unseenOf(head) ||
    counts.some((count, n) => !tails[n] || tails[n].local < count)
  );
}

/** Why sync leaves a task with pending changes alone; undefined: it does not. */
export function blockingError(head: TaskHead, ours: string): TaskStoreError | undefined {
  const { blocked: b } = stateOf(head);
  return conflictOf(head, ours) ?? (b && unpackError({ ...b, taskId: head.key.taskId }));
}

/** Why the remote is not even asked: the task is another identity's, or not the one any more that it was given. */
export function conflictOf(head: TaskHead, ours: string): TaskStoreError | undefined {
  const state = stateOf(head);
  const { identity = ours } = state;
  if (identity !== ours) return conflict(`these changes belong to ${identity}`, head.key);
  return wasReplaced(state) ? conflict('it was replaced; the remote can only be added to', head.key) : undefined;
}

/** Changes whenever the remote has taken something. */
export function progressOf({ tails, status, unseen }: SyncState): string {
  return JSON.stringify([tails, status, unseen]);
}

/** An error as it is stored, or told to others: copied by the platform it would lose its code. */
type PackedError = Pick<TaskStoreError, 'code' | 'message'> & Partial<Pick<TaskStoreError, 'status' | 'taskId'>>;

export function packError(error: TaskStoreError): PackedError {
  return { ...error, message: error.message };
}

export function unpackError(error: PackedError): TaskStoreError {
  // Its message names the operation already.
  return Object.assign(new TaskStoreError(error.code, error.message), error);
}

/** The state to write; `pendingSince` (absent: as before, 0: nothing is pending); what was pulled. */
export type StateUpdate = readonly [
  next: SyncState,
  pendingSince?: number | undefined,
  news?: PulledChange | undefined,
];

/** `'read'`: call again with the whole task (`full`), should it be of this head. */
export type DecideUpdate = (
  state: SyncState,
  head: TaskHead,
  full?: TaskRecord,
) => StateUpdate | 'read' | false | undefined;

/** Writes what `decide` answers, in one transaction with its look at the task. Answers the head after it. */
export async function updateState(
  { transact }: StorePort,
  key: TaskKey,
  decide: DecideUpdate,
): Promise<TaskHead | undefined> {
  for (let read: TaskRecord | undefined; ; ) {
    let update: ReturnType<DecideUpdate>;
    const command = (head: TaskHead | undefined, look?: () => TaskRecord | undefined): Command | undefined => {
      if (!head) return undefined;
      update = decide(stateOf(head), head);
      if (update === 'read') update = decide(stateOf(head), head, look?.() ?? read);
      if (!update || update === 'read') return undefined;
      const [next, since = head.pendingSince, news] = update;
      const pendingSince = since || undefined;
      // A new one once all has arrived, so that no two copies of a store give their items the same ops.
      const uid = pendingSince && next.uid;
      return { type: 'note', sync: { ...next, uid, seq: next.seq + 1 }, pendingSince, news };
    };
    const select: SelectRange = (head) => (update === 'read' ? selectAll : selectNothing)(head);
    read = (await transact(key, command, { source: 'remote', select })).record;
    if (update !== 'read') return read?.head;
  }
}

export function conflict(message: string, key?: TaskKey): TaskStoreError {
  return new TaskStoreError('CONFLICT', message, key);
}
