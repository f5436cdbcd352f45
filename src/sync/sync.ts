/** The life of sync in one context: who leads, when to push, what others are told. */
import { inTime } from '../core/deadline.ts';
import { toTaskStoreError } from '../core/errors.ts';
import type { TaskHead, TaskKey } from '../core/head.ts';
import { Listeners } from '../core/listeners.ts';
import { existing } from '../core/reduce.ts';
import type { StorePort, Touched } from '../store-port.ts';
import type { BlockedTask, FlushOptions, SyncStatus, SyncTaskOptions, TaskSync } from '../task-store.ts';
import { contextOf, type SyncContext } from './context.ts';
import { ended, flush, isKeyRefused } from './flush.ts';
import { settleIdentity } from './identity.ts';
import { type Election, elect } from './leader.ts';
import type { Channel, SyncOptions } from './options.ts';
import { pullUnfinished } from './poll.ts';
import { ask } from './push.ts';
import { PushLoop } from './push-loop.ts';
import { discard, listBlocked, retry } from './set-aside.ts';
import { conflictOf, namedBy, packed, progressOf, readHead, stateOf, unpacked } from './state.ts';

/** What contexts on the same storage say to each other: how the leader fares, or what is wanted of it. */
type Word = SyncStatus | 'answer' | 'hurry' | 'pause' | 'resume';

export class ElkarSync implements TaskSync {
  readonly #context: SyncContext;
  /** Absent where no other context can lead, or all do. */
  readonly #election: Election | undefined;
  readonly #channel: Channel | undefined;
  readonly #listeners = new Listeners<SyncStatus>();
  /** Those who wait for the next change of state. */
  readonly #waiting: (() => void)[] = [];
  /** There while they are to be told in a moment, whatever is heard. */
  #look: (() => void) | undefined;
  /** What ends with sync. */
  readonly #ends = new Listeners<void>();
  /** Resolves when a lead of this context has begun. */
  settled: Promise<void> | undefined;
  /** While this context leads. */
  #loop: PushLoop | undefined;
  #end = new AbortController();
  #isStopped = false;
  #isGathering = false;
  #isWatching = false;
  /** Ends the wait before the leader is asked how it fares. */
  #endPatience = () => {};
  /** It has taken the lead, and will have it in a moment: how the leader before fares is of no interest any more. */
  #isTaking = false;
  /** How the leader fares, by its own word; of one that yields, how it fared. */
  #heard: SyncStatus | undefined;
  #status: SyncStatus = { state: 'idle', pendingTasks: 0, blockedTasks: 0, leader: false };
  /** The status that was told last. */
  #told = JSON.stringify(this.#status);

