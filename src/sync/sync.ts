/** The life of sync in one context: who leads, when to push, what others are told. */
import { withDeadline } from '../core/deadline.ts';
import { toTaskStoreError } from '../core/errors.ts';
import type { TaskHead, TaskKey } from '../core/head.ts';
import { Listeners } from '../core/listeners.ts';
import { requireFound } from '../core/reduce.ts';
import { checkedKey } from '../core/task-shapes.ts';
import type { StorePort, Touched } from '../store-port.ts';
import type { BlockedTask, FlushOptions, SyncStatus, SyncTaskOptions, TaskSync } from '../task-store.ts';
import { discard, listBlocked, retry } from './blocked-tasks.ts';
import { contextOf, type SyncContext } from './context.ts';
import { flush, isKeyRefused, syncEndedError } from './flush.ts';
import { beginTerm } from './identity.ts';
import { type Election, joinElection } from './leader.ts';
import type { Channel, SyncOptions } from './options.ts';
import { unfinished } from './poll.ts';
import { pullTask } from './push.ts';
import { PushLoop } from './push-loop.ts';
import { conflictOf, packError, progressOf, readHead, stateOf, unpackError } from './state.ts';

/** Messages between contexts on one storage: the leader's status, or a request to the leader. */
type SyncMessage = SyncStatus | 'answer' | 'hurry' | 'pause' | 'resume';

export class ElkarSync implements TaskSync {
  readonly #context: SyncContext;
  /** Absent where no other context can lead, or all do. */
  readonly #election: Election | undefined;
  readonly #channel: Channel | undefined;
  readonly #listeners = new Listeners<SyncStatus>();
  /** Those who wait for the next change of state. */
  readonly #waiting: (() => void)[] = [];
  /** Set while they are to look again after a moment. */
  #recheckTimer: (() => void) | undefined;
  /** Called by `stop`. */
  readonly #onStop = new Listeners<void>();
  /** Resolves when a lead of this context has begun. */
  ready: Promise<void> | undefined;
  /** While this context leads. */
  #loop: PushLoop | undefined;
  #termAbort: AbortController | undefined;
  #isStopped = false;
  #isGathering = false;
  #isWatching = false;
  /** Ends the wait before the leader is asked to answer. */
  #checkLeaderNow = () => {};
  /** It has stolen the lock and will lead in a moment: the former leader's status is ignored. */
  #isTakingOver = false;
  /** The leader's last status; after stepping down, the last of its own. */
  #leaderStatus: SyncStatus | undefined;
  #status: SyncStatus = { state: 'idle', pendingTasks: 0, blockedTasks: 0, leader: false };
  /** The status that was told last. */
  #lastPublished = JSON.stringify(this.#status);

