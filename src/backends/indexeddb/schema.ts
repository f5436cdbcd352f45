/**
 * How tasks lie in the database.
 *
 * A small task is one record. Of a long one the record holds the head and the *inline tail*, the last few messages and
 * parts; what came before lies in *segments*, sealed runs of items that only ever grow until they are full. So an append
 * writes a bounded amount, and a whole history is read in few records.
 */
import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import type { TaskHead } from '../../core/head.ts';

const VERSION = 1;

/** A message or a part, as JSON: written again with its row without being walked, parsed only for who looks at it. */
export type Item = string;

/** Some items of a tail, from a position on. */
export interface Run {
  readonly from: number;
  readonly items: Item[];
}

/**
 * Where lists have a task: the encoded scope, the state, minus the time of the last change, so that the newest come first, and
 * the encoded key. The token is another one with each write: it tells whether the task is still as it was.
 */
export type Place = [scope: string, state: string, age: number, key: string, token: number];

export interface TaskRow {
  /** The encoded key. */
  readonly key: string;
  /** A number of this creation of the task: what its segments lie under. */
  readonly id: number;
  readonly place: Place;
  /** Undefined where there is none or nothing is pending, which keeps the task out of that index. */
  readonly session: string | undefined;
  readonly pending: number | undefined;
  /** The token of this write, and those of the writes before, the latest first. */
  readonly tokens: readonly number[];
  /** As JSON, which is cheaper to write and to read than an object is. */
  readonly head: string;
  /** The inline tails. Tail 0 is the history, tail n + 1 holds the parts of the artifact in slot n. */
  readonly tails: readonly Run[];
}

export function headOf({ head }: TaskRow): TaskHead {
  return JSON.parse(head);
}

export interface Schema extends DBSchema {
  tasks: {
    key: string;
    value: TaskRow;
    indexes: { place: Place; session: string; pending: number };
  };
  /** By task, tail, and the position of the first item. */
  segments: { key: [number, number, number]; value: Item[] };
  meta: { key: string; value: unknown };
}

/** Opens and, where it is new, sets up; there is one version so far. */
export function openDatabase(
  name: string,
  events: { blocking: () => void; terminated: () => void },
): Promise<IDBPDatabase<Schema>> {
  return openDB<Schema>(name, VERSION, {
    ...events,
    upgrade(db) {
      const tasks = db.createObjectStore('tasks', { keyPath: 'key' });
      for (const name of ['place', 'session', 'pending'] as const) tasks.createIndex(name, name);
      for (const name of ['segments', 'meta'] as const) db.createObjectStore(name);
    },
  });
}
