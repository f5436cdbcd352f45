/** Replaying runs into a store: runs side by side, the operations of each in order. */
import { createHash } from 'node:crypto';
import { TaskStoreError, type TaskStoreErrorCode } from '../../core/errors.ts';
import type { StoredTask } from '../../core/task.ts';
import type { TaskStore } from '../../task-store.ts';
import { parseStep, type Run, type Step } from './run.ts';

/** A line that could not be replayed; lines are counted from 1. */
interface Problem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

export interface Replayed {
  runs: number;
  operations: number;
  readonly problems: Problem[];
  /** Tasks that the store held before; they were left alone. */
  readonly skipped: Set<string>;
  /** Of each replayed task, a digest of its last acknowledged state. */
  readonly acknowledged: Map<string, string>;
}

/** Errors of single operations. After any other, going on would make no sense. */
const ofOneOperation: ReadonlySet<TaskStoreErrorCode> = new Set([
  'INVALID_ARGUMENT',
  'TASK_NOT_FOUND',
  'ARTIFACT_CLOSED',
  'CONFLICT',
  'REMOTE_REJECTED',
]);

export class Replay {
  readonly result: Replayed = { runs: 0, operations: 0, problems: [], skipped: new Set(), acknowledged: new Map() };
  readonly #store: TaskStore;
  readonly #onOperation: () => void;
  /** Whether a task was here before this replay, by its id. */
  readonly #wasHere = new Map<string, Promise<boolean>>();
  /** The last answer about each task that is being replayed. */
  readonly #answers = new Map<string, StoredTask>();

  constructor(store: TaskStore, onOperation: () => void) {
    this.#store = store;
    this.#onOperation = onOperation;
  }

  /** Replays so many runs at a time. Rejects where the store fails at more than single operations. */
  async all(runs: readonly Run[], atATime: number): Promise<void> {
    const waiting = runs.values();
    const worker = async () => {
      for (const run of waiting) {
        await this.#replay(run);
        this.result.runs++;
      }
    };
    await Promise.all(Array.from({ length: atATime }, worker));
  }

  async #replay(run: Run): Promise<void> {
    const touched = new Set<string>();
    const report = (line: number, error: unknown) => {
      this.result.problems.push({ file: run.name, line, message: (error as Error).message });
    };
    let line = 0;
    let taskId: string | undefined;
    try {
      for await (const text of run.lines()) {
        line++;
        if (text.trim() === '') continue;
        try {
          taskId = await this.#apply(parseStep(text), taskId);
          touched.add(taskId);
        } catch (error) {
          if (error instanceof TaskStoreError && !ofOneOperation.has(error.code)) throw error;
          report(line, error);
        }
      }
    } catch (error) {
      // A file that cannot be read (on) is a problem of its own; a store that fails is everybody's.
      if (error instanceof TaskStoreError) throw error;
      report(line + 1, error);
    }
    // Another run may be at the same task; whoever is last has the last answer.
    for (const id of touched) this.#settle(id);
  }

  /** Answers the task that the step went to: that of the last user's turn. */
  async #apply(step: Step, current: string | undefined): Promise<string> {
    const taskId = 'upsert' in step ? step.upsert?.id : current;
    if (taskId === undefined) throw new Error('no "upsert" names a task up to here');
    if (await this.#isOld(taskId)) {
      this.result.skipped.add(taskId);
      return taskId;
    }
    const stored =
      'upsert' in step ? await this.#store.upsertTask(step.upsert) : await this.#store.updateTask(taskId, step.update);
    this.#answers.set(taskId, stored);
    this.result.operations++;
    this.#onOperation();
    return taskId;
  }

  #isOld(taskId: string): Promise<boolean> {
    let wasHere = this.#wasHere.get(taskId);
    if (!wasHere) {
      wasHere = this.#store
        .getTask(taskId, { historyLength: 0, includeArtifacts: false })
        .then((stored) => stored !== undefined);
      this.#wasHere.set(taskId, wasHere);
    }
    return wasHere;
  }

  /** Keeps a digest in place of the answer: a folder may hold more tasks than fit in memory. */
  #settle(id: string): void {
    const answer = this.#answers.get(id);
    if (!answer) return;
    this.#answers.delete(id);
    this.result.acknowledged.set(id, digest(answer));
  }
}

/** Equal for equal tasks, in whatever order their keys stand. */
export function digest(stored: StoredTask): string {
  return createHash('sha256').update(JSON.stringify(stored, withSortedKeys)).digest('base64');
}

function withSortedKeys(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries);
}
