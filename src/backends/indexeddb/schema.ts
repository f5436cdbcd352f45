/**
 * How tasks lie in the database.
 *
 * A small task is one record. Of a long one the record holds the head and the *inline tail*, the last few messages and
 * parts; what came before lies in *segments*, sealed runs of items that are written once. So an append writes a bounded
 * amount, and a whole history is read in few records.
 */
import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import type { TaskHead } from '../../core/head.ts';
import type { Message, Part } from '../../core/task.ts';

const VERSION = 1;

export type Item = Message | Part;

/** Some items of a tail, from a position on. */
export interface Run {
  readonly from: number;
  readonly items: Item[];
}

export interface TaskRow {
  /** The encoded key. */
  readonly key: string;
  /** A number of this creation of the task: what its segments lie under. */
  readonly id: number;
  /** The encoded scope, the state, and minus the time of the last change, so that the newest come first. */
  readonly scope: string;
  readonly state: string;
  readonly age: number;
  /** Absent where nothing is pending, which keeps the task out of that index. */
  readonly pending?: number;
  readonly head: TaskHead;
  /** The inline tails. Tail 0 is the history, tail n + 1 holds the parts of the artifact in slot n. */
  readonly tails: readonly Run[];
}

export interface Schema extends DBSchema {
  tasks: {
    key: string;
    value: TaskRow;
    indexes: { age: [string, number]; state: [string, string, number]; pending: number };
  };
  /** By task, tail, and the position of the first item. */
  segments: { key: [number, number, number]; value: Item[] };
  /** By task and revision, the mark of the commit that wrote it: two contexts cannot both add the same revision. */
  revisions: { key: [number, number]; value: number };
  meta: { key: string; value: unknown };
}

/** Opens and, where needed, upgrades: each version's step follows the one before. */
export function openDatabase(
  name: string,
  events: { blocking: () => void; terminated: () => void },
): Promise<IDBPDatabase<Schema>> {
  return openDB<Schema>(name, VERSION, {
    ...events,
    upgrade(db, oldVersion) {
      if (oldVersion < 1) {
        const tasks = db.createObjectStore('tasks', { keyPath: 'key' });
        tasks.createIndex('age', ['scope', 'age']);
        tasks.createIndex('state', ['scope', 'state', 'age']);
        tasks.createIndex('pending', 'pending');
        db.createObjectStore('segments');
        db.createObjectStore('revisions');
        db.createObjectStore('meta');
      }
    },
  });
}
