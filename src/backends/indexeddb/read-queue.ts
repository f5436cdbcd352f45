/**
 * Reads, several to a transaction: those made in one go share it, and so do those that follow while it is alive, since to
 * begin one costs as much as several reads. Those of one task share its look-up.
 */
import { encodeKey, type TaskKey } from '../../core/head.ts';
import type { SelectRange, TaskRecord } from '../../core/record.ts';
import { answerOf, type Connection } from './connection.ts';
import { byName, linger } from './queue.ts';
import type { TaskRow } from './schema.ts';
import type { WriteQueue } from './write-queue.ts';

/** A transaction gets no more to do after so long: writers wait for it. */
const HELD_MS = 8;

/** So many reads are begun at a time; of very many, each gets its answer in time. */
const MAX_BATCH = 200;

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
    const until = performance.now() + HELD_MS;
    while (this.#waiting.length > 0) {
      const reads = this.#waiting.slice(0, MAX_BATCH);
      await Promise.all(Array.from(byName(reads), ([name, same]) => this.#answer(tx, name, same)));
      this.#waiting.splice(0, reads.length);
      if (performance.now() > until) return;
      await linger(this.#waiting);
    }
  }

  /** A task that is remembered is not fetched: that the database has it at the place it had is all there is to know. */
  async #answer(tx: IDBTransaction, name: string, reads: readonly Read[]): Promise<void> {
    const tasks = tx.objectStore('tasks');
    let task = this.#memory.get(name);
    // A commit may begin while this waits, and change the task that both look at; what was asked for stays as it is.
    let head = task?.head;
    if (!task || task.stale || (await answerOf(tasks.index('place').getKey(task.place))) !== name) {
      const row = await answerOf<TaskRow | undefined>(tasks.get(name));
      task = row && this.#memory.recall(name, row);
      head = task?.head;
    }
    for (const { select, resolve } of reads) {
      const range = head && select(head);
      if (range) await task?.load(tx, range);
      resolve(task && head && range && { ...task.toRecord(range), head });
    }
    if (task) this.#memory.remember(name, task);
  }
}
