import { TaskStoreError } from '../../core/errors.ts';
import { countsOf, type TaskHead } from '../../core/head.ts';
import { CleanEntry, Entry } from './entry.ts';
import { parseHead, parseLine } from './stored-line.ts';
import type { SnapshotFile, Tail } from './tail.ts';
import type { TaskIndex } from './task-index.ts';

/** One generation of the file: its index and the open file itself. */
export class Snapshot {
  readonly index: TaskIndex;
  readonly file: SnapshotFile | undefined;
  /** Rows whose task was changed since; what the file says of them is old. */
  readonly hidden: Uint8Array;

  /** Without a file: an empty one, from before the first was written. */
  constructor(index: TaskIndex, file: SnapshotFile | undefined) {
    this.index = index;
    this.file = file;
    this.hidden = new Uint8Array(index.size);
  }

  load(row: number): CleanEntry {
    const file = this.#file();
    const { offset, length } = this.#line(row);
    const layout = this.index.layout(row);
    if (layout) {
      const head = file.parse(offset, layout.headLength, (bytes) => parseHead(bytes.toString(), layout));
      const entry = new CleanEntry(head, row, 0);
      entry.base = file.tail({ offset, length }, layout, countsOf(head));
      return entry;
    }
    const parsed = file.parse(offset, length, (bytes) => parseLine(bytes.toString()));
    const entry = new CleanEntry(parsed.head, row, length);
    entry.messages = parsed.messages as typeof entry.messages;
    entry.parts = parsed.parts as typeof entry.parts;
    return entry;
  }

  /** A clean entry's successor, which may be changed and keeps nothing of the file in memory. */
  toBase({ key, head, row, base, messages, parts }: CleanEntry): Entry {
    const tail = base ?? this.#file().tail(this.#line(row), undefined, countsOf(head), { head, messages, parts });
    return new Entry(key, head, row, tail);
  }

  /** The items of a row, which are those of `same` in another place. */
  tailOf(row: number, { artifacts = [] }: TaskHead, same: Tail): Tail {
    const counts = [same.messageCount, ...artifacts.map((_, slot) => same.partCount(slot))];
    return this.#file().tail(this.#line(row), this.index.layout(row), counts);
  }

  /** Rows with something pending, the oldest first, and not many more than `limit`. */
  pendingRows(limit: number): number[] {
    const { pendingSince } = this.index.columns;
    const rows: number[] = [];
    for (let row = 0; row < this.index.size; row++) {
      if (!Number.isNaN(pendingSince[row]) && !this.hidden[row]) rows.push(row);
    }
    return rows.sort((a, b) => (pendingSince[a] as number) - (pendingSince[b] as number)).slice(0, limit);
  }

  retire(): void {
    this.file?.retire();
  }

  #line(row: number): { offset: number; length: number } {
    const { offset, length } = this.index.columns;
    return { offset: offset[row] as number, length: length[row] as number };
  }

  #file(): SnapshotFile {
    if (!this.file) throw new TaskStoreError('STORE_CORRUPT', 'the file is gone');
    return this.file;
  }
}
