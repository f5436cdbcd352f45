import { type Columns, type IndexHeader, type IndexRow, narrow, TaskIndex, wide } from './task-index.ts';

/** Collects rows, in the order of lists, for a file that is being written or was read. */
export class IndexBuilder {
  readonly #columns: Columns;
  readonly #layouts: string[] = [];
  #layoutBytes = 0;
  #size = 0;

  constructor(capacity: number) {
    const columns = { state: new Uint8Array(capacity) } as Columns;
    for (const name of wide) columns[name] = new Float64Array(capacity);
    for (const name of narrow) columns[name] = new Uint32Array(capacity);
    this.#columns = columns;
  }

  /** Answers the new row's number. */
  add({ layout, ...row }: IndexRow): number {
    const at = this.#size++;
    const columns = this.#columns;
    columns.offset[at] = row.offset;
    columns.length[at] = row.length;
    columns.updatedAt[at] = row.updatedAt;
    columns.pendingSince[at] = row.pendingSince;
    columns.keyHash[at] = row.keyHash;
    columns.scopeHash[at] = row.scopeHash;
    columns.sessionHash[at] = row.sessionHash;
    columns.state[at] = row.state;
    if (layout !== '') this.#addLayout(at, layout);
    return at;
  }

  /** Takes over a row whose line was moved to `offset` unchanged. */
  copy(from: TaskIndex, row: number, offset: number): number {
    const at = this.#size++;
    const old = from.columns;
    const own = this.#columns;
    own.offset[at] = offset;
    own.length[at] = old.length[row] as number;
    own.updatedAt[at] = old.updatedAt[row] as number;
    own.pendingSince[at] = old.pendingSince[row] as number;
    own.keyHash[at] = old.keyHash[row] as number;
    own.scopeHash[at] = old.scopeHash[row] as number;
    own.sessionHash[at] = old.sessionHash[row] as number;
    own.state[at] = old.state[row] as number;
    if (old.layoutLength[row]) this.#addLayout(at, from.layoutText(row));
    return at;
  }

  finish(header: IndexHeader): TaskIndex {
    return new TaskIndex(header, this.#size, this.#columns, Buffer.from(this.#layouts.join('')));
  }

  #addLayout(at: number, layout: string): void {
    const length = Buffer.byteLength(layout);
    this.#columns.layoutStart[at] = this.#layoutBytes;
    this.#columns.layoutLength[at] = length;
    this.#layoutBytes += length;
    this.#layouts.push(layout);
  }
}
