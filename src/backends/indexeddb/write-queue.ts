/**
 * Commits, several to a transaction: one transaction is under way, and the changes that arrive meanwhile share the next.
 *
 * A task that this context wrote or read lately is not read again: the transaction only looks up, beside the write, whether
 * the task is still as it is remembered. A task that is not remembered and that the change would create is taken for a new
 * one. Where either proves wrong, another context wrote in between: the transaction fails as a whole, and is repeated with
 * tasks read inside it.
 */
import { encodeKey, type TaskKey } from '../../core/head.ts';
import type { SelectRange, TailRange } from '../../core/record.ts';
import type { Committed, Decide, Decision } from '../backend.ts';
import { answerOf, type Connection } from './connection.ts';
import { KnownTask } from './known-task.ts';
import type { TaskRow } from './schema.ts';

const MAX_BATCH = 1_000;

/** Those not used lately are forgotten when the tasks in memory hold more characters than this; each counts a little itself. */
const MAX_WEIGHT = 64 * 2 ** 20;
const TASK_WEIGHT = 2048;

/** One write in so many clears the index of what earlier ones left in it. */
const SWEEP_EVERY = 16;

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
  readonly base: { readonly id: number; readonly place: KnownTask['place'] } | undefined;
  dirty: boolean;
}

/** What a commit came to; the error of a `decide` is that commit's alone. */
interface Result {
  readonly error?: unknown;
  readonly committed?: Committed;
  readonly task?: KnownTask | undefined;
  readonly range?: TailRange | undefined;
}

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
  async idle(): Promise<void> {
    await this.#running;
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
        if (tried && (await hasLanded(tx, tried))) return tried;
        const { drafts, checked } = await this.#begin(tx, batch, trusting && !tried);
        tried = { drafts, results: batch.map((commit) => apply(commit, drafts.get(commit.name) as Draft)) };
        for (const { task, range } of tried.results) if (range && task?.lacks(range)) await task.load(tx, range);
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
        checks.push(found.then((key) => (key === name ? undefined : Promise.reject(conflict()))));
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

/** Whether a change creates its task where there is none. */
function creates({ decide }: Commit): boolean {
  try {
    return typeof decide(undefined) === 'object';
  } catch {
    return false;
  }
}

/** What the browser raises itself where a row is added that is there. */
function conflict(): DOMException {
  return new DOMException('written by another context', 'ConstraintError');
}

function draftOf(task: KnownTask | undefined): Draft {
  return { task, base: task && { id: task.id, place: task.place }, dirty: false };
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
    if (!draft.dirty) draft.task?.renew();
    draft.dirty = true;
    if (decision === 'remove') draft.task = undefined;
    else {
      if (!draft.task || decision.reset) draft.task = KnownTask.create(decision.head);
      draft.task.append(decision);
    }
  }
  const { task } = draft;
  const range = task && select(task.head);
  return { committed: { before, decision, record: range && task?.toRecord(range) }, task, range };
}

function writeDraft(tx: IDBTransaction, name: string, { task, base }: Draft): void {
  const tasks = tx.objectStore('tasks');
  const segments = tx.objectStore('segments');
  if (base && task?.id !== base.id) segments.delete(IDBKeyRange.bound([base.id], [base.id, []]));
  if (!task) {
    tasks.delete(name);
    return;
  }
  for (const { tail, from, items } of task.seal()) segments.put(items, [task.id, tail, from]);
  base ? tasks.put(task.toRow()) : tasks.add(task.toRow());
  if (base && Math.random() * SWEEP_EVERY < 1) sweep(tasks, base.place);
}

/**
 * Chromium leaves the index entries of rows written over where they are, and steps over them at every look; a look from
 * within a writing transaction removes those it meets, from the entry that was just left behind up to the next living one.
 * Without it, listing after 100,000 appends to one task takes 200 ms.
 */
function sweep(tasks: IDBObjectStore, place: KnownTask['place']): void {
  tasks.index('place').getKey(IDBKeyRange.bound(place, [place[0], place[1], []]));
}

/** Whether an earlier try, whose end was not seen, took effect: a transaction does so whole, any task of it tells. */
async function hasLanded(tx: IDBTransaction, { drafts }: Outcome): Promise<boolean> {
  for (const [name, { task, base, dirty }] of drafts) {
    if (!dirty || !(task || base)) continue;
    const row: TaskRow | undefined = await answerOf(tx.objectStore('tasks').get(name));
    if (!task) return row?.id !== base?.id;
    return row !== undefined && [row.token, ...row.earlier].includes(task.tokens[0] as number);
  }
  return false;
}
