import { TaskStoreError } from '../../core/errors.ts';
import type { TaskRef } from './journal-record.ts';

/** What a task remembers of the number it was given last. */
export interface Numbered {
  numbers: TaskNumbers | undefined;
  number: number;
}

/** Numbers for the tasks of one journal: keys may be long, and a streamed chunk is often shorter than one. */
export class TaskNumbers {
  given: number;

  constructor(given = 0) {
    this.given = given;
  }

  of(task: Numbered, key: string): TaskRef {
    if (task.numbers === this) return { task: task.number };
    task.numbers = this;
    task.number = ++this.given;
    return { key, task: task.number };
  }
}

/** The keys behind the numbers of a journal, as it is read back. */
export class KeysByNumber {
  readonly #keys = new Map<number, string>();

  keyOf({ key, task }: TaskRef): string {
    if (key !== undefined) this.#keys.set(task, key);
    const known = this.#keys.get(task);
    if (known === undefined) throw new TaskStoreError('STORE_CORRUPT', `the journal names no task ${task}`);
    return known;
  }
}
