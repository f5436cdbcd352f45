/**
 * Commits, several to a transaction: one transaction is under way, and the changes that arrive meanwhile share the next.
 *
 * A head that this context wrote lately is not read again. That another context wrote in between shows when the commit
 * adds the row [id, revision it built on]: it can be added once. The transaction then fails as a whole, and is repeated
 * with heads read inside it. A remembered head is trusted for seconds only and such rows are kept for a minute, so that a
 * context that was frozen cannot build on what nobody guards any more.
 */
import { encodeKey, type TaskKey } from '../../core/head.ts';
import type { SelectRange, TailRange } from '../../core/record.ts';
import type { Committed, Decide, Decision } from '../backend.ts';
import { answerOf, type Connection } from './connection.ts';
import { KnownTask } from './known-task.ts';
import type { TaskRow } from './schema.ts';

const TRUSTED_MS = 5_000;
const GUARDED_MS = 60_000;
const MAX_BATCH = 1_000;
/** Of tasks not written lately, items in memory are let go when there are more than so many in all. */
const MAX_ITEMS = 100_000;

interface Commit {
  readonly key: TaskKey;
  readonly name: string;
  readonly decide: Decide;
  readonly select: SelectRange;
  readonly resolve: (committed: Committed) => void;
  readonly reject: (error: unknown) => void;
}

/** A task in the course of a transaction. */
interface Draft {
  task: KnownTask | undefined;
  /** What the transaction found: built on this revision of this id; absent where there was no task. */
  readonly base: { readonly id: number; readonly revision: number; readonly updatedAt: string } | undefined;
  dirty: boolean;
}

interface Trusted {
  readonly task: KnownTask;
  readonly at: number;
}

/** What a commit came to; the error of a `decide` is that commit's alone. */
type Result =
  | { readonly committed: Committed; readonly task: KnownTask | undefined; readonly range: TailRange | undefined }
  | { readonly error: unknown };

/** What one try came to. */
interface Outcome {
  readonly drafts: Map<string, Draft>;
  readonly results: readonly Result[];
}

export class WriteQueue {
  readonly #connection: Connection;
  readonly #durability: IDBTransactionDurability;
  readonly #onCommitted: (committed: readonly Committed[]) => void;
  readonly #trusted = new Map<string, Trusted>();
  #queue: Commit[] = [];
  #running: Promise<void> | undefined;

  constructor(
    connection: Connection,
    durability: IDBTransactionDurability,
    onCommitted: (committed: readonly Committed[]) => void,
  ) {
    this.#connection = connection;
    this.#durability = durability;
    this.#onCommitted = onCommitted;
  }

  commit(key: TaskKey, decide: Decide, select: SelectRange): Promise<Committed> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ key, name: encodeKey(key), decide, select, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** The items of a task that are in memory, whatever its head by now. */
  known(name: string): KnownTask | undefined {
    return this.#trusted.get(name)?.task;
  }

  forget(name: string): void {
    this.#trusted.delete(name);
  }

