/** The life of sync in one context: who leads, when to push, what others are told. */
import { TaskStoreError, toTaskStoreError } from '../core/errors.ts';
import type { TaskKey } from '../core/head.ts';
import { ElkarTransport } from '../elkar/transport.ts';
import type { StorePort } from '../store-port.ts';
import type { BlockedTask, SyncStatus, SyncTaskOptions, TaskSync } from '../task-store.ts';
import { flush, type Progress } from './flush.ts';
import { identityOf, settleIdentity } from './identity.ts';
import { type Election, electByLock, everyoneLeads } from './leader.ts';
import { defaultPlatform, type SyncOptions, type SyncPlatform } from './options.ts';
import { pullUnfinished } from './poll.ts';
import { TaskPush } from './push.ts';
import { PushLoop } from './push-loop.ts';
import { Remote } from './remote.ts';
import { discard, listBlocked, retry } from './set-aside.ts';
import { stateOf } from './state.ts';

/** What contexts on the same storage say to each other. */
type Word = { status: SyncStatus } | { please: 'answer' | 'hurry' | 'pause' | 'resume' };

export class ElkarSync implements TaskSync {
  readonly #port: StorePort;
  readonly #options: SyncOptions;
  readonly #platform: SyncPlatform;
  readonly #identity: string;
  readonly #remote: Remote;
  readonly #isShared: boolean;
  readonly #openedAt: number;
  readonly #election: Election;
  readonly #channel: BroadcastChannel | undefined;
  readonly #listeners = new Set<(status: SyncStatus) => void>();
  /** Called at every change of state, by whoever waits for one. */
  readonly #waiters = new Set<() => void>();
  readonly #ends: (() => void)[];
  #loop: PushLoop | undefined;
  #endLoop: ((reason?: unknown) => void) | undefined;
  #isPaused = false;
  #isStopped = false;
  #isGathering = false;
  #heard: SyncStatus | undefined;
  #isWatching = false;
  #status: SyncStatus = { state: 'idle', pendingTasks: 0, blockedTasks: 0, leader: false };

