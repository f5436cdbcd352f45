/** The life of sync in one context: who leads, when to push, what others are told. */
import { untilAborted } from '../core/abort.ts';
import { TaskStoreError, toTaskStoreError } from '../core/errors.ts';
import type { TaskHead, TaskKey } from '../core/head.ts';
import { selectNothing } from '../core/record.ts';
import { finishedStates, taskStates } from '../core/task.ts';
import { ElkarTransport } from '../elkar/transport.ts';
import { oldestFirst, type StorePort } from '../store-port.ts';
import type { BlockedTask, SyncStatus, SyncTaskOptions, TaskSync } from '../task-store.ts';
import { identityOf, settleIdentity } from './identity.ts';
import { type Election, elect } from './leader.ts';
import { defaultPlatform, type SyncOptions, type SyncPlatform } from './options.ts';
import { Push } from './push.ts';
import { type LoopContext, PushLoop } from './push-loop.ts';
import { discard, listBlocked, retry } from './set-aside.ts';
import { errorOf, stateOf } from './state.ts';

/** What contexts on the same storage say to each other: how the leader fares, or what is wanted of it. */
type Word = SyncStatus | 'answer' | 'hurry' | 'pause' | 'resume';

export class ElkarSync implements TaskSync {
  readonly #port: StorePort;
  readonly #options: SyncOptions;
  readonly #platform: SyncPlatform;
  readonly #context: LoopContext;
  readonly #openedAt: number;
  /** Absent where no other context can lead, or all do. */
  readonly #election: Election | undefined;
  readonly #channel: BroadcastChannel | undefined;
  readonly #listeners = new Set<(status: SyncStatus) => void>();
  /** Called at the next change of state, by whoever waits for one. */
  readonly #waiting: (() => void)[] = [];
  readonly #ends: (() => void)[];
  #loop: PushLoop | undefined;
  /** Of this context's lead. */
  #end = new AbortController();
  #isPaused = false;
  #isStopped = false;
  #isGathering = false;
  #heard: SyncStatus | undefined;
  #isWatching = false;
  #status: SyncStatus = { state: 'idle', pendingTasks: 0, blockedTasks: 0, leader: false };