  constructor(port: StorePort, options: SyncOptions) {
    this.#context = contextOf(port, options, {
      onChange: () => this.#publish(),
      onAnswer: () => this.#loop?.succeeded(),
    });
    const { isShared, locks, openChannel, onWake, pollMs } = this.#context;
    const name = `holdfast:sync:indexeddb:${port.backend.info.location}`;
    this.#channel = isShared ? openChannel?.(name) : undefined;
    if (this.#channel) this.#channel.onmessage = ({ data }: { readonly data: Word }) => this.#hear(data);
    this.#ends.add(port.pending.add((touched) => void this.#gather(touched)));
    this.#ends.add(
      onWake(() => {
        this.#say('hurry');
        this.#endPatience();
        void this.#watchLeader(0);
      }),
    );
    const lead = () => {
      this.settled = this.#lead();
    };
    if (isShared && locks) this.#election = elect(locks, name, lead, () => void this.#yield());
    else lead();
    this.#say('answer');
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
      if (options.taskId === undefined) this.#say('hurry');
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
          if (this.#isStopped) throw ended();
          head = existing(await readHead(this.#context, key));
          const error = conflictOf(head, this.#context.identity);
          if (error) throw error;
          // Of two pushes that are answered meanwhile the second was sent after this began, so its answer tells as much.
        } while (seen.add(progressOf(stateOf(head))).size < 3 && !(await ask({ ...this.#context, signal }, head)));
        // What waits for the remote need not wait any longer.
        if (state === 'offline') this.#say('hurry');
        this.#publish();
      };
      // It ends with sync, not after a time.
      return inTime(bringIn, 0, ended, options.signal, (_, end) => this.#ends.add(end));
    });
  }

  pause(): void {
    this.#say('pause');
  }

  resume(): void {
    // The present leader would ask for its own key again, which may be older than the one of whoever resumes.
    if (!this.#loop && isKeyRefused(this.#status)) {
      this.#isTaking = true;
      this.#heard = undefined;
      this.#election?.steal();
    }
    this.#say('resume');
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
    this.#ends.tell();
    await this.#yield();
    this.#election?.stop();
    this.#channel?.close();
  }

  /** Lets a task go that was set aside. */
  #release(operation: string, how: typeof retry, taskId: string, options?: SyncTaskOptions): Promise<void> {
    return this.#call(operation, taskId, options, async (key) => {
      existing((await how(this.#context, key)).record);
      this.#say('hurry');
    });
  }

  /** A call about one task. */
  #call(
    operation: string,
    taskId: string,
    options: SyncTaskOptions = {},
    work: (key: TaskKey) => Promise<void>,
  ): Promise<void> {
    return this.#context.run(operation, taskId, () => work(namedBy(taskId, options)), options);
  }

  // Leading.

  async #lead(): Promise<void> {
    if (this.#isStopped) return;
    this.#end = new AbortController();
    const { signal } = this.#end;
    this.#isTaking = false;
    try {
      const term = await settleIdentity(this.#context, !!this.#election);
      if (signal.aborted) return;
      this.#loop = new PushLoop({ ...this.#context, term, signal });
      await this.#loop.fill();
    } catch (error) {
      if (signal.aborted) return;
      // Without its notes in the store sync cannot go on; the store itself will say more to its callers.
      this.#heard = { ...this.#status, lastError: toTaskStoreError(error, 'IO_ERROR', 'sync cannot start') };
      this.#publish();
      await this.#sleep(1000);
      if (!signal.aborted) await this.#lead();
    }
  }

  async #yield(): Promise<void> {
    const loop = this.#loop;
    const { pause } = this.#context;
    this.#loop = undefined;
    this.#heard = this.#status;
    this.#end.abort(ended());
    // The next leader has a key of its own.
    if (pause.by !== 'user') pause.by = undefined;
    // What this one said last, the others may have taken for the next leader's word.
    this.#say('answer');
    this.#publish();
    await loop?.stop();
  }

  /** A leader that lives answers when asked; one that is frozen while changes wait has its lock taken. */
  async #watchLeader(patienceMs = this.#context.patienceMs): Promise<void> {
    const isFollower = () => this.#election && !this.#loop && !this.#isStopped;
    if (this.#isWatching || !isFollower()) return;
    this.#isWatching = true;
    await new Promise<void>((resolve) => {
      this.#endPatience = resolve;
      this.#context.later(patienceMs, resolve);
    });
    const [oldest] = isFollower() ? await this.#context.backend.pending(1).catch(() => []) : [];
    if (oldest) {
      this.#heard = undefined;
      this.#say('answer');
      await this.#sleep(1000 + 500 * this.#context.random());
      if (isFollower() && !this.#heard) this.#election?.steal();
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
    const pull = async (key: TaskKey) => {
      if (!this.#loop?.isFree) return false;
      await this.pull(key.taskId, key).catch((error) => this.#loop?.blame(error));
      this.#publish();
      return true;
    };
    while (!this.#isStopped) {
      await this.#sleep(everyMs);
      await pullUnfinished(this.#context, pull).catch(() => {});
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#context.later(ms, resolve));
  }

  /** Where another context leads, its word may be missed, so the store is looked at again after a moment. */
  #nextChange(): Promise<void> {
    const look = () => {
      this.#look = undefined;
      this.#notify();
    };
    // One for all who wait: each of them comes back here whenever one is told.
    if (!this.#loop) this.#look ??= this.#context.later(250, look);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #notify(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  // Telling.

  /** To the others, and to oneself. */
  #say(word: Word): void {
    if (this.#isStopped) return;
    this.#channel?.postMessage(
      typeof word === 'object' ? { ...word, lastError: word.lastError && packed(word.lastError) } : word,
    );
    this.#hear(word);
  }

  #hear(word: Word): void {
    const loop = this.#loop;
    if (typeof word === 'object') {
      if (loop || this.#isTaking) return;
      this.#heard = { ...word, lastError: word.lastError && unpacked(word.lastError) };
      // It may have been paused before this context was here, and is to stay so when this one leads.
      this.#context.pause.by = word.state === 'paused' && !isKeyRefused(word) ? 'user' : undefined;
    } else if (word === 'answer') {
      if (loop) this.#say(this.#status);
      return;
    } else {
      if (word !== 'hurry') this.#context.pause.by = word === 'pause' ? 'user' : undefined;
      if (word !== 'pause') loop?.hurry();
    }
    this.#publish();
  }

  #publish(): void {
    const { by } = this.#context.pause;
    const status = this.#loop?.status ?? this.#heard ?? { ...this.#status, state: 'idle' };
    const state = this.#isStopped ? 'stopped' : by ? 'paused' : status.state;
    const lastError = by && by !== 'user' ? by : status.lastError;
    this.#status = { ...status, state, lastError, leader: !!this.#loop };
    const text = JSON.stringify(this.#status);
    if (text !== this.#told) {
      this.#told = text;
      if (this.#loop) this.#say(this.#status);
      this.#listeners.tell(this.#status);
    }
    this.#notify();
  }
}
