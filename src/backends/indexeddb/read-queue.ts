/**
 * Reads, several to a transaction: those made in one go share it, and so do those that follow while it is alive, since to
 * begin one costs as much as several reads. Those of one task share its look-up.
 */
import { encodeKey, type TaskHead, type TaskKey } from '../../core/head.ts';
import type { SelectRange, TaskRecord } from '../../core/record.ts';
import { answerOf, type Connection } from './connection.ts';
import type { KnownTask } from './known-task.ts';
import type { TaskRow } from './schema.ts';
import type { WriteQueue } from './write-queue.ts';

/** A transaction is held for so long at the most: writers wait for it. */
const HELD_MS = 8;

/** How many turns of microtasks a transaction waits for the next read; a caller's own turns come in between. */
const LINGER_TURNS = 24;

interface Read {
  readonly name: string;
  readonly select: SelectRange;
  readonly resolve: (record: TaskRecord | undefined) => void;
  readonly reject: (error: unknown) => void;
}

export class ReadQueue {
  readonly #connection: Connection;
  readonly #memory: Pick<WriteQueue, 'get' | 'recall' | 'remember'>;
  /** In the order they came; each stays until it is answered. */
  readonly #waiting: Read[] = [];
  #running = false;

  constructor(connection: Connection, memory: Pick<WriteQueue, 'get' | 'recall' | 'remember'>) {
    this.#connection = connection;
    this.#memory = memory;
  }

  read(key: TaskKey, select: SelectRange): Promise<TaskRecord | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ name: encodeKey(key), select, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    await null;
    while (this.#waiting.length > 0) {
      try {
        await this.#connection.transact(['tasks', 'segments'], 'readonly', (tx) => this.#serve(tx));
      } catch (error) {
        for (const { reject } of this.#waiting.splice(0)) reject(error);
      }
    }
    this.#running = false;
  }

  async #serve(tx: IDBTransaction): Promise<void> {
    const until = Date.now() + HELD_MS;
    while (this.#waiting.length > 0) {
      const reads = [...this.#waiting];
      const byName = new Map<string, Read[]>();
      for (const read of reads) {
        const same = byName.get(read.name);
        same ? same.push(read) : byName.set(read.name, [read]);
      }
      const answers: Promise<void>[] = [];
      for (const [name, same] of byName) answers.push(this.#answer(tx, name, same));
      await Promise.all(answers);
      this.#waiting.splice(0, reads.length);
      if (Date.now() > until) return;
      for (let turn = 0; turn < LINGER_TURNS && this.#waiting.length === 0; turn++) await null;
    }
  }

  /** A task that is remembered is not fetched: that the database has it at the place it had is all there is to know. */
  async #answer(tx: IDBTransaction, name: string, reads: readonly Read[]): Promise<void> {
    const tasks = tx.objectStore('tasks');
    const known = this.#memory.get(name);
    if (known && !known.stale) {
      // A commit may begin while this waits, and change the task that both look at; what was asked for stays as it is.
      const { head } = known;
      const key = await answerOf(tasks.index('place').getKey(known.place));
      if (key === name) return this.#resolve(tx, name, known, head, reads);
    }
    const row = await answerOf<TaskRow | undefined>(tasks.get(name));
    if (row) {
      const task = this.#memory.recall(name, row);
      await this.#resolve(tx, name, task, task.head, reads);
    } else for (const { resolve } of reads) resolve(undefined);
  }

  async #resolve(
    tx: IDBTransaction,
    name: string,
    task: KnownTask,
    head: TaskHead,
    reads: readonly Read[],
  ): Promise<void> {
    for (const { select, resolve } of reads) {
      const range = select(head);
      await task.load(tx, range);
      resolve({ ...task.toRecord(range), head });
    }
    this.#memory.remember(name, task);
  }
}
