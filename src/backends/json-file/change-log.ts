// Not the global ones: a user's test may have put fake ones there, and a change would wait for ever.
import { clearImmediate, setImmediate } from 'node:timers';
import { later } from '../../core/deadline.ts';
import type { Durability } from '../backend.ts';
import type { Journal } from './journal.ts';

/** How long a change written under `relaxed` may wait for its sync, in milliseconds. */
const RELAXED_SYNC_MS = 100;

/**
 * A sync this fast, in milliseconds, may block: handing it to another thread and back costs a third of its time, and a lone
 * caller has nobody to share it with.
 */
const QUICK_SYNC_MS = 1;

/** With so many waiting, the write begins while others of the same turn are still being made: about as many as are made during a sync. */
const MANY = 32;

/** Changes that share one write and one sync. */
class Batch {
  readonly records: string[] = [];
  /** What takes them back. */
  readonly undos: (() => void)[] = [];
  readonly saved: Promise<void>;
  resolve!: () => void;
  reject!: (error: unknown) => void;

  constructor() {
    this.saved = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/**
 * Brings changes into the journal. Under `strict` all that wait share one write and one sync, and are acknowledged after
 * it; a failed one takes back, in memory too, everything that is not on the disk. Under `relaxed` each is written at once.
 */
export class ChangeLog {
  journal: Journal;
  /** Changes so far, and those of them that are acknowledged or taken back. */
  submitted = 0;
  settled = 0;
  /** How often changes were taken back. */
  failures = 0;
  readonly #strict: boolean;
  #next = new Batch();
  #running = false;
  #scheduled: NodeJS.Immediate | undefined;
  /** How long the last sync took, in milliseconds, and how many changes shared it. */
  #syncMs = Number.POSITIVE_INFINITY;
  #shared = 0;
  #quiet: (() => void)[] = [];
  /** Told whenever a batch is settled. */
  #waiting: (() => void)[] = [];
  /** Takes back the next sync. */
  #forgoSync: (() => void) | undefined;
  #syncing: Promise<void> | undefined;

  constructor(journal: Journal, durability: Durability) {
    this.journal = journal;
    this.#strict = durability === 'strict';
  }

  /** Writes a change before it is made. Throws `IO_ERROR`, and then nothing was written. */
  writeNow(record: string): void {
    this.journal.write([record]);
    this.#forgoSync ??= later(RELAXED_SYNC_MS, () => this.#syncLater());
  }

  /** Whether the change with this number is among those that the next one would share a write with. */
  isWaiting(change: number): boolean {
    return change > this.submitted - this.#next.records.length;
  }

  /**
   * Takes a change that is made in memory already, and `undo` to take it back; undefined where that of an earlier change in the
   * same write does so. Resolves when it is on the disk.
   */
  submit(record: string, undo: (() => void) | undefined): Promise<void> {
    this.submitted++;
    const { records, undos, saved } = this.#next;
    if (undo) undos.push(undo);
    if (records.push(record) === MANY && this.#scheduled) this.#run();
    else this.#start();
    return saved;
  }

  /** When everything submitted so far is acknowledged or taken back. */
  async whenSettled(): Promise<void> {
    const { submitted } = this;
    while (this.settled < submitted) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Runs `action` while memory and journal are in step: every change made is on the disk, none is under way. */
  async atQuietPoint<T>(action: () => T): Promise<T> {
    if (!this.#strict) return this.#afterSync(action);
    return new Promise((resolve, reject) => {
      this.#quiet.push(() => {
        try {
          resolve(action());
        } catch (error) {
          reject(error);
        }
      });
      this.#start();
    });
  }

  async close(): Promise<void> {
    await this.whenSettled();
    // Its end may set the timer again.
    await this.#syncing;
    this.#forgoSync?.();
  }

  /** A failed sync is no reason to stop: it marks the journal as broken, and memory has everything that was acknowledged. */
  async #afterSync<T>(action: () => T): Promise<T> {
    await this.#syncing;
    const { journal } = this;
    try {
      if (!journal.broken) await journal.sync();
      if (!journal.broken && journal.synced < journal.end) journal.syncNow();
    } catch {
      // Said above.
    }
    return action();
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    // Whoever else has something to write in this turn is to share the sync.
    this.#scheduled = setImmediate(() => this.#run());
  }

  async #run(): Promise<void> {
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    while (this.#next.records.length > 0 || this.#quiet.length > 0) {
      if (this.#quiet.length > 0) this.#beQuiet();
      else await this.#writeBatch();
      this.#wake();
    }
    this.#running = false;
  }

  #takeNext(): Batch {
    const batch = this.#next;
    this.#next = new Batch();
    return batch;
  }

  async #writeBatch(): Promise<void> {
    const batch = this.#takeNext();
    const start = this.journal.end;
    try {
      this.journal.write(batch.records);
      await this.#sync(batch.records.length);
    } catch (error) {
      return this.#rollBack(batch, start, error);
    }
    this.#settle(batch);
  }

  #sync(sharing: number): Promise<void> | undefined {
    const isAlone = sharing === 1 && this.#shared === 1;
    this.#shared = sharing;
    const start = performance.now();
    const done = () => {
      this.#syncMs = performance.now() - start;
    };
    if (!isAlone || this.#syncMs > QUICK_SYNC_MS) return this.journal.sync().then(done);
    this.journal.syncNow();
    done();
    return undefined;
  }

  /** Everything here is synchronous, so that no change can come between. */
  #beQuiet(): void {
    if (this.#next.records.length > 0) {
      const batch = this.#takeNext();
      const start = this.journal.end;
      try {
        this.journal.write(batch.records);
        this.journal.syncNow();
        this.#settle(batch);
      } catch (error) {
        this.#rollBack(batch, start, error);
      }
    }
    const actions = this.#quiet;
    this.#quiet = [];
    for (const action of actions) action();
  }

  #settle(batch: Batch): void {
    this.settled += batch.records.length;
    batch.resolve();
  }

  /** What came after the batch was made on top of it, and goes with it. */
  #rollBack(batch: Batch, start: number, error: unknown): void {
    const later = this.#takeNext();
    this.failures++;
    if (this.journal.end !== start) this.journal.cutTo(start);
    for (const { undos } of [later, batch]) for (const undo of undos.toReversed()) undo();
    this.settled += batch.records.length + later.records.length;
    // Nobody may be waiting for the later ones.
    later.saved.catch(() => {});
    for (const { reject } of [batch, later]) reject(error);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #syncLater(): void {
    // A failure marks the journal as broken; the next change begins a new one.
    this.#syncing = this.journal
      .sync()
      .catch(() => {})
      .finally(() => {
        this.#forgoSync = this.#syncing = undefined;
        if (this.journal.synced < this.journal.end && !this.journal.broken) {
          this.#forgoSync = later(RELAXED_SYNC_MS, () => this.#syncLater());
        }
      });
  }
}
