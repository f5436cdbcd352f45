/**
 * Commits, several to a transaction: one transaction is under way, and the changes that arrive meanwhile share the next.
 * What they add to the journal is made up before the transaction begins, where nothing has to be looked at first (see
 * `replica.ts`); should another context have written, the transaction fails as a whole, and is repeated with a look.
 */
import { encodeKey, type TaskKey } from '../../core/head.ts';
import type { SelectRange, TailRange } from '../../core/record.ts';
import type { Committed, Decide } from '../backend.ts';
import { applyCommits, type Commit, type Result } from './apply-commits.ts';
import { type Connection, isDisconnect } from './connection.ts';
import { erase, fold } from './fold.ts';
import { byName, waitForMore } from './queue.ts';
import type { Replica, Written } from './replica.ts';
import { type JournalRecord, TASK_STORES } from './schema.ts';
import { exceeds, isOverdue, SOFT_LIMIT, type View } from './view.ts';

const MAX_BATCH = 1_000;

/**
 * Other contexts are told when nothing more is coming for now, and in between after so many ms. A message of its own for each
 * change would take a fifth of its time.
 */
const TELL_MS = 40;

/** What is not folded waits until nobody has used the store for so long, in ms, though not for ever. */
const IDLE_MS = 100;
const LONGEST_WAIT_MS = 5_000;

/** What one try came to. */
interface Outcome {
  readonly results: ReadonlyMap<Commit, Result>;
  readonly written: ReadonlyMap<string, Written>;
  readonly records: readonly JournalRecord[];
  /** The results whose answers hold items that are not in memory. */
  readonly lacking: readonly Result[];
}

export class WriteQueue {
  readonly #connection: Connection;
  readonly #replica: Replica;
  readonly #onCommitted: (committed?: readonly Committed[]) => void;
  #queue: Commit[] = [];
  /** Resolves when nothing is queued any more. */
  #draining: Promise<void> | undefined;
  #foldTimer: ReturnType<typeof setTimeout> | undefined;
  /** When the store was last used, and since when folding has been put off. */
  #usedAt = 0;
  #waitingSince = 0;
  #untold: Committed[] = [];
  #tellAt = 0;

  constructor(connection: Connection, replica: Replica, onCommitted: (committed?: readonly Committed[]) => void) {
    this.#connection = connection;
    this.#replica = replica;
    this.#onCommitted = onCommitted;
  }

