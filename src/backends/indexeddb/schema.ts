/**
 * How tasks lie in the database.
 *
 * A change is one small record at the end of the *journal*, whatever the task is like; later, in a quiet moment, it is folded
 * into the task's row. The row of a small task holds all of it. That of a long one holds the head and the *inline tail*, the
 * last few messages and parts; what came before lies in *segments*, sealed runs of items that only ever grow until they are
 * full, so that a whole history is read in few records.
 */
import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import type { TaskHead } from '../../core/head.ts';
import type { TaskState } from '../../core/task.ts';

const VERSION = 3;

/** A message or a part, as JSON: written again with its row without being walked, parsed only for who looks at it. */
export type Item = string;

/** Some items of a tail, from a position on. */
export interface Run {
  readonly from: number;
  readonly items: Item[];
}

/**
 * What is known of a task from one place. Items never change under one id, so that any number of pieces of the same id, in
 * any order, make up one task: the latest head, and the items of all.
 */
export interface Piece {
  /** The encoded key. */
  readonly key: string;
  /** Another for each creation of the task. */
  readonly id: number;
  /**
   * As JSON, which is cheaper to write and to read than an object is. Absent where the task was deleted; in the journal it
   * has no body where that is as it was before, however large: in an earlier record, or in the row.
   */
  head?: string;
  /** Tail 0 is the history, tail n + 1 holds the parts of the artifact in slot n. There may be gaps. */
  readonly tails: readonly Run[];
}

/** Where lists have a task: the encoded scope, the state, minus the time of the last change, so that the newest come first. */
type Place = [scope: string, state: TaskState, age: number, key: string];

export interface TaskRow extends Required<Piece> {
  readonly place: Place;
  /** Undefined where there is none or nothing is pending, which keeps the task out of that index. */
  readonly session: string | undefined;
  readonly pending: number | undefined;
}

/** What a record of the journal says of itself. It is all that stays of one that was folded and whose position must stay taken. */
export type RecordHeader = [
  position: number,
  /** The context that wrote it. */
  owner: number,
  /** When the owner took the next position for its own, in ms since 1970; 0 where it did not. */
  claim: number,
  /** Until when some context may still take this position for the next; 0: none does. */
  fence: number,
];

/** Of one that was folded or taken back only the header is left. */
export type JournalRecord = [...RecordHeader, ...Piece[]];

export function hasHead(piece: Piece): piece is Required<Piece> {
  return !!piece.head;
}

/** Of texts, or of whatever else has a length. */
export function lengthOf(items: readonly { readonly length: number }[]): number {
  return items.reduce((length, item) => length + item.length, 0);
}

export function sizeOf({ key, head = '', tails }: Piece): number {
  return tails.reduce((size, { items }) => size + lengthOf(items), key.length + head.length);
}

/** Of a place before the first record. */
export const NOTHING: RecordHeader = [0, 0, 0, 0];

/** Whether this position is kept from being taken by a context that thinks it the next. */
export function isFence(header: RecordHeader): boolean {
  return header[3] > Date.now();
}

/** Where the journal has the header of the record that was folded last. Positions begin after it. */
export const FOLDED = 0;

export function headOf({ head }: { readonly head: string }): TaskHead {
  return JSON.parse(head);
}

interface Schema extends DBSchema {
  journal: { key: number; value: JournalRecord };
  tasks: {
    key: string;
    value: TaskRow;
    indexes: { place: Place; session: string; pending: number };
  };
  /** By the id of the task, the tail, and the position of the first item. */
  segments: { key: [number, number, number]; value: Item[] };
  meta: { key: string; value: unknown };
}

export const TASK_STORES = ['journal', 'tasks', 'segments'];

/**
 * Opens and, where it is new or of an earlier version, sets up. Version 1 had no journal; in version 2 every record
 * had the body. `onLost` is called when another context wants to upgrade or delete, and waits for this connection to be
 * closed, and when the browser has closed it, as it does where the user clears the site's data. `state` is told
 * the reason where Chromium found the database damaged and began another.
 */
export function openDatabase(
  name: string,
  onLost: () => void,
  state: { dataLoss?: string },
): Promise<IDBPDatabase<Schema>> {
  const open = () =>
    openDB<Schema>(name, VERSION, {
      blocking: onLost,
      terminated: onLost,
      upgrade(db, from, _to, _tx, { dataLossMessage }: IDBVersionChangeEvent & { readonly dataLossMessage?: string }) {
        if (dataLossMessage) state.dataLoss = dataLossMessage;
        if (from < 2) db.createObjectStore('journal');
        if (from > 0) return;
        const tasks = db.createObjectStore('tasks', { keyPath: 'key' });
        for (const name of ['place', 'session', 'pending'] as const) tasks.createIndex(name, name);
        for (const name of ['segments', 'meta'] as const) db.createObjectStore(name);
      },
    });
  // Chromium ends what is opened while it clears the site's data; what is opened after that waits until it is through.
  return open().catch(open);
}
