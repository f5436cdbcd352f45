/** A task in the course of a transaction: what was found, and what the changes make of it. */
import type { TaskHead } from '../../core/head.ts';
import { type SelectRange, selectAll, type TailRange } from '../../core/record.ts';
import type { Committed, Decide, Decision } from '../backend.ts';
import { KnownTask } from './known-task.ts';
import type { Written } from './replica.ts';
import { isNew, type View } from './view.ts';

export interface Commit {
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

/** Works out what these changes, one after the other, make of a task, and puts the outcome of each into `results`. */
export function applyCommits(
  view: View,
  name: string,
  commits: readonly Commit[],
  results: Map<Commit, Result>,
): Written | undefined {
  const found = view.known.get(name);
  let task = found ?? null;
  let head = task?.head;
  const look = () => {
    const range = head && selectAll(head);
    return !range || task?.lacks(range) ? undefined : task?.toRecord(head as TaskHead, range);
  };
  for (const commit of commits) {
    const before = head;
    let decision: Decision;
    try {
      decision = commit.decide(before, look);
    } catch (error) {
      results.set(commit, { error });
      continue;
    }
    if (decision === 'remove') {
      task = null;
      head = undefined;
    } else if (decision) {
      head = decision.head;
      if (!task || decision.reset) task = new KnownTask(head, isNew(view, name));
      task.append(decision);
    }
    const range = head && commit.select(head);
    results.set(commit, {
      committed: { before, decision, record: range && task?.toRecord(head as TaskHead, range) },
      task,
      range,
    });
  }
  if (head === found?.head) return undefined;
  const piece = task?.pieceUntil(head as TaskHead, task === found) ?? { key: name, id: 0, tails: [] };
  return { task, head, piece };
}