  constructor(port: StorePort, options: SyncOptions) {
    this.#context = contextOf(port, options, {
      onChange: () => this.#publish(),
      onAnswer: () => this.#loop?.succeeded(),
    });
    const { isShared, locks, openChannel, onWake, pollMs } = this.#context;
    const name = `holdfast:sync:indexeddb:${port.backend.info.location}`;
    this.#channel = isShared ? openChannel?.(name) : undefined;
    if (this.#channel) this.#channel.onmessage = ({ data }: { readonly data: SyncMessage }) => this.#receive(data);
    this.#onStop.add(port.pending.add((touched) => void this.#gather(touched)));
    this.#onStop.add(
      onWake(() => {
        this.#broadcast('hurry');
        this.#checkLeaderNow();
        void this.#watchLeader(0);
      }),
    );
    const lead = () => {
      this.ready = this.#lead();
    };
    if (isShared && locks) this.#election = joinElection(locks, name, lead, () => void this.#stepDown());
    else lead();
    this.#broadcast('answer');
    void this.#watchLeader();
    if (pollMs) void this.#poll(Math.max(1000, pollMs));
  }

  get status(): SyncStatus {
    return this.#status;
  }

  subscribe(listener: (status: SyncStatus) => void): () => void {
    return this.#listeners.add(listener);
  }

  flush(options: FlushOptions = {}): Promise<void> {
    const begin = () => {
      if (options.taskId === undefined) this.#broadcast('hurry');
      else void this.#loop?.fill();
      return flush(this.#context, options, this, () => this.#nextChange());
    };
    return this.#context.run('flush', options?.taskId, begin, options);
  }

  pull(taskId: string, options: SyncTaskOptions = {}): Promise<void> {
    return this.#call('pull', taskId, options, (key) => {
      const { state } = this.#status;
      const bringIn = async (signal: AbortSignal) => {
        const seen = new Set<string>();
        let head: TaskHead;
        do {
          if (this.#isStopped) throw syncEndedError();
          head = requireFound(await readHead(this.#context, key));
          const error = conflictOf(head, this.#context.identity);
          if (error) throw error;
          // Of two pushes that are answered meanwhile the second was sent after this began, so its answer tells as much.
        } while (seen.add(progressOf(stateOf(head))).size < 3 && !(await pullTask({ ...this.#context, signal }, head)));
        // What waits for the remote need not wait any longer.
        if (state === 'offline') this.#broadcast('hurry');
        this.#publish();
      };
      // It ends with sync, not after a time.
      return withDeadline(bringIn, 0, syncEndedError, options.signal, (_, end) => this.#onStop.add(end));
    });
  }

  pause(): void {
    this.#broadcast('pause');
  }

  resume(): void {
    // The present leader would ask for its own key again, which may be older than the one of whoever resumes.
    if (!this.#loop && isKeyRefused(this.#status)) {
      this.#isTakingOver = true;
      this.#leaderStatus = undefined;
      this.#election?.steal();
    }
    this.#broadcast('resume');
  }

  blocked(): Promise<readonly BlockedTask[]> {
    return listBlocked(this.#context);
  }

  retry(taskId: string, options?: SyncTaskOptions): Promise<void> {
    return this.#release('retry', retry, taskId, options);
  }

  discard(taskId: string, options?: SyncTaskOptions): Promise<void> {
    return this.#release('discard', discard, taskId, options);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#onStop.tell();
    await this.#stepDown();
    this.#election?.stop();
    this.#channel?.close();
  }

  /** Lets a task go that was set aside. */
  #release(operation: string, how: typeof retry, taskId: string, options?: SyncTaskOptions): Promise<void> {
    return this.#call(operation, taskId, options, async (key) => {
      requireFound(await how(this.#context, key));
      this.#broadcast('hurry');
    });
  }

  /** A call about one task. */
  #call(
    operation: string,
    taskId: string,
    options: SyncTaskOptions = {},
    work: (key: TaskKey) => Promise<void>,
  ): Promise<void> {
    return this.#context.run(operation, taskId, () => work(checkedKey(taskId, options)), options);
  }

  // Leading.

  async #lead(): Promise<void> {
    if (this.#isStopped) return;
    this.#termAbort = new AbortController();
    const { signal } = this.#termAbort;
    this.#isTakingOver = false;
    try {
      const term = await beginTerm(this.#context, !!this.#election);
      if (signal.aborted) return;
      this.#loop = new PushLoop({ ...this.#context, term, signal });
      await this.#loop.fill();
    } catch (error) {
      if (signal.aborted) return;
      // Without its notes in the store sync cannot go on; the store itself will say more to its callers.
      this.#leaderStatus = { ...this.#status, lastError: toTaskStoreError(error, 'IO_ERROR', 'sync cannot start') };
      this.#publish();
      await this.#sleep(1000);
      if (!signal.aborted) await this.#lead();
    }
  }

  async #stepDown(): Promise<void> {
    const loop = this.#loop;
    const { pause } = this.#context;
    this.#loop = undefined;
    this.#leaderStatus = this.#status;
    this.#termAbort?.abort(syncEndedError());
    // The next leader has a key of its own.
    if (pause.by !== 'user') pause.by = undefined;
    // Others may take its last status for the next leader's, so that one is asked.
    this.#broadcast('answer');
    this.#publish();
    await loop?.stop();
  }

  /** A leader that lives answers when asked; one that is frozen while changes wait has its lock taken. */
  async #watchLeader(patienceMs = this.#context.patienceMs): Promise<void> {
    const isFollower = () => this.#election && !this.#loop && !this.#isStopped;
    if (this.#isWatching || !isFollower()) return;
    this.#isWatching = true;
    await new Promise<void>((resolve) => {
      this.#checkLeaderNow = resolve;
      this.#context.later(patienceMs, resolve);
    });
    const [oldest] = isFollower() ? await this.#context.backend.pending(1).catch(() => []) : [];
    if (oldest) {
      this.#leaderStatus = undefined;
      this.#broadcast('answer');
      await this.#sleep(1000 + 500 * this.#context.random());
      if (isFollower() && !this.#leaderStatus) this.#election?.steal();
    }
    this.#isWatching = false;
    if (oldest) void this.#watchLeader();
  }

  // Waking up.

  async #gather(touched: Touched): Promise<void> {
    this.#loop?.touch(touched);
    void this.#watchLeader();
    if (this.#isGathering) return;
    this.#isGathering = true;
    await this.#sleep(this.#context.gatherMs);
    this.#isGathering = false;
    void this.#loop?.fill();
  }

  async #poll(everyMs: number): Promise<void> {
    while (!this.#isStopped) {
      await this.#sleep(everyMs);
      await this.#pullUnfinished().catch(() => {});
    }
  }

  async #pullUnfinished(): Promise<void> {
    for await (const key of unfinished(this.#context)) {
      if (!this.#loop?.canSend) return;
      await this.pull(key.taskId, key).catch((error) => this.#loop?.failed(error));
      this.#publish();
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#context.later(ms, resolve));
  }

  /** Another leader's messages may get lost, so the store is looked at again after a moment. */
  #nextChange(): Promise<void> {
    const recheck = () => {
      this.#recheckTimer = undefined;
      this.#notify();
    };
    // One for all who wait: each of them comes back here whenever one is told.
    if (!this.#loop) this.#recheckTimer ??= this.#context.later(250, recheck);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #notify(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  // Telling.

  /** To all contexts, this one too. */
  #broadcast(message: SyncMessage): void {
    if (this.#isStopped) return;
    this.#channel?.postMessage(
      typeof message === 'object'
        ? { ...message, lastError: message.lastError && packError(message.lastError) }
        : message,
    );
    this.#receive(message);
  }

  #receive(message: SyncMessage): void {
    const loop = this.#loop;
    if (typeof message === 'object') {
      if (loop || this.#isTakingOver) return;
      this.#leaderStatus = { ...message, lastError: message.lastError && unpackError(message.lastError) };
      // It may have been paused before this context was here, and is to stay so when this one leads.
      this.#context.pause.by = message.state === 'paused' && !isKeyRefused(message) ? 'user' : undefined;
    } else if (message === 'answer') {
      if (loop) this.#broadcast(this.#status);
      return;
    } else {
      if (message !== 'hurry') this.#context.pause.by = message === 'pause' ? 'user' : undefined;
      if (message !== 'pause') loop?.retryNow();
    }
    this.#publish();
  }

  #publish(): void {
    const { by } = this.#context.pause;
    const status = this.#loop?.status ?? this.#leaderStatus ?? { ...this.#status, state: 'idle' };
    const state = this.#isStopped ? 'stopped' : by ? 'paused' : status.state;
    const lastError = by && by !== 'user' ? by : status.lastError;
    this.#status = { ...status, state, lastError, leader: !!this.#loop };
    const text = JSON.stringify(this.#status);
    if (text !== this.#lastPublished) {
      this.#lastPublished = text;
      if (this.#loop) this.#broadcast(this.#status);
      this.#listeners.tell(this.#status);
    }
    this.#notify();
  }
}
