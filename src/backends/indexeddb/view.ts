/** What a context knows, as of a record of the journal: the tasks it has seen lately, and all that is not folded yet. */
import { compareNewest, type ListedHead } from '../../core/query.ts';
import type { KnownTask } from './known-task.ts';
import type { RecordHeader, TaskRow } from './schema.ts';

/** All is forgotten when more characters than this have come into memory; each task counts a little itself. */
const MAX_WEIGHT = 64 * 2 ** 20;
export const TASK_WEIGHT = 2048;

/** What is not folded is left alone while it is no more than this. */
export const SOFT_LIMIT = { records: 64, length: 128 * 1024 };

/** When it is more, changes wait until some of it is folded. */
const HARD_LIMIT = { records: 8192, length: 32 * 2 ** 20 };

/** What stands in a record that is not folded. */
export interface Unfolded {
  readonly header: RecordHeader;
  readonly names: readonly string[];
  readonly length: number;
}

/** The tasks that have changed since their rows were written. */
interface Overlay {
  readonly names: ReadonlySet<string>;
  readonly newestFirst: readonly ListedHead[];
}

/** Rows of several prefixes of an index; what lists need of them. */
export type Pages = readonly (readonly Pick<TaskRow, 'key' | 'head'>[])[];

/** A new one takes its place when nothing can be built on it any more; a transaction that has the old one may go on with it. */
export interface View {
  readonly db: IDBDatabase | undefined;
  /** Of the last record. */
  last: RecordHeader;
  /** The transaction that all records were last looked for in. */
  asOf?: IDBTransaction;
  /** Null: there is surely none. Those of all records that are not folded are here. */
  known: Map<string, KnownTask | null>;
  log: Unfolded[];
  /** How many characters there are in the log. */
  length: number;
  /** What lists need of the log; undefined since it last changed. */
  overlay?: Overlay | undefined;
  /** The rows that lists have read, by query: good until something is folded, since all that changes is in the log. */
  pages: Map<string, Pages>;
  /** Of all tasks there are, and maybe of some that are gone; null where they are too many, undefined where that is not known. */
  names?: Set<string> | null;
  /** How many characters of tasks have come into memory, be they still there or not. */
  weight: number;
  /** Whether this context has looked for what others left in the journal. */
  isSwept?: true;
}

export function exceeds({ log, length }: View, limit: typeof SOFT_LIMIT): boolean {
  return length > limit.length || log.length > limit.records;
}

/** Whether changes have to wait until some of it is folded: what is not cannot be forgotten, whatever else memory holds. */
export function isOverdue(view: View): boolean {
  return exceeds(view, view.weight > MAX_WEIGHT ? SOFT_LIMIT : HARD_LIMIT);
}

/** What is not folded cannot be forgotten for long. */
export function isFull(view: View): boolean {
  return view.weight > MAX_WEIGHT && !exceeds(view, SOFT_LIMIT);
}

export function isNew({ names }: View, name: string): boolean {
  return names?.has(name) === false;
}

export function overlayOf(view: View): Overlay {
  if (!view.overlay) {
    const names = new Set(view.log.flatMap(({ names }) => names));
    const listed = Array.from(names, (name) => view.known.get(name)?.listed ?? []).flat();
    view.overlay = { names, newestFirst: listed.sort(compareNewest) };
  }
  return view.overlay;
}