  constructor(port: StorePort, options: SyncOptions) {
    const { concurrency = 4, maxRequestBytes = 1_500_000, maxBackoffMs = 300_000, timeoutMs = 30_000 } = options;
    const platform = { ...defaultPlatform(), ...options.platform };
    // Files have one owner, memory one context; databases of browsers are open to every tab.
    const isShared = port.storageId.startsWith('indexeddb:');
    const { locks, openChannel, onWake } = platform;
    this.#port = port;
    this.#options = options;
    this.#platform = platform;
    this.#openedAt = port.environment.now();
    this.#context = {
      port,
      platform,
      transport: new ElkarTransport(options),
      identity: identityOf(options.baseUrl, options.identity),
      id: port.environment.newId(),
      noCaller: options.defaultCallerId ?? 'holdfast',
      concurrency,
      maxBytes: maxRequestBytes,
      maxBackoffMs,
      claimMs: isShared && !locks ? timeoutMs * 2 : 0,
    };
    const name = `holdfast:sync:${port.storageId}`;
    this.#channel = isShared ? openChannel?.(name) : undefined;
    const hear = ({ data }: MessageEvent<Word>) => this.#hear(data);
    this.#channel?.addEventListener('message', hear);
    this.#ends = [
      port.onPending((key) => this.#onPending(key)),
      onWake(() => this.#onWake()),
      () => this.#channel?.removeEventListener('message', hear),
    ];
    if (isShared && locks) {
      const yieldLead = () => void this.#yield();
      this.#election = elect(locks, name, () => void this.#lead(), yieldLead);
      this.#watchLeader();
    } else void this.#lead();
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

  async flush({ signal, ...options }: SyncTaskOptions & { taskId?: string; timeoutMs?: number } = {}): Promise<void> {
    const { taskId, timeoutMs } = options;
    const key = taskId === undefined ? undefined : keyOf(taskId, options);
    signal?.throwIfAborted();
    const wait = { isOver: false };
    // The other timers of sync let a process end; that must not happen to somebody who waits.
    const leave = this.#platform.stay();
    const end = () => {
      wait.isOver = true;
      this.#notify();
    };
    const cancel = timeoutMs === undefined ? leave : this.#platform.later(timeoutMs, end);
    if (key) void this.#loop?.fill();
    else this.#hurry();
    const reached = this.#reach(key, wait);
    try {
      await (signal ? untilAborted(reached, signal) : reached);
    } finally {
      end();
      cancel();
      leave();
    }
  }

  async pull(taskId: string, options: SyncTaskOptions = {}): Promise<void> {
    const { key } = await this.#find(taskId, options);
    const { signal } = options;
    const push = new Push(this.#context, { key }, signal);
    for (let isDone = false; !isDone; ) {
      signal?.throwIfAborted();
      const head = await this.#find(taskId, options);
      // A request that is out brings in what is new with its answer; asked meanwhile, the remote may not have it yet.
      const isOut = stateOf(head).target && this.#loop?.isPushing(key) !== false;
      if (isOut) await this.#nextChange();
      else isDone = await push.pull();
    }
  }

  pause(): void {
    this.#steer('pause');
  }

  resume(): void {
    this.#steer('resume');
  }

  blocked(): Promise<readonly BlockedTask[]> {
    return listBlocked(this.#port, this.#context.identity);
  }

  retry(taskId: string, options?: SyncTaskOptions): Promise<void> {
    return this.#release(retry, taskId, options);
  }

  discard(taskId: string, options?: SyncTaskOptions): Promise<void> {
    return this.#release(discard, taskId, options);
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    for (const end of this.#ends) end();
    await this.#yield();
    this.#election?.stop();
    this.#channel?.close();
    this.#publish();
  }

  async #find(taskId: string, options: SyncTaskOptions = {}): Promise<TaskHead> {
    const record = await this.#port.read(keyOf(taskId, options), selectNothing);
    if (!record) throw new TaskStoreError('TASK_NOT_FOUND', 'there is no such task for this caller', { taskId });
    return record.head;
  }

  async #release(how: typeof retry, taskId: string, options?: SyncTaskOptions): Promise<void> {
    const { key } = await this.#find(taskId, options);
    await how(this.#port, key, this.#context.identity);
    this.#hurry();
  }

  // Leading.

  async #lead(): Promise<void> {
    this.#end = new AbortController();
    const { signal } = this.#end;
    try {
      const term = await settleIdentity(this.#port, this.#context.identity, !!this.#election, this.#openedAt);
      if (signal.aborted) return;
      this.#loop = new PushLoop(this.#context, term, signal, () => this.#publish());
      this.#loop.pausedBy = this.#isPaused ? 'user' : undefined;
      await this.#loop.fill();
    } catch (error) {
      // Without its notes in the store sync cannot go on; the store itself will say more to its callers.
      this.#status = { ...this.#status, lastError: toTaskStoreError(error, 'IO_ERROR', 'sync cannot start') };
      this.#platform.later(1000, () => !signal.aborted && void this.#lead());
    }
  }

  async #yield(): Promise<void> {
    const loop = this.#loop;
    this.#loop = undefined;
    this.#end.abort(new TaskStoreError('STORE_CLOSED', 'sync has ended'));
    this.#publish();
    await loop?.stop();
  }

  // Waking up.

  #onPending(key: TaskKey): void {
    if (!this.#loop) this.#watchLeader();
    this.#loop?.touch(key);
    if (!this.#loop || this.#isGathering) return;
    this.#isGathering = true;
    this.#platform.later(this.#options.gatherMs ?? 50, () => {
      this.#isGathering = false;
      void this.#loop?.fill();
    });
  }

  #onWake(): void {
    this.#hurry();
    this.#watchLeader(0);
  }

  #hurry(): void {
    if (this.#loop) this.#loop.hurry();
    else this.#say('hurry');
  }