  constructor(port: StorePort, options: SyncOptions) {
    this.#port = port;
    this.#options = options;
    this.#platform = { ...defaultPlatform(), ...options.platform };
    this.#openedAt = port.environment.now();
    this.#identity = identityOf(options.baseUrl, options.identity);
    this.#remote = new Remote(new ElkarTransport(options), options.defaultCallerId ?? 'holdfast');
    const { locks, openChannel, onWake } = this.#platform;
    // Files have one owner, memory one context; databases of browsers are open to every tab.
    this.#isShared = port.storageId.startsWith('indexeddb:');
    const name = `holdfast:sync:${port.storageId}`;
    this.#channel = this.#isShared && openChannel ? openChannel(name) : undefined;
    const hear = ({ data }: MessageEvent<Word>) => this.#hear(data);
    this.#channel?.addEventListener('message', hear);
    this.#ends = [
      port.onPending((key) => this.#onPending(key)),
      onWake(() => this.#onWake()),
      () => this.#channel?.removeEventListener('message', hear),
    ];
    const candidate = { lead: () => void this.#lead(), yield: () => void this.#yield() };
    this.#election = this.#isShared && locks ? electByLock(locks, name, candidate) : everyoneLeads(candidate);
    if (this.#isShared && locks) this.#watchLeader(options.patienceMs ?? 5000);
    if (options.pollMs) this.#poll(Math.max(1000, options.pollMs));
  }

  get status(): SyncStatus {
    return this.#status;
  }

  subscribe(listener: (status: SyncStatus) => void): () => void {
    const own = (status: SyncStatus) => listener(status);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  async flush(options: SyncTaskOptions & { taskId?: string; timeoutMs?: number } = {}): Promise<void> {
    const { taskId, signal, timeoutMs } = options;
    const since = this.#port.environment.now();
    const key = taskId === undefined ? undefined : keyOf(taskId, options);
    let late: TaskStoreError | undefined;
    const end = () => {
      const details = { operation: 'flush', cause: this.#status.lastError, ...(taskId !== undefined && { taskId }) };
      const message = `not everything has reached the remote within ${timeoutMs} ms`;
      late = new TaskStoreError('REMOTE_UNREACHABLE', message, details);
      this.#notify();
    };
    const cancel = timeoutMs === undefined ? undefined : this.#platform.later(timeoutMs, end);
    // The other timers of sync let a process end; that must not happen to somebody who waits.
    const leave = this.#platform.stay();
    if (key) void this.#loop?.fill();
    else this.#hurry();
    try {
      await flush(this.#progress(), { key, since, signal, lateness: () => late });
    } finally {
      cancel?.();
      leave();
    }
  }

  async pull(taskId: string, options: SyncTaskOptions = {}): Promise<void> {
    const key = keyOf(taskId, options);
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.#loop) return this.#loop.alone(key, (push) => push.pull());
    const end = new AbortController();
    const push = new TaskPush({ ...this.#contextOf(end.signal, Number.POSITIVE_INFINITY), onSuccess() {} }, key);
    // A request of the leader may be out; it brings in what is new with its answer.
    for (;;) {
      const head = await push.head();
      if (!head || !stateOf(head).target) return push.pull();
      await this.#nextChange(signal);
    }
  }

  pause(): void {
    this.#steer('pause');
  }

  resume(): void {
    this.#steer('resume');
  }

  blocked(): Promise<readonly BlockedTask[]> {
    return listBlocked(this.#port, this.#identity);
  }

  async retry(taskId: string, options: SyncTaskOptions = {}): Promise<void> {
    await retry(this.#port, keyOf(taskId, options), this.#identity);
    this.#hurry();
  }

  async discard(taskId: string, options: SyncTaskOptions = {}): Promise<void> {
    await discard(this.#port, keyOf(taskId, options), this.#identity);
    this.#hurry();
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    for (const end of this.#ends) end();
    await this.#yield();
    this.#election.stop();
    this.#channel?.close();
    this.#publish();
  }

  // Leading.

  async #lead(): Promise<void> {
    const end = new AbortController();
    this.#endLoop = (reason) => end.abort(reason);
    try {
      const term = await settleIdentity(this.#port, this.#identity, this.#isShared, this.#openedAt);
      if (end.signal.aborted) return;
      const { concurrency = 4, maxBackoffMs = 300_000 } = this.#options;
      this.#loop = new PushLoop({
        context: this.#contextOf(end.signal, term),
        platform: this.#platform,
        concurrency,
        limits: { baseMs: 500, capMs: maxBackoffMs },
        onChange: () => this.#publish(),
        onDeposed: () => void this.#yield(),
      });
      this.#loop.pausedBy = this.#isPaused ? 'user' : undefined;
      await this.#loop.fill();
    } catch (error) {
      // Without its notes in the store sync cannot go on; the store itself will say more to its callers.
      this.#status = { ...this.#status, lastError: toTaskStoreError(error, 'IO_ERROR', 'sync cannot start') };
      this.#platform.later(1000, () => !end.signal.aborted && void this.#lead());
    }
  }

  async #yield(): Promise<void> {
    const loop = this.#loop;
    this.#loop = undefined;
    this.#endLoop?.(new TaskStoreError('STORE_CLOSED', 'sync has ended'));
    this.#publish();
    await loop?.stop();
  }

  #contextOf(signal: AbortSignal, term: number) {
    const { maxRequestBytes = 1_500_000, timeoutMs = 30_000 } = this.#options;
    const claimMs = this.#isShared && !this.#platform.locks ? timeoutMs * 2 : 0;
    const { identity, port, remote } = { identity: this.#identity, port: this.#port, remote: this.#remote };
    return { port, remote, identity, term, signal, maxBytes: maxRequestBytes, claimMs };
  }

  // Waking up.

  #onPending(key: TaskKey): void {
    if (!this.#loop) {
      this.#watchLeader(this.#options.patienceMs ?? 5000);
      return;
    }
    this.#loop.touch(key);
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#platform.later(this.#options.gatherMs ?? 50, () => {
      this.#isGathering = false;
      void this.#loop?.fill();
    });
  }

  #onWake(): void {
    this.#hurry();
    if (!this.#loop) this.#watchLeader(0);
  }

  #hurry(): void {
    if (this.#loop) this.#loop.hurry();
    else this.#say({ please: 'hurry' });
  }

  #steer(please: 'pause' | 'resume'): void {
    this.#say({ please });
    this.#obey(please);
  }

  #obey(please: 'pause' | 'resume'): void {
    this.#isPaused = please === 'pause';
    if (this.#loop) this.#loop.pausedBy = this.#isPaused ? 'user' : undefined;
    if (!this.#isPaused) this.#loop?.hurry();
    this.#publish();
  }

  /** A leader that lives answers when asked; one that is frozen while changes wait has its lock taken. */
  #watchLeader(patienceMs: number): void {
    if (this.#isWatching || this.#loop || this.#isStopped || !this.#isShared) return;
    this.#isWatching = true;
    const done = () => {
      this.#isWatching = false;
    };
    this.#platform.later(patienceMs, async () => {
      const [oldest] = await this.#port.pending(1).catch(() => []);
      if (!oldest || this.#loop || this.#isStopped) return done();
      this.#heard = undefined;
      this.#say({ please: 'answer' });
      this.#platform.later(1000 + 500 * this.#platform.random(), () => {
        done();
        if (this.#loop || this.#isStopped) return;
        if (!this.#heard) this.#election.steal();
        this.#watchLeader(Math.min(60_000, Math.max(1000, patienceMs) * 2));
      });
    });
  }

  #poll(everyMs: number): void {
    this.#platform.later(everyMs, async () => {
      if (this.#isStopped) return;
      await pullUnfinished(this.#port, async (key) => {
        const loop = this.#loop;
        if (!loop || loop.pausedBy) return false;
        await loop.alone(key, (push) => push.pull());
        return true;
      }).catch(() => {});
      this.#poll(everyMs);
    });
  }

  // Waiting.

  #progress(): Progress {
    return {
      port: this.#port,
      identity: this.#identity,
      isStopped: () => this.#isStopped,
      isDrained: () => this.#loop?.isDrained !== false,
      refusal: () => (this.#loop?.pausedBy instanceof TaskStoreError ? this.#loop.pausedBy : undefined),
      nextChange: (signal) => this.#nextChange(signal),
    };
  }

  /** Where another context leads, its word may be missed, so the store is looked at again after a moment. */
  #nextChange(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#loop ? () => {} : this.#platform.later(250, () => done());
      const done = () => {
        cancel();
        this.#waiters.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      this.#waiters.add(done);
      signal?.addEventListener('abort', done);
    });
  }

