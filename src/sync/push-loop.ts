/** Pushes what is pending, several tasks side by side, each with one request at a time. Runs in the leading context. */
import { type TaskStoreError, toTaskStoreError } from '../core/errors.ts';
import { encodeKey, type TaskHead, type TaskKey } from '../core/head.ts';
import type { Touched } from '../store-port.ts';
import type { SyncStatus } from '../task-store.ts';
import type { SyncContext } from './context.ts';
import { ifFree, type PushedTask, pushStep } from './push.ts';
import { blameFor, delayAfter } from './schedule.ts';
import { errorOf, note, packed } from './state.ts';

/** So many heads are looked at, at a time. */
const WINDOW = 1000;

/** The remote, or one task, that has failed so many times in a row and is left alone for a while. */
interface Patient {
  failures: number;
  wait?: { readonly isAsked: boolean; readonly cancel: () => void } | undefined;
}

/** A task known to have something pending. */
interface PendingTask extends PushedTask, Patient {
  since: number;
  /** The newest that was heard of since its last push, or a look for what is pending, began; 0: nothing. */
  revision: number;
  work?: Promise<unknown> | undefined;
}

export class PushLoop {
  readonly #context: SyncContext & { readonly signal: AbortSignal };
  readonly #remote: Patient = { failures: 0 };
  /** Those whose changes have waited longest first. */
  readonly #tasks = new Map<string, PendingTask>();
  #turns = this.#tasks.values();
  /** Those set aside among them. */
  readonly #aside = new Set<PendingTask>();
  #busy = 0;
  /** The store may hold pending tasks that are not known here. */
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