  #steer(please: 'pause' | 'resume'): void {
    this.#say(please);
    this.#obey(please);
  }

  #obey(please: 'pause' | 'resume'): void {
    this.#isPaused = please === 'pause';
    if (this.#loop) this.#loop.pausedBy = this.#isPaused ? 'user' : undefined;
    if (!this.#isPaused) this.#loop?.hurry();
    this.#publish();
  }

  /** A leader that lives answers when asked; one that is frozen while changes wait has its lock taken. */
  #watchLeader(patienceMs = this.#options.patienceMs ?? 5000): void {
    if (this.#isWatching || this.#loop || this.#isStopped || !this.#election) return;
    this.#isWatching = true;
    this.#platform.later(patienceMs, async () => {
      const [oldest] = await this.#port.pending(1).catch(() => []);
      this.#isWatching = false;
      if (!oldest || this.#loop || this.#isStopped) return;
      this.#isWatching = true;
      this.#heard = undefined;
      this.#say('answer');
      this.#platform.later(1000 + 500 * this.#platform.random(), () => {
        this.#isWatching = false;
        if (this.#loop || this.#isStopped) return;
        if (!this.#heard) this.#election?.steal();
        this.#watchLeader(Math.min(60_000, Math.max(1000, patienceMs) * 2));
      });
    });
  }

  #poll(everyMs: number): void {
    this.#platform.later(everyMs, async () => {
      if (this.#isStopped) return;
      await this.#pullUnfinished().catch(() => {});
      this.#poll(everyMs);
    });
  }

  async #pullUnfinished(): Promise<void> {
    const states = taskStates.filter((state) => !finishedStates.has(state));
    for await (const head of oldestFirst(this.#port, { states })) {
      if (!this.#loop || this.#loop.pausedBy) return;
      if (stateOf(head).rowId !== undefined) await this.pull(head.key.taskId, head.key);
    }
  }

  // Waiting.

  /** Until the remote has what is stored now. Holds no state: the store itself knows what is pending. */
  async #reach(key: TaskKey | undefined, wait: { readonly isOver: boolean }): Promise<void> {
    const since = this.#port.environment.now();
    for (;;) {
      if (this.#isStopped) throw new TaskStoreError('STORE_CLOSED', 'sync has ended', { operation: 'flush' });
      const change = this.#nextChange();
      if (key || this.#loop?.isDrained !== false) {
        const heads = key ? [(await this.#port.read(key, selectNothing))?.head] : await this.#port.pending(1000);
        const errors = heads.flatMap((head) => {
          const isLeft = head?.pendingSince !== undefined && head.pendingSince <= since;
          return isLeft ? [errorOf(head, this.#context.identity)] : [];
        });
        if (errors.length === 0) return;
        // Tasks that were set aside keep nobody waiting while others are on their way.
        if (errors.every(Boolean)) throw errors[0];
      }
      const refusal = this.#loop?.pausedBy;
      if (refusal instanceof TaskStoreError) throw refusal;
      if (wait.isOver) {
        const details = { operation: 'flush', taskId: key?.taskId, cause: this.#status.lastError };
        throw new TaskStoreError('REMOTE_UNREACHABLE', 'not everything has reached the remote in time', details);
      }
      await change;
    }
  }

  /** Where another context leads, its word may be missed, so the store is looked at again after a moment. */
  #nextChange(): Promise<void> {
    if (!this.#loop) this.#platform.later(250, () => this.#notify());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  // Telling.

  #hear(word: Word): void {
    if (typeof word === 'object') {
      this.#heard = word;
      if (!this.#loop) this.#publish();
    } else if (word === 'pause' || word === 'resume') this.#obey(word);
    else if (word === 'hurry') this.#loop?.hurry();
    else if (this.#loop) this.#say(this.#status);
  }

  #say(word: Word): void {
    if (!this.#isStopped) this.#channel?.postMessage(word);
  }

  #publish(): void {
    const before = JSON.stringify(this.#status);
    this.#status = this.#read();
    if (before !== JSON.stringify(this.#status)) {
      if (this.#loop) this.#say(this.#status);
      for (const listener of this.#listeners) report(() => listener(this.#status));
    }
    this.#notify();
  }

  #notify(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #read(): SyncStatus {
    const loop = this.#loop;
    const { lastSuccessAt, lastError, pausedBy } = loop ?? {};
    const status = loop ? { ...loop.counts, state: loop.state, lastSuccessAt, lastError } : this.#heard;
    const isPaused = this.#isPaused || pausedBy;
    return {
      ...(status ?? { ...this.#status, state: 'idle' }),
      ...(isPaused && { state: 'paused' }),
      ...(this.#isStopped && { state: 'stopped' }),
      leader: !!loop,
    };
  }
}

function keyOf(taskId: string, { callerId, taskType = 'incoming' }: SyncTaskOptions): TaskKey {
  return { taskId, callerId, taskType };
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
