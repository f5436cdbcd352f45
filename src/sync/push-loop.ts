/** Pushes what is pending, several tasks side by side, each with one request at a time. Runs in the leading context. */
import { type TaskStoreError, toTaskStoreError } from '../core/errors.ts';
import { encodeKey, type TaskHead, type TaskKey } from '../core/head.ts';
import type { Touched } from '../store-port.ts';
import type { SyncStatus } from '../task-store.ts';
import { backoffDelay, failureScope } from './backoff.ts';
import type { SyncContext } from './context.ts';
import { ifMayWrite, type PushedTask, pushStep } from './push.ts';
import { blockingError, packError, updateState } from './state.ts';

/** How many heads are read at a time. */
const WINDOW = 1000;

/** Failures in a row, of the remote or of one task, and the wait before the next try. */
interface Backoff {
  failures: number;
  wait?: { readonly isRetryAfter: boolean; readonly cancel: () => void } | undefined;
}

/** A task known to have something pending. */
interface PendingTask extends PushedTask, Backoff {
  since: number;
  /** The newest heard of since its last push, or the last `#reloadPending`, began; 0: none. */
  revision: number;
  work?: Promise<unknown> | undefined;
}

export class PushLoop {
  readonly #context: SyncContext & { readonly signal: AbortSignal };
  readonly #remote: Backoff = { failures: 0 };
  /** Those whose changes have waited longest first. */
  readonly #tasks = new Map<string, PendingTask>();
  #roundRobin = this.#tasks.values();
  /** Those set aside among them. */
  readonly #blocked = new Set<PendingTask>();
  #busy = 0;
  /** The store may hold pending tasks that are not known here. */
  #isStale = true;
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
      blockedTasks: this.#blocked.size,
      oldestPendingAt: oldest?.since,
      lastSuccessAt: this.#lastSuccessAt,
      lastError: this.#lastError,
    };
  }

  /** Not paused, backing off or over. */
  get canSend(): boolean {
    return !(this.#context.pause.by || this.#remote.wait || this.#context.signal.aborted);
  }

  /** A task has something pending. */
  touch({ key, revision, type }: Touched): void {
    const task = this.#track(key, this.#context.now());
    // One that was made anew counts from 1 again, and is newer than all that is known of it.
    task.revision = Math.max(task.revision, revision > 1 ? revision : 1e16);
    // It may be gone, or taken up again.
    if (this.#blocked.has(task) || type === 'deleted') this.#isStale = true;
  }

  /** The remote has answered as Elkar does. */
  succeeded(): void {
    this.#remote.failures = 0;
    this.#lastError = undefined;
    this.#lastSuccessAt = this.#context.now();
  }

  /**
   * Records a failure. Answers the error where the request is at fault; else pauses for a new key, or backs off from
   * the remote or the task.
   */
  failed(cause: unknown, task: Backoff = { failures: 0 }): TaskStoreError | undefined {
    const error = toTaskStoreError(cause, 'IO_ERROR', 'sync failed');
    this.#lastError = error;
    const scope = failureScope(error);
    if (scope === 'key') this.#context.pause.by ??= error;
    else if (scope !== 'request') this.#backOff(scope === 'remote' ? this.#remote : task, error);
    return scope === 'request' ? error : undefined;
  }

  /** Tries at once what was only waiting to be tried again, unless the remote itself asked to be left alone. */
  retryNow(): void {
    for (const backoff of [this.#remote, ...this.#tasks.values()]) {
      if (!backoff.wait?.isRetryAfter) this.#endBackoff(backoff);
    }
    this.#isStale = true;
    void this.fill();
  }

  /** Starts as many pushes as may go. */
  async fill(): Promise<void> {
    if (this.#isFilling || this.#context.signal.aborted) return;
    this.#isFilling = true;
    try {
      if (this.#isStale && !this.canSend) await this.#reloadPending();
      // While the remote fails, one request at a time finds out when it is back.
      while (this.canSend && this.#busy < (this.#remote.failures > 0 ? 1 : this.#context.concurrency)) {
        const task = this.#nextReady();
        if (task) task.work = this.#push(task);
        else if (this.#isStale) await this.#reloadPending();
        else break;
      }
    } catch (error) {
      this.#isStale = true;
      this.failed(error, this.#remote);
    }
    this.#isFilling = false;
    this.#context.onChange();
  }

  /** Resolves when nothing is under way any more; the signal has ended the requests. */
  async stop(): Promise<void> {
    for (const { work } of [...this.#tasks.values()]) await work;
  }

  /** In turns, so that tasks that always have more do not hold up the others. */
  #nextReady(): PendingTask | undefined {
    for (let left = this.#tasks.size; left >= 0; left--) {
      const { value: task } = this.#roundRobin.next();
      if (!task) this.#roundRobin = this.#tasks.values();
      else if (!task.work && !task.wait && !this.#blocked.has(task)) return task;
    }
    return undefined;
  }

  #track(key: TaskKey, since: number): PendingTask {
    const name = encodeKey(key);
    const { maxRequestBytes: maxBytes } = this.#context;
    const task = this.#tasks.get(name) ?? { key, since, failures: 0, revision: 0, limit: 128, maxBytes };
    this.#tasks.set(name, task);
    return task;
  }

  /** The oldest pending tasks, some of them new here. */
  async #reloadPending(): Promise<void> {
    this.#isStale = false;
    for (const task of this.#tasks.values()) if (!task.work) task.revision = 0;
    const limit = this.#tasks.size + WINDOW;
    const heads = await this.#context.backend.pending(limit);
    if (heads.length === limit) this.#isStale = true;
    else {
      const names = new Set(heads.map(({ key }) => encodeKey(key)));
      for (const [name, { work, revision }] of this.#tasks) {
        if (!names.has(name) && !work && !revision) this.#tasks.delete(name);
      }
    }
    this.#blocked.clear();
    for (const head of heads) this.#refresh(this.#track(head.key, head.pendingSince as number), head);
    // No push is left that could reset it.
    if (this.#tasks.size === this.#blocked.size) this.#remote.failures = 0;
  }

  /** Updates a task from its head; without one, the store is to be read again. */
  #refresh(task: PendingTask, head: TaskHead | undefined): void {
    const name = encodeKey(task.key);
    this.#blocked.delete(task);
    if (!head) this.#isStale = true;
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
    if (blockingError(head, this.#context.identity)) this.#blocked.add(task);
  }

  async #push(task: PendingTask): Promise<void> {
    this.#busy++;
    task.revision = 0;
    try {
      this.#refresh(task, await pushStep(this.#context, task));
      task.failures = 0;
    } catch (error) {
      if (!this.#context.signal.aborted) await this.#onPushFailed(task, error);
    }
    this.#busy--;
    task.work = undefined;
    void this.fill();
  }

  async #onPushFailed(task: PendingTask, cause: unknown): Promise<void> {
    const error = this.failed(cause, task);
    if (!error) return;
    // What was refused here says nothing of the remote.
    if (error.status) this.#remote.failures = 0;
    // Set aside, the task stays whole as it is.
    const blocked = packError(error);
    await updateState(this.#context, task.key, ifMayWrite(this.#context, { blocked })).then(
      (head) => this.#refresh(task, head),
      (cause) => this.failed(cause, task),
    );
  }

  #backOff(backoff: Backoff, error: TaskStoreError): void {
    const { later, random, maxBackoffMs } = this.#context;
    const { ms, isRetryAfter } = backoffDelay(backoff.failures++, error, random(), maxBackoffMs);
    if (backoff.wait?.isRetryAfter && !isRetryAfter) return;
    backoff.wait?.cancel();
    const end = () => {
      this.#endBackoff(backoff);
      void this.fill();
    };
    backoff.wait = { isRetryAfter, cancel: later(ms, end) };
  }

  #endBackoff(backoff: Backoff): void {
    backoff.wait?.cancel();
    backoff.wait = undefined;
  }
}
