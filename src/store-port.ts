/**
 * What adapters (sync, the A2A SDK's store) build on: the store's own transaction, below the calls that users make.
 * Arguments are not checked here; whoever hands in a command has validated and frozen it.
 */
import type { Backend, Committed } from './backends/backend.ts';
import { encodeKey, type TaskHead, type TaskKey } from './core/head.ts';
import { type HeadQuery, positionOf } from './core/query.ts';
import type { SelectRange, TaskRecord } from './core/record.ts';
import type { Command } from './core/reduce.ts';
import type { Environment } from './environment.ts';
import type { CallOptions, TaskChange, TaskSync } from './task-store.ts';

export interface TransactOptions {
  /** Which items come back with the new head. @default none */
  readonly select?: SelectRange | undefined;
  /** Who is told to have made the change. @default 'local' */
  readonly source?: TaskChange['source'] | undefined;
}

/** A task that something was written of: its head, or a notice of another context's. */
export type Touched = Pick<TaskHead, 'key' | 'revision'> & { readonly type?: TaskChange['type'] };

export interface StorePort extends Environment {
  /**
   * One transaction on one task: `decide` sees the head, and by `look` the whole task where that is at hand, and answers the
   * command to apply, `'remove'`, or undefined to do nothing. It is synchronous and may be called again when another context
   * wrote first; its throw aborts.
   */
  transact(
    key: TaskKey,
    decide: (head: TaskHead | undefined, look?: () => TaskRecord | undefined) => Command | 'remove' | undefined,
    options?: TransactOptions,
  ): Promise<Committed>;
  /** For reads, which nobody is told of, and for small values beside the tasks. */
  readonly backend: Pick<Backend, 'info' | 'read' | 'list' | 'pending' | 'getMeta' | 'setMeta'>;
  /**
   * Frames an adapter's call as the store's own: refused once the store is closed, its options checked and its signal heeded,
   * waited for by `close`, its errors named.
   */
  run<T>(operation: string, taskId: string | undefined, call: () => Promise<T>, options?: CallOptions): Promise<T>;
  /** Told of every commit to a task with something pending, before or after it: of this context's at once, of others' when noticed. */
  readonly pending: { add(listener: (touched: Touched) => void): () => void };
}

/** The name under which a store remembers that it was opened with sync, and whose its changes are (a `Tracking`) from then on. */
export const SYNC_META = 'sync';

/** What `sync` of `openTaskStore` takes; made by `elkarSync` of `holdfast/sync`. */
export interface SyncAdapter {
  /** Whose the changes are that are made meanwhile. */
  readonly identity: string;
  start(port: StorePort): TaskSync;
}

/** So many heads are fetched at a time. */
const PAGE = 500;

/** Heads from the oldest change on, by pages, each once: one that changes meanwhile moves to the end, and is left out there. */
export async function* oldestFirst(
  backend: Pick<Backend, 'list'>,
  query: Pick<HeadQuery, 'states'>,
): AsyncGenerator<TaskHead[]> {
  const seen = new Set<string>();
  let after: HeadQuery['after'];
  for (;;) {
    const heads = await backend.list({ ...query, order: 'oldest', limit: PAGE, after });
    // Those that make the set grow.
    yield heads.filter(({ key }) => seen.size < seen.add(encodeKey(key)).size);
    // What a page not full leaves out has changed since: tasks that change all the time must not make this endless.
    if (heads.length < PAGE) return;
    after = positionOf(heads.at(-1) as TaskHead);
  }
}
