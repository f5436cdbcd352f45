/**
 * Commits, several to a transaction: one transaction is under way, and the changes that arrive meanwhile share the next.
 *
 * A task that this context wrote or read lately is not read again: the transaction only looks up, beside the write, whether
 * the task is still as it is remembered. A task that is not remembered and that the change would create is taken for a new
 * one. Where either proves wrong, another context wrote in between: the transaction fails as a whole, and is repeated with
 * tasks read inside it.
 */
import { encodeKey, type TaskKey } from '../../core/head.ts';
import { copyJson } from '../../core/json.ts';
import type { SelectRange } from '../../core/record.ts';
import type { Committed, Decide } from '../backend.ts';
import { answerOf, type Connection, isCutOff } from './connection.ts';
import { apply, type Commit, type Draft, draftOf, hasLanded, type Result, writerOf } from './draft.ts';
import { KnownTask } from './known-task.ts';
import { byName, linger } from './queue.ts';
import { headOf, type Place, type TaskRow } from './schema.ts';

const MAX_BATCH = 1_000;

/**
 * Other contexts are told when nothing more is coming for now, and in between after so many ms. A message of its own for each
 * change would take a fifth of its time.
 */
const TELL_MS = 40;

/** All are forgotten when those in memory hold more characters than this; each counts a little itself. */
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
  readonly #known = new Map<string, KnownTask>();
  #weight = 0;
  #queue: Commit[] = [];
  /** Resolves when nothing is queued any more. */
  declare idle: Promise<void> | undefined;
  #untold: Committed[] = [];
  #tellAt = 0;

  constructor(connection: Connection, onCommitted: (committed: readonly Committed[]) => void) {
    this.#connection = connection;
    this.#onCommitted = onCommitted;
  }

  commit(key: TaskKey, decide: Decide, select: SelectRange): Promise<Committed> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ key, name: encodeKey(key), decide, select, resolve, reject });
      this.idle ??= this.#run();
    });
  }

  get(name: string): KnownTask | undefined {
    return this.#known.get(name);
  }

  /** The task of a row that was just read. */
  recall(name: string, row: TaskRow): KnownTask {
    const known = this.#known.get(name);
    return known && known.tokens[0] === row.tokens[0] ? known : new KnownTask(copyJson(headOf(row)), row, known);
  }

  remember(name: string, task: KnownTask): void {
    const weight = task.length + TASK_WEIGHT;
    this.#weight += weight - task.weight;
    if (this.#weight > MAX_WEIGHT) {
      this.#known.clear();
      this.#weight = weight;
    }
    task.weight = weight;
    task.stale = false;
    this.#known.set(name, task);
  }

  /** Another context wrote to this task, or may have. */
  expire(name: string): void {
    const known = this.#known.get(name);
    if (known) known.stale = true;
  }

  async #run(): Promise<void> {
    // Calls made in one go share the first transaction.
    await null;
    while (this.#queue.length > 0) {
      await this.#commit(this.#queue.splice(0, MAX_BATCH));
      await linger(this.#queue);
      if (this.#queue.length > 0 && performance.now() < this.#tellAt) continue;
      this.#onCommitted(this.#untold.splice(0));
      this.#tellAt = performance.now() + TELL_MS;
    }
    this.idle = undefined;
  }

  async #commit(batch: readonly Commit[]): Promise<void> {
    try {
      this.#settle(batch, await this.#write(batch, true));
    } catch (error) {
      // What the storage refuses may be one change alone; the others must not fail with it. Where the end was not seen, they
      // may have taken effect, and are not repeated.
      const { code, cause } = error as { code?: string; cause?: unknown };
      const isShared = batch.length > 1 && code !== 'STORE_UNAVAILABLE' && !isCutOff(cause);
      for (const commit of batch) isShared ? await this.#commit([commit]) : commit.reject(error);
    }
  }

  async #write(batch: readonly Commit[], trusting: boolean): Promise<Outcome> {
    const changes = byName(batch);
    let isTrusting = trusting;
    let tried: Outcome | undefined;
    let outcome: Outcome;
    let steps: Generator<Step, undefined>;
    let first: Step | undefined;
    const prepare = () => {
      outcome = { drafts: new Map(), results: new Map() };
      steps = this.#steps(changes, isTrusting, outcome);
      first = steps.next().value;
      // By now what is remembered has changed, whether anything gets written or not.
      isTrusting = false;
    };
    try {
      return await this.#connection.transact(
        ['tasks', 'segments'],
        'readwrite',
        async (tx) => {
          if (tried && (await hasLanded(tx, tried.drafts))) return tried;
          tried = outcome;
          const waits: Promise<unknown>[] = [];
          try {
            for (let step = first; step; step = steps.next().value) waits.push(...step(tx));
          } catch (error) {
            // The earlier ones will fail with it, and must be heard.
            waits.push(Promise.reject(error));
          }
          if (waits.length > 0) await Promise.all(waits);
          // Said explicitly as soon as nothing more will be asked, the end comes sooner.
          tx.commit?.();
          return outcome;
        },
        prepare,
      );
    } catch (error) {
      for (const name of changes.keys()) this.expire(name);
      const isConflict = ((error as Error).cause as Error | undefined)?.name === 'ConstraintError';
      if (isConflict && trusting) return this.#write(batch, false);
      throw error;
    }
  }

  /**
   * What is to be asked for each task, made up one by one, so that the browser is at work on one while the next is: the task
   * as it is remembered, or taken for new, or, in the transaction, as it is read.
   */
  *#steps(
    changes: ReadonlyMap<string, readonly Commit[]>,
    isTrusting: boolean,
    { drafts, results }: Outcome,
  ): Generator<Step, undefined> {
    for (const [name, commits] of changes) {
      const make = (draft: Draft): Step => {
        const found = commits.map((commit) => apply(commit, draft));
        const write = draft.dirty ? writerOf(name, draft) : undefined;
        return (tx) => {
          drafts.set(name, draft);
          for (const [i, commit] of commits.entries()) results.set(commit, found[i] as Result);
          // Before the write, which may delete what an answer holds.
          const loads = found.flatMap(({ task, range }) => (range && task?.load(tx, range)) ?? []);
          write?.(tx);
          return loads;
        };
      };
      const read: Step = (tx) => {
        const row = answerOf<TaskRow | undefined>(tx.objectStore('tasks').get(name));
        return [row.then((row) => Promise.all(make(draftOf(row && this.recall(name, row)))(tx)))];
      };
      const known = this.#known.get(name);
      if (!isTrusting || known?.stale) yield read;
      else {
        const place = known?.place;
        const draft = draftOf(known);
        const step = make(draft);
        if (place) yield (tx) => [hasStayed(tx, name, place)];
        yield place || draft.task ? step : read;
      }
    }
  }

  #settle(batch: readonly Commit[], { drafts, results }: Outcome): void {
    for (const [name, { task, dirty }] of drafts) {
      if (!dirty && !task) continue;
      task?.confirm();
      task ? this.remember(name, task) : this.#known.delete(name);
    }
    for (const commit of batch) {
      const { committed, error } = results.get(commit) as Result;
      if (committed) {
        this.#untold.push(committed);
        commit.resolve(committed);
      } else commit.reject(error);
    }
  }
}

/** Fails, as the browser does where a row is added that is there, if the task has been written since it was at this place. */
function hasStayed(tx: IDBTransaction, name: string, place: Place): Promise<void> {
  return answerOf(tx.objectStore('tasks').index('place').getKey(place)).then((key) => {
    if (key !== name) throw new DOMException('', 'ConstraintError');
  });
}
