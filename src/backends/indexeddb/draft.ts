/** A task in the course of a transaction: what was found, what the changes make of it, what of that is written. */
import type { TaskKey } from '../../core/head.ts';
import type { SelectRange, TailRange } from '../../core/record.ts';
import type { Committed, Decide, Decision } from '../backend.ts';
import { answerOf } from './connection.ts';
import { KnownTask } from './known-task.ts';
import type { Place, TaskRow } from './schema.ts';

/** One write in so many clears the index of what earlier ones left in it. */
const SWEEP_EVERY = 16;

export interface Commit {
  readonly key: TaskKey;
  readonly name: string;
  readonly decide: Decide;
  readonly select: SelectRange;
  readonly resolve: (committed: Committed) => void;
  readonly reject: (error: unknown) => void;
}

/** A task in the course of a transaction. */
export interface Draft {
  task: KnownTask | undefined;
  /** What the transaction found: built on that id's row at that place; absent where there was no task. */
  readonly base: { readonly id: number; readonly place: Place } | undefined;
  dirty: boolean;
}

/** What a commit came to; the error of a `decide` is that commit's alone. */
export interface Result {
  readonly error?: unknown;
  readonly committed?: Committed;
  readonly task?: KnownTask | undefined;
  readonly range?: TailRange | undefined;
}

export function draftOf(task: KnownTask | undefined): Draft {
  return { task, base: task && { id: task.id, place: task.place }, dirty: false };
}

export function apply({ decide, select }: Commit, draft: Draft): Result {
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
      if (!draft.task || decision.reset) draft.task = new KnownTask(decision.head);
      draft.task.append(decision);
    }
  }
  const { task } = draft;
  const range = task && select(task.head);
  return { committed: { before, decision, record: range && task?.toRecord(range) }, task, range };
}

/** Makes up what is to be written, and answers how to write it. */
export function writerOf(name: string, { task, base }: Draft): (tx: IDBTransaction) => void {
  const sealed = task?.seal() ?? [];
  const row = task?.toRow();
  return (tx) => {
    const tasks = tx.objectStore('tasks');
    if (base && task?.id !== base.id) tx.objectStore('segments').delete(IDBKeyRange.bound([base.id], [base.id, []]));
    for (const segment of sealed) tx.objectStore('segments').put(...segment);
    if (!row) tasks.delete(name);
    else base ? tasks.put(row) : tasks.add(row);
    if (row && base && Math.random() * SWEEP_EVERY < 1) sweep(tasks, base.place);
  };
}

/**
 * Chromium leaves the index entries of rows written over where they are, and steps over them at every look; a look from
 * within a writing transaction removes those it meets, from the entry that was just left behind up to the next living one.
 * Without it, listing after 100,000 appends to one task takes 200 ms.
 */
function sweep(tasks: IDBObjectStore, place: Place): void {
  tasks.index('place').getKey(IDBKeyRange.bound(place, [...place.slice(0, 2), []]));
}

/** Whether an earlier try, whose end was not seen, took effect: a transaction does so whole, any task of it tells. */
export async function hasLanded(tx: IDBTransaction, drafts: ReadonlyMap<string, Draft>): Promise<boolean | undefined> {
  for (const [name, { task, base, dirty }] of drafts) {
    if (!dirty || !(task || base)) continue;
    const row: TaskRow | undefined = await answerOf(tx.objectStore('tasks').get(name));
    return task ? row?.tokens.includes(task.tokens[0] as number) : row?.id !== base?.id;
  }
  return false;
}
