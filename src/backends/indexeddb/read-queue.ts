/**
 * Reads, several to a transaction: those made in one go share it, and so do those that follow while it is alive. To begin one
 * costs a message to the browser and back; then what is in memory is good until it ends. Those of one task share its look-up.
 */
import { encodeKey, type TaskKey } from '../../core/head.ts';
import type { SelectRange, TaskRecord } from '../../core/record.ts';
import type { Connection } from './connection.ts';
import { byName, waitForMore } from './queue.ts';
import type { Replica } from './replica.ts';
import type { View } from './view.ts';

/** A transaction gets no more to do after so long: writers wait for it. */
const HELD_MS = 2;

/** So many reads are begun at a time: the first of very many must not wait for the last. */
const MAX_BATCH = 200;

interface Read {
  readonly name: string;
  readonly select: SelectRange;
  readonly resolve: (record: TaskRecord | undefined) => void;
  readonly reject: (error: unknown) => void;
}

export class ReadQueue {
  readonly #connection: Connection;
  readonly #replica: Replica;
  readonly #onRead: () => void;
  /** In the order they came; each stays until it is answered. */
  readonly #waiting: Read[] = [];
  #running = false;

  constructor(connection: Connection, replica: Replica, onRead: () => void) {
    this.#connection = connection;
    this.#replica = replica;
    this.#onRead = onRead;
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
        await this.#connection.transact('readonly', (tx) => this.#serve(tx));
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
      const groups = byName(reads);
      const view = await this.#replica.catchUp(tx, [...groups.keys()]);
      this.#onRead();
      await Promise.all(Array.from(groups, ([name, same]) => answer(tx, view, name, same)));
      this.#waiting.splice(0, reads.length);
      if (performance.now() > until) return;
      await waitForMore(this.#waiting);
    }
  }
}

async function answer(tx: IDBTransaction, view: View, name: string, reads: readonly Read[]): Promise<void> {
  const task = view.known.get(name);
  // A commit may end while this waits, and change the task that both look at; what was asked for stays as it is.
  const head = task?.head;
  for (const { select, resolve } of reads) {
    const range = head && select(head);
    if (range && task.lacks(range)) await task.load(tx, range, view);
    resolve(range && task.toRecord(head, range));
  }
}