  commit(key: TaskKey, decide: Decide, select: SelectRange): Promise<Committed> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ name: encodeKey(key), decide, select, resolve, reject });
      this.#draining ??= this.#run();
    });
  }

  /** Resolves when everything is written, and folded where that is possible. */
  async close(): Promise<void> {
    while (this.#draining) await this.#draining;
    // Changes that a given-up call makes meanwhile have to wait: beside the folding, they would get into rows before they are written.
    this.#draining = Promise.resolve();
    while ((this.#replica.givenUp[0] || this.#replica.view.log[0]) && (await this.#fold()));
    await this.#run();
    clearTimeout(this.#foldTimer);
  }

  /** Tells others what they have not been told yet. */
  tell(): void {
    this.#onCommitted(this.#untold.splice(0));
  }

  /** To be called after every use. What is not folded may be another context's, which may be gone. */
  touch(): void {
    this.#usedAt = performance.now();
    if (this.#foldTimer || !this.#needsFold()) return;
    this.#waitingSince = this.#usedAt;
    this.#foldTimer = setTimeout(() => this.#foldWhenIdle(), IDLE_MS);
  }

  async #run(): Promise<void> {
    // Calls made in one go share the first transaction.
    await null;
    while (this.#queue.length > 0) {
      await this.#commit(this.#queue.splice(0, MAX_BATCH));
      while (isOverdue(this.#replica.view) && (await this.#fold()));
      await waitForMore(this.#queue);
      if (this.#queue.length > 0 && performance.now() < this.#tellAt) continue;
      this.tell();
      this.#tellAt = performance.now() + TELL_MS;
    }
    this.#draining = undefined;
    this.touch();
  }

  #needsFold(): boolean {
    const { givenUp, view } = this.#replica;
    return givenUp.length > 0 || exceeds(view, SOFT_LIMIT);
  }

  /** One timer does for all changes of a stream. */
  #foldWhenIdle(): void {
    const left = this.#left();
    this.#foldTimer = left > 1 ? setTimeout(() => this.#foldWhenIdle(), left) : undefined;
    if (!this.#foldTimer) this.#draining ??= this.#foldAll();
  }

  #left(): number {
    return Math.min(this.#usedAt + IDLE_MS, this.#waitingSince + LONGEST_WAIT_MS) - performance.now();
  }

  async #foldAll(): Promise<void> {
    await null;
    // Whoever uses the store meanwhile begins the wait anew.
    while (this.#needsFold() && this.#queue.length === 0 && this.#left() <= 1 && (await this.#fold()));
    this.#draining = this.#queue.length > 0 ? this.#run() : undefined;
  }

  /** Answers whether something was folded. What fails here fails nobody's change; it is tried again later. */
  async #fold(): Promise<boolean> {
    try {
      const folded = await this.#connection.transact('readwrite', async (tx) =>
        fold(tx, await this.#replica.catchUp(tx)),
      );
      this.#replica.settleFold(folded);
      return folded.length > 0;
    } catch {
      this.#replica.forget();
      return false;
    }
  }

  async #commit(batch: readonly Commit[]): Promise<void> {
    try {
      const { results, records, written } = await this.#write(batch, true);
      this.#replica.settle(records, written);
      this.#answer(batch, results);
    } catch (error) {
      // What the storage refuses may be one change alone; the others must not fail with it. Where the end was not seen, they
      // may have taken effect, and are not repeated.
      const { code, cause } = error as { code?: string; cause?: unknown };
      const isShared = batch.length > 1 && code !== 'STORE_UNAVAILABLE' && !isDisconnect(cause);
      for (const commit of batch) {
        if (isShared) await this.#commit([commit]);
        else if (code === 'QUOTA_EXCEEDED') await this.#erase(commit, error).catch(commit.reject);
        else commit.reject(error);
      }
    }
  }

  /** Where there is no room for a record: what deletes a task may do without. Fails with the error of the record. */
  async #erase(commit: Commit, full: unknown): Promise<void> {
    let tried: Outcome['results'] | undefined;
    try {
      const outcome = await this.#connection.transact('readwrite', async (tx) => {
        const view = await this.#replica.catchUp(tx, [commit.name]);
        const { results, written } = this.#decide(byName([commit]), view);
        for (const [name, { task }] of written) if (task || !(await erase(tx, view, name))) throw full;
        // If nothing is found after a try whose end was not seen, that try took effect.
        if (!tried || written.size > 0) tried = results;
        // Told before the end, in case this context dies right after it: others build on the task until they look, and a look
        // waits for the end.
        this.#onCommitted();
        return tried;
      });
      this.#answer([commit], outcome);
    } finally {
      this.#replica.forget();
    }
  }

  async #write(batch: readonly Commit[], optimistic: boolean): Promise<Outcome> {
    const replica = this.#replica;
    const changes = byName(batch);
    const names = [...changes.keys()];
    let mayTrust = optimistic;
    let outcome: Outcome | undefined;
    let tried: Outcome | undefined;
    /** Makes up what needs no look, and answers which stores the transaction needs. */
    const begin = (db: IDBDatabase): string[] => {
      outcome = mayTrust && replica.mayTrust(db, names) ? this.#decide(changes, replica.view) : undefined;
      mayTrust = false;
      // Nothing would refuse a decision that writes nothing, if another context wrote: that takes a look.
      if (outcome?.records.length === 0) outcome = undefined;
      return outcome?.lacking.length === 0 ? ['journal'] : TASK_STORES;
    };
    const write = async (tx: IDBTransaction): Promise<Outcome> => {
      if (!outcome) {
        const view = await replica.catchUp(tx, names);
        if (tried && replica.hasLanded(view, tried.records)) return tried;
        outcome = this.#decide(changes, view);
      }
      tried = outcome;
      const { lacking, records } = outcome;
      // What one has loaded is there for the others of its task.
      for (const { task, range } of lacking) await task?.load(tx, range as TailRange, replica.view);
      for (const record of records) tx.objectStore('journal').add(record, record[0]);
      // Said explicitly, the end comes sooner; but of what is not answered by then Firefox stores the rest where one is refused.
      if (records.length === 1) tx.commit?.();
      return outcome;
    };
    try {
      return await this.#connection.transact('readwrite', write, begin);
    } catch (error) {
      // What is in memory has changed, whether anything was written or not.
      replica.forget();
      const { code } = error as { code?: string };
      if (code === 'STORE_TIMEOUT' && tried) replica.giveUp(tried.records);
      const isConflict = ((error as Error).cause as Error | undefined)?.name === 'ConstraintError';
      if (isConflict && optimistic) return this.#write(batch, false);
      throw error;
    }
  }

  #decide(changes: ReadonlyMap<string, readonly Commit[]>, view: View): Outcome {
    const results = new Map<Commit, Result>();
    const written = new Map<string, Written>();
    for (const [name, commits] of changes) {
      const after = applyCommits(view, name, commits, results);
      if (after) written.set(name, after);
    }
    const lacking = [...results.values()].filter(({ task, range }) => range && task?.lacks(range));
    return { results, written, records: this.#replica.recordsOf(view, written), lacking };
  }

  #answer(batch: readonly Commit[], results: Outcome['results']): void {
    for (const commit of batch) {
      const { committed, error } = results.get(commit) as Result;
      if (committed) {
        this.#untold.push(committed);
        commit.resolve(committed);
      } else commit.reject(error);
    }
  }
}