  // Telling.

  #hear(word: Word): void {
    if ('status' in word) {
      this.#heard = word.status;
      if (!this.#loop) this.#publish();
    } else if (word.please === 'pause' || word.please === 'resume') this.#obey(word.please);
    else if (word.please === 'hurry') this.#loop?.hurry();
    else if (this.#loop) this.#say({ status: this.#status });
  }

  #say(word: Word): void {
    if (!this.#isStopped) this.#channel?.postMessage(word);
  }

  #publish(): void {
    const before = this.#status;
    this.#status = this.#read();
    if (!isEqual(before, this.#status)) {
      if (this.#loop) this.#say({ status: this.#status });
      for (const listener of this.#listeners) report(() => listener(this.#status));
    }
    this.#notify();
  }

  #notify(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }

  #read(): SyncStatus {
    const loop = this.#loop;
    const state = this.#isStopped ? 'stopped' : this.#isPaused || loop?.pausedBy ? 'paused' : undefined;
    if (!loop) {
      const heard = this.#heard ?? this.#status;
      return { ...heard, state: state ?? (this.#heard ? heard.state : 'idle'), leader: false };
    }
    const { pendingTasks, oldestPendingAt, blockedTasks } = loop.counts;
    const { lastSuccessAt, lastError } = loop;
    return {
      state: state ?? (loop.isFailing ? 'offline' : loop.isPushing ? 'pushing' : 'idle'),
      pendingTasks,
      blockedTasks,
      ...(oldestPendingAt !== undefined && { oldestPendingAt }),
      ...(lastSuccessAt !== undefined && { lastSuccessAt }),
      ...(lastError && { lastError }),
      leader: true,
    };
  }
}

function keyOf(taskId: string, { callerId, taskType = 'incoming' }: SyncTaskOptions): TaskKey {
  return { taskId, callerId, taskType };
}

function isEqual(a: SyncStatus, b: SyncStatus): boolean {
  const keys = Object.keys({ ...a, ...b }) as (keyof SyncStatus)[];
  return keys.every((key) => a[key] === b[key]);
}

/** A listener's error is reported as uncaught, not thrown into sync. */
function report(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
