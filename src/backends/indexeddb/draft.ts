/** A task in the course of a transaction: what was found, and what the changes make of it. */
import type { TaskHead, TaskKey } from '../../core/head.ts';
import type { SelectRange, TailRange } from '../../core/record.ts';
import type { Committed, Decide, Decision } from '../backend.ts';
import { KnownTask } from './known-task.ts';
import type { Written } from './replica.ts';
import { isNew, type View } from './view.ts';

export interface Commit {
  readonly key: TaskKey;
  readonly name: string;
  readonly decide: Decide;
  readonly select: SelectRange;
  readonly resolve: (committed: Committed) => void;
  readonly reject: (error: unknown) => void;
}

/** What a commit came to; the error of a `decide` is that commit's alone. */
export interface Result {
  readonly error?: unknown;
  readonly committed?: Committed;
  /** What the answer needs. */
  readonly task?: KnownTask | null;
  readonly range?: TailRange | undefined;
}

export class Draft {
  readonly #name: string;
  readonly #found: KnownTask | null;
  readonly #counts: readonly number[];
  /** Whether there surely is no row of such a task. */
  readonly #isNew: boolean;
  #task: KnownTask | null;
  #head: TaskHead | undefined;
  isDirty = false;

  constructor(name: string, view: View) {
    this.#name = name;
    this.#isNew = isNew(view, name);
    this.#found = this.#task = view.known.get(name) ?? null;
    this.#head = this.#task?.head;
    this.#counts = this.#task?.counts ?? [];
  }

  apply({ decide, select }: Commit): Result {
    const before = this.#head;
    let decision: Decision;
    try {
      decision = decide(before);
    } catch (error) {
      return { error };
    }
    if (decision) {
      this.isDirty = true;
      this.#head = decision === 'remove' ? undefined : decision.head;
      if (decision === 'remove') this.#task = null;
      else {
        if (!this.#task || decision.reset) this.#task = new KnownTask(decision.head, this.#isNew);
        this.#task.append(decision);
      }
    }
    const task = this.#task;
    const head = this.#head;
    const range = head && select(head);
    return { committed: { before, decision, record: range && task?.toRecord(head, range) }, task, range };
  }

  get written(): Written {
    const [task, head, key] = [this.#task, this.#head, this.#name];
    const counts = task === this.#found ? this.#counts : [];
    return { task, head, piece: task && head ? task.pieceSince(counts, head) : { key, id: 0, tails: [] } };
  }
}
