/**
 * What a head remembers of the remote. Pending is a difference, not a queue: the head's own counts and marks minus the
 * ones here. Everything is plain JSON, because it lies in `TaskHead.sync`.
 */
import type { TaskStoreErrorCode } from '../core/errors.ts';
import type { TaskHead } from '../core/head.ts';
import type { TaskStatus } from '../core/task.ts';
import { sentAs } from '../elkar/wire-items.ts';

/** How far a tail is acknowledged. Its first `local` items are the remote's first `remote`, doubled ones left out. */
export interface Tail {
  readonly local: number;
  readonly remote: number;
  /** So many of them were born here; the number of the next one's op. */
  readonly own: number;
}

/** A request that may have reached the remote; found without an answer, it means: ask the remote first. */
export interface Target {
  readonly id: string;
  /** Where contexts share a storage without locks: until then (ms since 1970) the others leave the task alone. */
  readonly claimedUntil?: number;
  /** The mark of the status that it carries, how the remote will show it, and the number of its message's op. */
  readonly status?: { readonly mark: string; readonly print: string; readonly own?: number };
  /** Marks of what the remote never shows; a 200 is all the evidence there is. */
  readonly push?: string;
  readonly metadata?: string;
}

export interface SyncState {
  /**
   * One more with each write of this state: the fencing number. Whoever acknowledges must find the number it left, so
   * that a thawed tab cannot acknowledge over its successor.
   */
  readonly seq: number;
  /** The leader's term that wrote this; an earlier term stops at the sight of a later one. */
  readonly term?: number;
  /** Whose changes these are: under another identity they are never pushed. */
  readonly identity?: string;
  /** Names this side in the ops of its items. Made before the first push. */
  readonly uid?: string;
  /** Of the remote's row; absent: the remote is not known to have the task. */
  readonly rowId?: string;
  readonly messages: Tail;
  /** By slot; null or absent: the remote is not known to have the artifact. */
  readonly parts: readonly (Tail | null)[];
  /** Marks of what was pushed last, or came from there. */
  readonly status?: string;
  readonly push?: string;
  readonly metadata?: string;
  /** The remote's status as last seen. */
  readonly remoteStatus?: string;
  /** The statuses sent last: one that comes back after a later one was a late duplicate, not somebody's change. */
  readonly sent?: readonly { readonly print: string; readonly mark: string; readonly own?: number }[];
  readonly target?: Target;
  /** The task may be on the remote already: it was here before sync was, or was imported. */
  readonly unsure?: true;
  /** Set aside. */
  readonly blocked?: { readonly code: TaskStoreErrorCode; readonly message: string; readonly status?: number };
}

const start: Tail = { local: 0, remote: 0, own: 0 };
const initial: SyncState = { seq: 0, messages: start, parts: [] };

export function stateOf(head: TaskHead): SyncState {
  return head.sync ? { ...initial, ...head.sync } : initial;
}

export function tailOf(state: SyncState, slot: number): Tail {
  return state.parts[slot] ?? start;
}

/** Tells two values apart that are compared with what was pushed, in little space. Absent values have no mark. */
export function markOf(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const text = JSON.stringify(value);
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 2654435761);
    b = Math.imul(b ^ text.charCodeAt(i), 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return `${(b >>> 0).toString(36)}.${(a >>> 0).toString(36)}.${text.length.toString(36)}`;
}

/** A status as the remote shows it: in states that it knows, at a time that may come back in another form. */
export function printOf({ state, timestamp }: TaskStatus): string {
  return `${sentAs[state] ?? state}@${timestamp === undefined ? '' : Date.parse(timestamp)}`;
}

/** Whether the remote is still to get something. */
export function hasPending(head: TaskHead, state: SyncState): boolean {
  const { body, messageCount = 0, artifacts = [], pushNotification } = head;
  return (
    state.rowId === undefined ||
    state.messages.local < messageCount ||
    artifacts.some(({ partCount }, slot) => !state.parts[slot] || tailOf(state, slot).local < partCount) ||
    state.status !== markOf(body.status) ||
    (pushNotification !== undefined && state.push !== markOf(pushNotification)) ||
    state.metadata !== markOf(body.metadata)
  );
}

/** `state` with these fields changed, undefined taking a field away; written, it is one step further. */
export function advance(state: SyncState, fields: { [K in keyof SyncState]?: SyncState[K] | undefined }): SyncState {
  const next = Object.entries({ ...state, ...fields, seq: state.seq + 1 }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(next) as unknown as SyncState;
}
