/** Pushes what is pending, several tasks side by side, each with one request at a time. Runs in the leading context. */
import { type TaskStoreError, toTaskStoreError } from '../core/errors.ts';
import { encodeKey, type TaskHead, type TaskKey } from '../core/head.ts';
import type { StorePort } from '../store-port.ts';
import type { SyncPlatform } from './options.ts';
import { Deposed, isPushable, type PushContext, TaskPush } from './push.ts';
import { afterFailure, type Backoff, type BackoffLimits, blameFor, calm } from './schedule.ts';

/** So many heads are looked at, at a time. */
const WINDOW = 1000;

export interface LoopOptions {
  readonly context: Omit<PushContext, 'onSuccess'>;
  readonly platform: SyncPlatform;
  readonly concurrency: number;
  readonly limits: BackoffLimits;
  readonly onChange: () => void;
  readonly onDeposed: () => void;
}

export class PushLoop {
  readonly #options: LoopOptions;
  readonly #context: PushContext;
  readonly #port: StorePort;
  readonly #inFlight = new Map<string, Promise<unknown>>();
  /** Tasks that failed, each with the push that goes on where it was. */
  readonly #waiting = new Map<string, { readonly push: TaskPush; backoff: Backoff }>();
  /** Tasks in flight that may have got something new to push. */
  readonly #again = new Set<string>();
  /** Since when, for tasks known to have something pending, those set aside among them. */
  readonly #pending = new Map<string, number>();
  #aside = new Set<string>();
  #queue: TaskHead[] = [];
  #backoff = calm;
  #isDirty = true;
  #isFilling = false;
  #cancelTimer = () => {};
  /** The key was refused, or the user said so. */
  pausedBy: TaskStoreError | 'user' | undefined;
  lastError: TaskStoreError | undefined;
  lastSuccessAt: number | undefined;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#port = options.context.port;
    this.#context = { ...options.context, onSuccess: () => this.#succeeded() };
  }

  get isPushing(): boolean {
    return this.#inFlight.size > 0;
  }

  get isFailing(): boolean {
    return this.#backoff.failures > 0;
  }

  /** Nothing is left to look at for now. */
  get isDrained(): boolean {
    return this.#queue.length === 0 && !this.#isFilling;
  }

  get counts() {
    const [oldest] = this.#pending.values();
    return { pendingTasks: this.#pending.size, oldestPendingAt: oldest, blockedTasks: this.#aside.size };
  }

  /** A task has something pending. */
  touch(key: TaskKey): void {
    const name = encodeKey(key);
    if (!this.#pending.has(name)) this.#pending.set(name, this.#now());
    if (this.#inFlight.has(name)) this.#again.add(name);
    else this.#isDirty = true;
  }

  /** Tries at once what was only waiting to be tried again, unless the remote itself asked to be left alone. */
  hurry(): void {
    const end = (backoff: Backoff) => (backoff.isDemanded ? backoff : { ...backoff, until: 0 });
    this.#backoff = end(this.#backoff);
    for (const waiting of this.#waiting.values()) waiting.backoff = end(waiting.backoff);
    this.#isDirty = true;
    void this.fill();
  }

  /** `work` on a task while none of its requests is out. */
  async alone<T>(key: TaskKey, work: (push: TaskPush) => Promise<T>): Promise<T> {
    const name = encodeKey(key);
    while (this.#inFlight.has(name)) await this.#inFlight.get(name);
    const result = work(new TaskPush(this.#context, key));
    this.#track(name, result);
    return result;
  }

  /** Starts as many pushes as may go. */
  async fill(): Promise<void> {
    if (this.#isFilling) return;
    this.#isFilling = true;
    try {
      while (this.#mayPush()) {
        if (this.#queue.length === 0 && this.#isDirty) await this.#refill();
        // While the remote fails, one request at a time finds out when it is back.
        const limit = this.#backoff.failures > 0 ? 1 : this.#options.concurrency;
        if (this.#queue.length === 0 || this.#inFlight.size >= limit) break;
        this.#push(this.#queue.shift() as TaskHead);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isFilling = false;
    }
    this.#armTimer();
    this.#options.onChange();
  }

  /** Resolves when nothing is under way any more; the context's signal has ended the requests. */
  async stop(): Promise<void> {
    this.#cancelTimer();
    this.#queue = [];
    await Promise.allSettled(this.#inFlight.values());
  }

  #now(): number {
    return this.#port.environment.now();
  }

  #mayPush(): boolean {
    return !this.#context.signal.aborted && this.pausedBy === undefined && this.#backoff.until <= this.#now();
  }

  /** The oldest pending tasks that may go now. What is set aside stays in the store's list, so more is asked for. */
  async #refill(): Promise<void> {
    this.#isDirty = false;
    const aside = new Set<string>();
    for (let isFull = true; isFull && this.#queue.length === 0; ) {
      const limit = WINDOW + aside.size + this.#waiting.size + this.#inFlight.size;
      const heads = await this.#port.pending(limit);
      isFull = heads.length >= limit;
      this.#queue = heads.filter((head) => this.#isDue(head, aside));
      if (isFull) this.#isDirty = this.#queue.length > 0;
      else this.#forget(new Set(heads.map(({ key }) => encodeKey(key))));
    }
    this.#aside = aside;
  }

  /** Tasks that are not pending any more for reasons of others: deleted, discarded, pushed by an earlier leader. */
  #forget(pending: ReadonlySet<string>): void {
    for (const names of [this.#pending, this.#waiting]) {
      for (const name of names.keys()) if (!pending.has(name) && !this.#inFlight.has(name)) names.delete(name);
    }
  }

  #isDue(head: TaskHead, aside: Set<string>): boolean {
    const name = encodeKey(head.key);
    if (!this.#pending.has(name)) this.#pending.set(name, head.pendingSince ?? 0);
    if (!isPushable(head, this.#context.identity)) aside.add(name);
    else if (this.#inFlight.has(name)) this.#again.add(name);
    else return (this.#waiting.get(name)?.backoff.until ?? 0) <= this.#now();
    return false;
  }

  #push({ key }: TaskHead): void {
    const name = encodeKey(key);
    if (this.#inFlight.has(name)) return;
    const waiting = this.#waiting.get(name);
    const push = waiting?.push ?? new TaskPush(this.#context, key);
    const work = push.run().then(
      (isMore) => {
        this.#waiting.delete(name);
        if (isMore) this.#again.add(name);
        else if (!this.#aside.has(name)) this.#pending.delete(name);
      },
      (error) => this.#failTask(name, push, waiting?.backoff ?? calm, error),
    );
    this.#track(name, work);
  }

  #track(name: string, work: Promise<unknown>): void {
    const done = work
      .catch(() => {})
      .then(() => {
        this.#inFlight.delete(name);
        if (this.#again.delete(name)) this.#isDirty = true;
        return this.fill();
      });
    this.#inFlight.set(name, done);
  }

  #succeeded(): void {
    this.#backoff = calm;
    this.lastError = undefined;
    this.lastSuccessAt = this.#now();
  }

  async #failTask(name: string, push: TaskPush, before: Backoff, cause: unknown): Promise<void> {
    const error = this.#fail(cause);
    if (!error) return;
    const blame = blameFor(error);
    if (blame === 'request') {
      this.#waiting.delete(name);
      this.#aside.add(name);
      return push.block(error).catch((failure) => void this.#fail(failure));
    }
    const backoff = blame === 'key' ? before : this.#later(before, error);
    this.#waiting.set(name, { push, backoff });
  }

  /** What a failure means for all; answers what it was, unless it was the end of this context's pushing. */
  #fail(cause: unknown): TaskStoreError | undefined {
    if (this.#context.signal.aborted) return undefined;
    if (cause instanceof Deposed) {
      this.#options.onDeposed();
      return undefined;
    }
    const error = toTaskStoreError(cause, 'IO_ERROR', 'sync failed');
    this.lastError = error;
    const blame = blameFor(error);
    if (blame === 'key') this.pausedBy ??= error;
    if (blame === 'remote') this.#backoff = this.#later(this.#backoff, error);
    return error;
  }

  #later(backoff: Backoff, error: TaskStoreError): Backoff {
    return afterFailure(backoff, error, this.#now(), this.#options.platform.random, this.#options.limits);
  }

  /** One timer, for the first moment at which something can be tried again. */
  #armTimer(): void {
    this.#cancelTimer();
    const now = this.#now();
    const times = [...this.#waiting.values()].map(({ backoff }) => backoff.until);
    if (this.#backoff.until > now) times.push(this.#backoff.until);
    if (times.length === 0 || this.pausedBy !== undefined || this.#context.signal.aborted) return;
    const at = Math.max(Math.min(...times), this.#backoff.until);
    if (this.#inFlight.size > 0 && at <= now) return;
    this.#cancelTimer = this.#options.platform.later(Math.max(0, at - now), () => {
      this.#isDirty = true;
      void this.fill();
    });
  }
}
