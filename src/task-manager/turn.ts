/** One message being handled: its writes, one after the other, until it is over. */
import { TaskStoreError } from '../core/errors.ts';
import type { TaskKey } from '../core/head.ts';
import { copyJson } from '../core/json.ts';
import {
  finishedStates,
  type StoredTask,
  type TaskSendParams,
  type TaskState,
  type UpdateTaskParams,
} from '../core/task.ts';
import type { TaskChange } from '../task-store.ts';
import { endsTurn } from './events.ts';
import type { TaskAccess } from './task-access.ts';
import type { TaskModifier } from './task-modifier.ts';

export class Turn {
  /** Resolves when the turn is over, for whatever reason. */
  readonly over: Promise<void>;
  /** Why the turn could not be stored to its end. */
  error: unknown;
  readonly #abort = new AbortController();
  #finish: () => void = () => {};
  /** What was heard until the message was stored. */
  #early: TaskChange[] | undefined = [];
  #since = 0;
  #endedBy: TaskState | 'returned' | undefined;
  readonly #refused: { readonly change: ObservedChange; readonly error: unknown }[] = [];

  constructor() {
    this.over = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  get isOver(): boolean {
    return this.#endedBy !== undefined;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Asks the handler to stop; its changes are still taken. */
  abort(reason: Error): void {
    this.#abort.abort(reason);
  }

  end(by: TaskState | 'returned'): void {
    if (this.#endedBy) return;
    this.#endedBy = by;
    if (by === 'canceled') this.abort(new DOMException('the task was cancelled', 'AbortError'));
    this.#finish();
  }

  /**
   * The message is stored. Changes up to this revision, whenever they are heard of, came before it; of what came while it was
   * being stored, only an end of the task ends the turn: to whatever else somebody asked, the message is the answer.
   */
  begin(revision: number): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    this.#since = revision;
    for (const change of early)
      if (change.revision && change.status && finishedStates.has(change.status.state)) this.hear(change);
  }

  /** A change of the task by anybody may be what ends the turn. */
  hear(change: TaskChange): void {
    const { type, status, revision = Number.POSITIVE_INFINITY } = change;
    if (this.#early) this.#early.push(change);
    else if (revision <= this.#since) return;
    else if (type === 'deleted') this.end('canceled');
    else if (status && endsTurn(status.state)) this.end(status.state);
  }

  modifier(params: TaskSendParams, stored: StoredTask, tasks: TaskAccess, key: TaskKey): TaskModifier {
    const update = (given: UpdateTaskParams): Promise<void> => {
      const wanted = copyNow(given);
      const write = async () => {
        try {
          this.#assertRunning(key.taskId);
          await tasks.update(key, wanted());
        } catch (error) {
          this.#refused.push({ change, error });
          throw error;
        }
      };
      const change = ObservedChange.of(tasks.inOrder(key, write));
      return change;
    };
    return {
      params,
      stored,
      signal: this.signal,
      getTask: () => tasks.read(key),
      setStatus: (status) => update({ status: typeof status === 'string' ? { state: status } : status }),
      addMessagesToHistory: (messages) => update({ newMessages: [...messages] }),
      upsertArtifacts: (artifacts) => update({ artifactsUpdates: [...artifacts] }),
    };
  }

  /** Throws what a change was refused for that the handler has not looked at: as if it had been waited for. */
  throwUnobserved(): void {
    const unseen = this.#refused.find(({ change }) => !change.isObserved);
    if (unseen) throw unseen.error;
  }

  #assertRunning(taskId: string): void {
    if (!this.#endedBy) return;
    if (this.#endedBy === 'canceled') throw this.signal.reason;
    const why = this.#endedBy === 'returned' ? 'its handler has returned' : `the task is '${this.#endedBy}'`;
    throw new TaskStoreError('CONFLICT', `the turn is over: ${why}`, { taskId, operation: 'TaskModifier' });
  }
}

/** Knows whether anybody waits for it. Where nobody does, its failure is the turn's, and not the process's. */
class ObservedChange extends Promise<void> {
  isObserved = false;

  static of(work: Promise<void>): ObservedChange {
    const change = new ObservedChange((resolve) => resolve(work));
    Promise.prototype.then.call(change, undefined, () => {});
    return change;
  }

  // biome-ignore lint/suspicious/noThenProperty: whoever waits calls it, `await` as well
  override then<A = void, B = never>(...reactions: Parameters<typeof Promise.prototype.then<A, B>>): Promise<A | B> {
    this.isObserved = true;
    return super.then(...reactions);
  }
}

/** A copy made at once, since a handler may fill one chunk again and again without waiting. What cannot be copied is refused later. */
function copyNow<T>(value: T): () => T {
  try {
    const copy = copyJson(value);
    return () => copy;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