  /** Nothing forbids to ask the remote. */
  get isFree(): boolean {
    return !(this.#context.pause.by || this.#remote.wait || this.#context.signal.aborted);
  }

  /** A task has something pending. */
  touch({ key, revision, type }: Touched): void {
    const task = this.#taskOf(key, this.#now());
    // One that was made anew counts from 1 again, and is newer than all that is known of it.
    task.revision = Math.max(task.revision, revision > 1 ? revision : 1e16);
    // It may be gone, or taken up again.
    if (this.#aside.has(task) || type === 'deleted') this.#isDirty = true;
  }

  /** The remote has answered as Elkar does. */
  succeeded(): void {
    this.#remote.failures = 0;
    this.#lastError = undefined;
    this.#lastSuccessAt = this.#now();
  }

  /**
   * Something has failed, be it a push or not. Answers the error where it is the request's own fault; else the key, the remote
   * or the task is to wait.
   */
  blame(cause: unknown, task: Patient = { failures: 0 }): TaskStoreError | undefined {
    const error = toTaskStoreError(cause, 'IO_ERROR', 'sync failed');
    this.#lastError = error;
    const blame = blameFor(error);
    if (blame === 'key') this.#context.pause.by ??= error;
    else if (blame !== 'request') this.#wait(blame === 'remote' ? this.#remote : task, error);
    return blame === 'request' ? error : undefined;
  }

  /** Tries at once what was only waiting to be tried again, unless the remote itself asked to be left alone. */
  hurry(): void {
    for (const patient of [this.#remote, ...this.#tasks.values()]) {
      if (!patient.wait?.isAsked) this.#endWait(patient);
    }
    this.#isDirty = true;
    void this.fill();
  }

  /** Starts as many pushes as may go. */
  async fill(): Promise<void> {
    if (this.#isFilling || this.#context.signal.aborted) return;
    this.#isFilling = true;
    try {
      if (this.#isDirty && !this.isFree) await this.#refill();
      // While the remote fails, one request at a time finds out when it is back.
      while (this.isFree && this.#busy < (this.#remote.failures > 0 ? 1 : this.#context.concurrency)) {
        const task = this.#nextReady();
        if (task) task.work = this.#push(task);
        else if (this.#isDirty) await this.#refill();
        else break;
      }
    } catch (error) {
      this.#isDirty = true;
      this.blame(error, this.#remote);
    }
    this.#isFilling = false;
    this.#context.onChange();
  }

  /** Resolves when nothing is under way any more; the signal has ended the requests. */
  async stop(): Promise<void> {
    for (const { work } of [...this.#tasks.values()]) await work;
  }

  #now(): number {
    return this.#context.now();
  }

  /** In turns, so that tasks that always have more do not hold up the others. */
  #nextReady(): PendingTask | undefined {
    for (let left = this.#tasks.size; left >= 0; left--) {
      const { value: task } = this.#turns.next();
      if (!task) this.#turns = this.#tasks.values();
      else if (!task.work && !task.wait && !this.#aside.has(task)) return task;
    }
    return undefined;
  }

  #taskOf(key: TaskKey, since: number): PendingTask {
    const name = encodeKey(key);
    const { maxRequestBytes: maxBytes } = this.#context;
    const task = this.#tasks.get(name) ?? { key, since, failures: 0, revision: 0, limit: 128, maxBytes };
    this.#tasks.set(name, task);
    return task;
  }

  /** The oldest pending tasks, some of them new here. */
  async #refill(): Promise<void> {
    this.#isDirty = false;
    for (const task of this.#tasks.values()) if (!task.work) task.revision = 0;
    const limit = this.#tasks.size + WINDOW;
    const heads = await this.#context.backend.pending(limit);
    if (heads.length === limit) this.#isDirty = true;
    else {
      const names = new Set(heads.map(({ key }) => encodeKey(key)));
      for (const [name, { work, revision }] of this.#tasks) {
        if (!names.has(name) && !work && !revision) this.#tasks.delete(name);
      }
    }
    this.#aside.clear();
    for (const head of heads) this.#look(this.#taskOf(head.key, head.pendingSince as number), head);
    // Nothing is left that could find out.
    if (this.#tasks.size === this.#aside.size) this.#remote.failures = 0;
  }

  /** What the head of a task says of it; without one the store is to be asked again. */
  #look(task: PendingTask, head: TaskHead | undefined): void {
    const name = encodeKey(task.key);
    this.#aside.delete(task);
    if (!head) this.#isDirty = true;
    if (head?.pendingSince === undefined) {
      // Unless there is news that came after this head.
      if (!(head && head.revision < task.revision)) this.#tasks.delete(name);
      return;
    }
    if (head.pendingSince > task.since) {
      task.since = head.pendingSince;
      this.#tasks.delete(name);
      this.#tasks.set(name, task);
    }
    if (errorOf(head, this.#context.identity)) this.#aside.add(task);
  }

  async #push(task: PendingTask): Promise<void> {
    this.#busy++;
    task.revision = 0;
    try {
      this.#look(task, await pushStep(this.#context, task));
      task.failures = 0;
    } catch (error) {
      if (!this.#context.signal.aborted) await this.#fail(task, error);
    }
    this.#busy--;
    task.work = undefined;
    void this.fill();
  }

  async #fail(task: PendingTask, cause: unknown): Promise<void> {
    const error = this.blame(cause, task);
    if (!error) return;
    // What was refused here says nothing of the remote.
    if (error.status) this.#remote.failures = 0;
    // Set aside, the task stays whole as it is.
    const blocked = packed(error);
    await note(this.#context, task.key, ifFree(this.#context, { blocked })).then(
      ({ record }) => this.#look(task, record?.head),
      (cause) => this.blame(cause, task),
    );
  }

  #wait(patient: Patient, error: TaskStoreError): void {
    const { later, random, maxBackoffMs } = this.#context;
    const { ms, isAsked } = delayAfter(patient.failures++, error, random(), maxBackoffMs);
    if (patient.wait?.isAsked && !isAsked) return;
    patient.wait?.cancel();
    const end = () => {
      this.#endWait(patient);
      void this.fill();
    };
    patient.wait = { isAsked, cancel: later(ms, end) };
  }

  #endWait(patient: Patient): void {
    patient.wait?.cancel();
    patient.wait = undefined;
  }
}
