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
import { apply, type Commit, type Draft, draftOf, hasLanded, type Result, writerOf } from './draft.ts';
import { KnownTask } from './known-task.ts';
import type { TaskRow } from './schema.ts';

const MAX_BATCH = 1_000;

/** Those not used lately are forgotten when the tasks in memory hold more characters than this; each counts a little itself. */
const MAX_WEIGHT = 64 * 2 ** 20;
const TASK_WEIGHT = 2048;

/** Asks for what it needs, and answers what there is to wait for. */
type Step = (tx: IDBTransaction) => Promise<unknown>[];

/** What one try came to. */
interface Outcome {
  readonly drafts: Map<string, Draft>;
  readonly results: Map<Commit, Result>;
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

  get(name: string): KnownTask | undefined {
    return this.#known.get(name);
  }

  /** The task of a row that was just read. */
  recall(name: string, row: TaskRow): KnownTask {
    const known = this.#known.get(name);
    return known?.tokens[0] === row.token ? known : KnownTask.of(row, known);
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
    const byName = new Map<string, Commit[]>();
    for (const commit of batch) {
      const same = byName.get(commit.name);
      same ? same.push(commit) : byName.set(commit.name, [commit]);
    }
    let tried: Outcome | undefined;
    try {
      let outcome: Outcome;
      let isTrusting = trusting;
      let attempts = 0;
      let tasks: Iterator<[string, Commit[]]>;
      let first: Step;
      const next = (): Step | undefined => {
        const { value, done } = tasks.next();
        return done ? undefined : this.#prepare(...(value as [string, Commit[]]), isTrusting, outcome);
      };
      const write = async (tx: IDBTransaction) => {
        if (tried && (await hasLanded(tx, tried.drafts))) return tried;
        tried = outcome;
        const waits: Promise<unknown>[] = [];
        // A task is written as soon as it is made up, so that the browser is at work while the next is.
        for (let step: Step | undefined = first; step; step = next()) waits.push(...step(tx));
        if (waits.length > 0) await Promise.all(waits);
        // Said explicitly as soon as nothing more will be asked, the end comes sooner.
        tx.commit?.();
        return outcome;
      };
      return await this.#connection.transact(['tasks', 'segments'], 'readwrite', write, () => {
        // The first attempt has changed what is remembered, whether it wrote anything or not.
        isTrusting &&= attempts++ === 0;
        outcome = { drafts: new Map(), results: new Map() };
        tasks = byName.entries();
        first = next() as Step;
      });
    } catch (error) {
      for (const name of byName.keys()) this.expire(name);
      const isConflict = ((error as Error).cause as Error | undefined)?.name === 'ConstraintError';
      if (isConflict && trusting) return this.#write(batch, false);
      throw error;
    }
  }

  /** The changes of one task, made of it as it is remembered, or taken for new, or, in the transaction, as it is read. */
  #prepare(name: string, commits: readonly Commit[], isTrusting: boolean, { drafts, results }: Outcome): Step {
    const known = this.#known.get(name);
    const trusted = isTrusting && !known?.stale ? known : undefined;

    const make = (draft: Draft): Step => {
      const found = commits.map((commit) => apply(commit, draft));
      const write = draft.dirty ? writerOf(name, draft) : undefined;
      return (tx) => {
        drafts.set(name, draft);
        for (const [i, commit] of commits.entries()) results.set(commit, found[i] as Result);
        write?.(tx);
        return found.flatMap(({ task, range }) => (range && task?.load(tx, range)) ?? []);
      };
    };
    const read: Step = (tx) => [
      answerOf<TaskRow | undefined>(tx.objectStore('tasks').get(name)).then((row) =>
        Promise.all(make(draftOf(row && this.recall(name, row)))(tx)),
      ),
    ];

    if (trusted) {
      const { place } = trusted;
      const step = make(draftOf(trusted));
      return (tx) => {
        const found = answerOf(tx.objectStore('tasks').index('place').getKey(place));
        const checked = found.then((key) => {
          // As the browser itself says it where a row is added that is there.
          if (key !== name) throw new DOMException('', 'ConstraintError');
        });
        return [checked, ...step(tx)];
      };
    }
    if (known || !isTrusting) return read;
    const draft = draftOf(undefined);
    const step = make(draft);
    return draft.task ? step : read;
  }

  #settle(batch: readonly Commit[], { drafts, results }: Outcome): void {
    const told: Committed[] = [];
    for (const [name, { task, dirty }] of drafts) {
      if (!dirty && !task) continue;
      task?.confirm();
      task ? this.remember(name, task) : this.#forget(name);
    }
    for (const commit of batch) {
      const { committed, error } = results.get(commit) as Result;
      if (committed) told.push(committed);
      committed ? commit.resolve(committed) : commit.reject(error);
    }
    this.#onCommitted(told);
  }
}