  /** Resolves when nothing is queued any more. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    // Calls made in one go share the first transaction.
    await null;
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, MAX_BATCH);
      try {
        this.#settle(batch, await this.#write(batch, true));
      } catch (error) {
        for (const { name, reject } of batch) {
          this.forget(name);
          reject(error);
        }
      }
    }
    this.#running = undefined;
  }

  async #write(batch: readonly Commit[], trusting: boolean): Promise<Outcome> {
    const mark = Math.random();
    let tried: Outcome | undefined;
    try {
      const stores = ['tasks', 'segments', 'revisions'];
      return await this.#connection.transact(stores, 'readwrite', this.#durability, async (tx) => {
        if (tried && (await hasLanded(tx, tried, mark))) return tried;
        const drafts = await this.#begin(tx, batch, trusting && !tried);
        tried = { drafts, results: batch.map((commit) => apply(commit, drafts.get(commit.name) as Draft)) };
        for (const result of tried.results) if (isMissingItems(result)) await result.task.load(tx, result.range);
        for (const [name, draft] of drafts) if (draft.dirty) writeDraft(tx, name, draft, mark);
        tx.commit?.();
        return tried;
      });
    } catch (error) {
      for (const { name } of batch) this.forget(name);
      const isConflict = ((error as Error).cause as Error | undefined)?.name === 'ConstraintError';
      if (isConflict && trusting) return this.#write(batch, false);
      throw error;
    }
  }

  /** The tasks of a batch as they are: remembered where that can be trusted, else read. */
  async #begin(tx: IDBTransaction, batch: readonly Commit[], trusting: boolean): Promise<Map<string, Draft>> {
    const drafts = new Map<string, Draft>();
    const reads: Promise<void>[] = [];
    const since = Date.now() - TRUSTED_MS;
    for (const { name } of batch) {
      if (drafts.has(name)) continue;
      const trusted = trusting ? this.#trusted.get(name) : undefined;
      drafts.set(name, draftOf(trusted && trusted.at > since ? trusted.task : undefined));
      if (trusted && trusted.at > since) continue;
      const read = answerOf<TaskRow | undefined>(tx.objectStore('tasks').get(name));
      reads.push(
        read.then((row) => {
          drafts.set(name, draftOf(row && new KnownTask(row.id, row.head, row.tails)));
        }),
      );
    }
    if (reads.length > 0) await Promise.all(reads);
    return drafts;
  }

  #settle(batch: readonly Commit[], { drafts, results }: Outcome): void {
    for (const [name, { task, dirty }] of drafts) {
      if (!dirty) continue;
      this.forget(name);
      if (task) this.#trusted.set(name, { task, at: Date.now() });
    }
    // What no answer wants is not kept in memory either.
    for (const result of results) {
      if ('committed' in result && result.range) result.task?.trim(result.range);
    }
    this.#shrink();
    this.#onCommitted(results.flatMap((result) => ('committed' in result ? [result.committed] : [])));
    batch.forEach(({ resolve, reject }, i) => {
      const result = results[i] as Result;
      'committed' in result ? resolve(result.committed) : reject(result.error);
    });
  }

  /** The task written last stands last; the others go first. */
  #shrink(): void {
    let items = 0;
    const entries = [...this.#trusted];
    for (let i = entries.length - 1; i >= 0; i--) {
      const [name, { task }] = entries[i] as [string, Trusted];
      items += task.size + 10;
      if (items > MAX_ITEMS && i < entries.length - 1) this.forget(name);
    }
  }
}

function draftOf(task: KnownTask | undefined): Draft {
  const base = task && { id: task.id, revision: task.head.revision, updatedAt: task.head.updatedAt };
  return { task, base, dirty: false };
}

function apply({ decide, select }: Commit, draft: Draft): Result {
  const before = draft.task?.head;
  let decision: Decision;
  try {
    decision = decide(before);
  } catch (error) {
    return { error };
  }
  if (decision) {
    draft.dirty = true;
    if (decision === 'remove') draft.task = undefined;
    else {
      if (!draft.task || decision.reset) draft.task = new KnownTask(newId(), decision.head, []);
      draft.task.append(decision);
    }
  }
  const { task } = draft;
  const range = task && select(task.head);
  return { committed: { before, decision, record: range && task?.toRecord(range) }, task, range };
}

function isMissingItems(result: Result): result is Result & { task: KnownTask; range: TailRange } {
  return 'committed' in result && result.range !== undefined && result.task?.lacks(result.range) === true;
}

function writeDraft(tx: IDBTransaction, name: string, { task, base }: Draft, mark: number): void {
  const segments = tx.objectStore('segments');
  const revisions = tx.objectStore('revisions');
  if (base) {
    revisions.add(mark, [base.id, base.revision]);
    const old = Date.now() - Date.parse(base.updatedAt) > GUARDED_MS ? base.revision : 0;
    if (old > 0) revisions.delete(IDBKeyRange.bound([base.id, 0], [base.id, old], false, true));
    if (task?.id !== base.id) segments.delete(IDBKeyRange.bound([base.id], [base.id, []]));
  }
  if (!task) {
    tx.objectStore('tasks').delete(name);
    return;
  }
  for (const { tail, from, items } of task.seal()) segments.put(items, [task.id, tail, from]);
  tx.objectStore('tasks').put(task.toRow());
}

/** Whether an earlier try, whose end was not seen, took effect: a transaction does so whole, any task of it tells. */
async function hasLanded(tx: IDBTransaction, { drafts }: Outcome, mark: number): Promise<boolean> {
  for (const [name, { task, base, dirty }] of drafts) {
    if (!dirty) continue;
    if (base) return (await answerOf(tx.objectStore('revisions').get([base.id, base.revision]))) === mark;
    const row: TaskRow | undefined = await answerOf(tx.objectStore('tasks').get(name));
    return row !== undefined && row.id === task?.id;
  }
  return false;
}

function newId(): number {
  return Math.floor(Math.random() * Number.MAX_SAFE_INTEGER);
}
