/** Pushes what is pending, several tasks side by side, each with one request at a time. Runs in the leading context. */
import { type TaskStoreError, toTaskStoreError } from '../core/errors.ts';
import { encodeKey, type TaskHead, type TaskKey } from '../core/head.ts';
import type { SyncStatus } from '../task-store.ts';
import type { SyncContext } from './context.ts';
import { type PushedTask, pushStep } from './push.ts';
import { blameFor, delayAfter } from './schedule.ts';
import { errorOf, type Note, note, type SyncState } from './state.ts';

/** So many heads are looked at, at a time. */
const WINDOW = 1000;

/** The remote, or one task, that has failed so many times in a row and is left alone for a while. */
interface Patient {
  failures: number;
  wait?: { readonly isAsked: boolean; readonly cancel: () => void } | undefined;
}

/** A task known to have something pending. */
interface PendingTask extends PushedTask, Patient {
  readonly since: number;
  work?: Promise<unknown> | undefined;
  /** It may have got something new to push while it was under way. */
  isAgain?: boolean;
}

export class PushLoop {
  readonly #context: SyncContext;
  readonly #remote: Patient = { failures: 0 };
  readonly #tasks = new Map<string, PendingTask>();
  /** Those set aside among them. */
  #aside = new Set<PendingTask>();
  readonly #queue: PendingTask[] = [];
  #busy = 0;
  #isDirty = true;
  #isFilling = false;
  #lastError: TaskStoreError | undefined;
  #lastSuccessAt: number | undefined;

  /** The signal ends it. */
  constructor(context: SyncContext & { readonly signal: AbortSignal }) {
    this.#context = context;
  }

  get status(): Omit<SyncStatus, 'leader'> {
    const [oldest] = this.#tasks.values();
    return {
      state: this.#remote.failures > 0 ? 'offline' : this.#busy > 0 ? 'pushing' : 'idle',
      pendingTasks: this.#tasks.size,
      blockedTasks: this.#aside.size,
      oldestPendingAt: oldest?.since,
      lastSuccessAt: this.#lastSuccessAt,
      lastError: this.#lastError,
    };
  }

  isPushing(key: TaskKey): boolean {
    return this.#tasks.get(encodeKey(key))?.work !== undefined;
  }

  /** A task has something pending. */
  touch(key: TaskKey): void {
    this.#taskOf(key, this.#now());
    this.#isDirty = true;
  }

  /** The remote has answered as Elkar does. */
  succeeded(): void {
    this.#remote.failures = 0;
    this.#lastError = undefined;
    this.#lastSuccessAt = this.#now();
    this.#context.onChange();
  }

  /** Tries at once what was only waiting to be tried again, unless the remote itself asked to be left alone. */
  hurry(): void {
    for (const patient of [this.#remote, ...this.#tasks.values()]) {
      if (!patient.wait?.isAsked) this.#endWait(patient);
    }
    this.#wake();
  }

  /** Starts as many pushes as may go. */
  async fill(): Promise<void> {
    if (this.#isFilling) return;
    this.#isFilling = true;
    try {
      while (!this.#context.signal?.aborted && !this.#context.pause.by && !this.#remote.wait) {
        if (this.#queue.length === 0 && this.#isDirty) await this.#refill();
        // While the remote fails, one request at a time finds out when it is back.
        const task = this.#busy < (this.#remote.failures > 0 ? 1 : this.#context.concurrency) && this.#queue.shift();
        if (!task) break;
        if (!task.work && !task.wait) this.#push(task);
      }
    } catch (error) {
      this.#wait(this.#remote, this.#failed(error));
    }
    this.#isFilling = false;
    this.#context.onChange();
  }

  /** Resolves when nothing is under way any more; the signal has ended the requests. */
  async stop(): Promise<void> {
    await Promise.all([...this.#tasks.values()].map(({ work }) => work));
  }

  #now(): number {
    return this.#context.port.environment.now();
  }

  #wake(): void {
    this.#isDirty = true;
    void this.fill();
  }

  #taskOf(key: TaskKey, since: number): PendingTask {
    const name = encodeKey(key);
    const task = this.#tasks.get(name) ?? { key, since, failures: 0 };
    this.#tasks.set(name, task);
    return task;
  }

  /** The oldest pending tasks that may go now. What is set aside stays in the store's list, so more is asked for. */
  async #refill(): Promise<void> {
    this.#isDirty = false;
    for (let limit = WINDOW, isAll = false; !isAll && this.#queue.length === 0; limit *= 4) {
      const heads = await this.#context.port.pending(limit);
      isAll = heads.length < limit;
      this.#aside = new Set();
      const listed = new Set(heads.map((head) => this.#enqueue(head)));
      if (!isAll) this.#isDirty = true;
      // The others are not pending any more for reasons of others: deleted, discarded, pushed by an earlier leader.
      else for (const [name, task] of this.#tasks) if (!listed.has(task) && !task.work) this.#tasks.delete(name);
    }
  }

  #enqueue(head: TaskHead): PendingTask {
    const task = this.#taskOf(head.key, head.pendingSince as number);
    if (errorOf(head, this.#context.identity)) this.#aside.add(task);
    else if (task.work) task.isAgain = true;
    else if (!task.wait) this.#queue.push(task);
    return task;
  }

  #push(task: PendingTask): void {
    this.#busy++;
    task.work = this.#step(task).then(() => {
      this.#busy--;
      task.work = undefined;
      if (task.isAgain) this.#isDirty = true;
      task.isAgain = false;
      void this.fill();
    });
  }

  async #step(task: PendingTask): Promise<void> {
    try {
      const isMore = await pushStep(this.#context, task);
      if (isMore !== undefined) this.succeeded();
      task.failures = 0;
      if (isMore) this.#queue.push(task);
      else if (!this.#aside.has(task)) this.#tasks.delete(encodeKey(task.key));
    } catch (error) {
      if (!this.#context.signal?.aborted) await this.#fail(task, this.#failed(error));
    }
  }

  async #fail(task: PendingTask, error: TaskStoreError): Promise<void> {
    const { code, message, status } = error;
    const blame = blameFor(error);
    if (blame === 'key') this.#context.pause.by ??= error;
    else if (blame !== 'request') this.#wait(blame === 'remote' ? this.#remote : task, error);
    else {
      this.#remote.failures = 0;
      this.#aside.add(task);
      // Set aside, the task stays whole as it is.
      const block = (state: SyncState): Note => [{ ...state, blocked: { code, message, status } }];
      await note(this.#context.port, task.key, block).catch((cause) => this.#wait(task, this.#failed(cause)));
    }
  }

  #failed(cause: unknown): TaskStoreError {
    this.#lastError = toTaskStoreError(cause, 'IO_ERROR', 'sync failed');
    return this.#lastError;
  }

  #wait(patient: Patient, error: TaskStoreError): void {
    const { later, random, maxBackoffMs } = this.#context;
    const { ms, isAsked } = delayAfter(patient.failures++, error, random(), maxBackoffMs);
    if (patient.wait?.isAsked && !isAsked) return;
    this.#endWait(patient);
    const end = () => {
      this.#endWait(patient);
      this.#wake();
    };
    patient.wait = { isAsked, cancel: later(ms, end) };
  }

  #endWait(patient: Patient): void {
    patient.wait?.cancel();
    patient.wait = undefined;
  }
}
