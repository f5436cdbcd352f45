/**
 * Commits, several to a transaction: one transaction is under way, and the changes that arrive meanwhile share the next.
 *
 * A task that this context wrote or read lately is not read again: the transaction only looks up, beside the write, whether
 * the task is still as it is remembered. A task that is not remembered and that the change would create is taken for a new
 * one. Where either proves wrong, another context wrote in between: the transaction fails as a whole, and is repeated with
 * tasks read inside it.
 */
import { encodeKey, type TaskKey } from '../../core/head.ts';
import type { SelectRange } from '../../core/record.ts';
import type { Committed, Decide } from '../backend.ts';
import { answerOf, type Connection } from './connection.ts';
import { apply, type Commit, creates, type Draft, draftOf, hasLanded, type Result, writeDraft } from './draft.ts';
import { KnownTask } from './known-task.ts';
import type { TaskRow } from './schema.ts';

const MAX_BATCH = 1_000;

/** Those not used lately are forgotten when the tasks in memory hold more characters than this; each counts a little itself. */
const MAX_WEIGHT = 64 * 2 ** 20;
const TASK_WEIGHT = 2048;

/** What one try came to. */
interface Outcome {
  readonly drafts: Map<string, Draft>;
  readonly results: readonly Result[];
}

export class WriteQueue {
  readonly #connection: Connection;
  readonly #onCommitted: (committed: readonly Committed[]) => void;
  /** The ones used last stand last. */
  readonly #known = new Map<string, KnownTask>();
  #weight = 0;
  #queue: Commit[] = [];
  #running: Promise<void> | undefined;

  constructor(connection: Connection, onCommitted: (committed: readonly Committed[]) => void) {
    this.#connection = connection;
    this.#onCommitted = onCommitted;
  }

  commit(key: TaskKey, decide: Decide, select: SelectRange): Promise<Committed> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ key, name: encodeKey(key), decide, select, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** The task of a row that was just read. */
  recall(name: string, row: TaskRow): KnownTask {
    const known = this.#known.get(name);
    return known?.tokens[0] === row.token ? known : new KnownTask(row, known);
  }

  remember(name: string, task: KnownTask): void {
    this.#forget(name);
    task.stale = false;
    task.weight = task.length + TASK_WEIGHT;
    this.#known.set(name, task);
    this.#weight += task.weight;
    for (const oldest of this.#known.keys()) {
      if (this.#weight <= MAX_WEIGHT) break;
      this.#forget(oldest);
    }
  }

  #forget(name: string): void {
    this.#weight -= this.#known.get(name)?.weight ?? 0;
    this.#known.delete(name);
  }

  /** Another context wrote to this task, or may have. */
  expire(name: string): void {
    const known = this.#known.get(name);
    if (known) known.stale = true;
  }

  /** Resolves when nothing is queued any more. */
  get idle(): Promise<void> | undefined {
    return this.#running;
  }

  async #run(): Promise<void> {
    // Calls made in one go share the first transaction.
    await null;
    while (this.#queue.length > 0) await this.#commit(this.#queue.splice(0, MAX_BATCH));
    this.#running = undefined;
  }

  async #commit(batch: readonly Commit[]): Promise<void> {
    try {
      this.#settle(batch, await this.#write(batch, true));
    } catch (error) {
      // What the storage cannot take may be one change alone; the others must not fail with it.
      const { code } = error as { code?: string };
      const isShared = batch.length > 1 && (code === 'QUOTA_EXCEEDED' || code === 'IO_ERROR');
      for (const commit of batch) isShared ? await this.#commit([commit]) : commit.reject(error);
    }
  }

  async #write(batch: readonly Commit[], trusting: boolean): Promise<Outcome> {
    let tried: Outcome | undefined;
    try {
      const stores = ['tasks', 'segments'];
      return await this.#connection.transact(stores, 'readwrite', async (tx) => {
        if (tried && (await hasLanded(tx, tried.drafts))) return tried;
        const { drafts, checked } = await this.#begin(tx, batch, trusting && !tried);
        tried = { drafts, results: batch.map((commit) => apply(commit, drafts.get(commit.name) as Draft)) };
        for (const { task, range } of tried.results) if (range) await task?.load(tx, range);
        for (const [name, draft] of drafts) if (draft.dirty) writeDraft(tx, name, draft);
        // Said explicitly as soon as nothing more will be asked, the end comes sooner.
        await checked;
        tx.commit?.();
        return tried;
      });
    } catch (error) {
      for (const { name } of batch) this.expire(name);
      const isConflict = ((error as Error).cause as Error | undefined)?.name === 'ConstraintError';
      if (isConflict && trusting) return this.#write(batch, false);
      throw error;
    }
  }

  /** The tasks of a batch as they are: as remembered, taken for new, or read. `checked` fails where a memory is out of date. */
  async #begin(tx: IDBTransaction, batch: readonly Commit[], trusting: boolean) {
    const drafts = new Map<string, Draft>();
    const reads: Promise<void>[] = [];
    const checks: Promise<void>[] = [];
    const tasks = tx.objectStore('tasks');
    for (const commit of batch) {
      const { name } = commit;
      if (drafts.has(name)) continue;
      const known = this.#known.get(name);
      const trusted = trusting && !known?.stale ? known : undefined;
      drafts.set(name, draftOf(trusted));
      if (trusted) {
        const found = answerOf(tasks.index('place').getKey(trusted.place));
        checks.push(
          found.then((key) => {
            // As the browser itself says it where a row is added that is there.
            if (key !== name) throw new DOMException('', 'ConstraintError');
          }),
        );
      } else if (known || !trusting || !creates(commit)) {
        const read = answerOf<TaskRow | undefined>(tasks.get(name)).then((row) => {
          drafts.set(name, draftOf(row && this.recall(name, row)));
        });
        reads.push(read);
      }
    }
    const checked = checks.length > 0 ? Promise.all(checks) : undefined;
    // It is waited for later on; until then its failure is nobody's.
    checked?.catch(() => {});
    if (reads.length > 0) await Promise.all(reads);
    return { drafts, checked };
  }

  #settle(batch: readonly Commit[], { drafts, results }: Outcome): void {
    for (const [name, { task, dirty }] of drafts) {
      if (!dirty && !task) continue;
      task?.confirm();
      task ? this.remember(name, task) : this.#forget(name);
    }
    this.#onCommitted(results.flatMap(({ committed }) => committed ?? []));
    batch.forEach(({ resolve, reject }, i) => {
      const { committed, error } = results[i] as Result;
      committed ? resolve(committed) : reject(error);
    });
  }
}
