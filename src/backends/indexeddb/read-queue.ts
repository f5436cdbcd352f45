/**
 * Reads, several to a transaction: those made in one go share it, and so do those that follow while it is alive, since to
 * begin one costs as much as several reads.
 */
import { encodeKey, type TaskKey } from '../../core/head.ts';
import type { SelectRange, TaskRecord } from '../../core/record.ts';
import { answerOf, type Connection } from './connection.ts';
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
  readonly #memory: Pick<WriteQueue, 'recall' | 'remember'>;
  /** In the order they came; each stays until it is answered. */
  readonly #waiting: Read[] = [];
  #running = false;

  constructor(connection: Connection, memory: Pick<WriteQueue, 'recall' | 'remember'>) {
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
      await Promise.all(reads.map((read) => this.#answer(tx, read)));
      this.#waiting.splice(0, reads.length);
      if (Date.now() > until) return;
      for (let turn = 0; turn < LINGER_TURNS && this.#waiting.length === 0; turn++) await null;
    }
  }

  async #answer(tx: IDBTransaction, read: Read): Promise<void> {
    const row = await answerOf<TaskRow | undefined>(tx.objectStore('tasks').get(read.name));
    read.resolve(row && (await this.#toRecord(tx, row, read)));
  }

  async #toRecord(tx: IDBTransaction, row: TaskRow, { name, select }: Read): Promise<TaskRecord> {
    const task = this.#memory.recall(name, row);
    const { head } = task;
    const range = select(head);
    // A commit may begin while this waits, and change the task that both look at; what was read stays as it is.
    await task.load(tx, range);
    this.#memory.remember(name, task);
    return { ...task.toRecord(range), head };
  }
}
