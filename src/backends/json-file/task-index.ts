/**
 * Where each task of the file lies, and what lists ask about it: a table of columns, one row a task, the rows in the order
 * of lists (oldest change first). It is kept beside the file so that opening need not read the file itself, and is used as
 * it lies there: nothing is built from it but a hash table of rows.
 *
 * Texts are kept as hashes: a row found by one is a candidate, and whoever reads its line compares. The index can always
 * be made again from the file, and is trusted only where its checksum is right and it names exactly this file.
 */

import { encodeScope } from '../../core/head.ts';
import type { HeadQuery } from '../../core/query.ts';
import { type TaskState, taskStates } from '../../core/task.ts';
import { crc32 } from './crc32.ts';
import type { Layout } from './stored-line.ts';

/** What a row says. Times are ms since 1970, `updatedAt` as `timeOrder` has it; `pendingSince` is NaN where nothing is pending. */
export interface IndexRow {
  readonly offset: number;
  readonly length: number;
  readonly updatedAt: number;
  readonly pendingSince: number;
  readonly keyHash: number;
  readonly scopeHash: number;
  readonly sessionHash: number;
  readonly state: number;
  readonly layout: string;
}

/** What an index says of its file beside the rows. */
export interface IndexHeader {
  readonly format: 1;
  readonly generation: number;
  /** Whose journals the file holds; undefined where nobody said. */
  readonly writers?: readonly string[] | undefined;
  readonly meta: Readonly<Record<string, unknown>>;
  /** Each task has a line of its own, as this backend writes them. */
  readonly native: boolean;
  /** Changes the hashes from file to file, so that nobody can choose ids that collide. */
  readonly seed: number;
  readonly fileSize: number;
  readonly fileTime: number;
  readonly fileChecksum: number;
  /** What else people wrote at the top of the file. */
  readonly other: Readonly<Record<string, unknown>>;
}

export const wide = ['offset', 'length', 'updatedAt', 'pendingSince', 'layoutStart'] as const;
export const narrow = ['keyHash', 'scopeHash', 'sessionHash', 'layoutLength'] as const;

export type Columns = Record<(typeof wide)[number], Float64Array<ArrayBuffer>> &
  Record<(typeof narrow)[number], Uint32Array<ArrayBuffer>> & { state: Uint8Array<ArrayBuffer> };

export class TaskIndex {
  readonly header: IndexHeader;
  readonly size: number;
  readonly columns: Columns;
  readonly #layouts: Buffer;
  readonly #slots: Int32Array;

  constructor(header: IndexHeader, size: number, columns: Columns, layouts: Buffer) {
    this.header = header;
    this.size = size;
    this.columns = columns;
    this.#layouts = layouts;
    this.#slots = hashTable(columns.keyHash, size);
  }

  /** Rows whose key has this hash; nearly always one or none. */
  *candidates(keyHash: number): Generator<number> {
    const mask = this.#slots.length - 1;
    for (let at = keyHash & mask; ; at = (at + 1) & mask) {
      const row = (this.#slots[at] as number) - 1;
      if (row < 0) return;
      if (this.columns.keyHash[row] === keyHash) yield row;
    }
  }

  hash(text: string): number {
    return hashText(text, this.header.seed);
  }

  layoutText(row: number): string {
    const start = this.columns.layoutStart[row] as number;
    return this.#layouts.toString('utf8', start, start + (this.columns.layoutLength[row] as number));
  }

  layout(row: number): Layout | undefined {
    return this.columns.layoutLength[row] ? (JSON.parse(this.layoutText(row)) as Layout) : undefined;
  }

  /** Answers, call by call, the rows that may answer the query, in its order and not before the time it begins after; then -1. */
  rows(query: HeadQuery, hidden: Uint8Array): () => number {
    const { state, scopeHash, sessionHash } = this.columns;
    const scope = query.scope && this.hash(encodeScope(query.scope));
    const session = query.sessionId === undefined ? undefined : this.hash(query.sessionId);
    const wanted = query.states?.map(stateCode);
    const [first, end, step] = this.#range(query);
    let next = first;
    return () => {
      while (next !== end) {
        const row = next;
        next += step;
        if (hidden[row]) continue;
        if (wanted && !wanted.includes(state[row] as number)) continue;
        if (scope !== undefined && scopeHash[row] !== scope) continue;
        if (session !== undefined && sessionHash[row] !== session) continue;
        return row;
      }
      return -1;
    };
  }

  #range({ order, after, updatedAfter }: HeadQuery): [first: number, end: number, step: 1 | -1] {
    // Of equals some may be later.
    const from = updatedAfter === undefined ? 0 : this.#firstRowAfter(timeOrder(updatedAfter) - 1);
    const time = after && timeOrder(after.updatedAt);
    if (order === 'oldest')
      return [Math.max(from, time === undefined ? 0 : this.#firstRowAfter(time - 1)), this.size, 1];
    const last = (time === undefined ? this.size : this.#firstRowAfter(time)) - 1;
    return [Math.max(last, from - 1), from - 1, -1];
  }

  /** The first row changed after this time. */
  #firstRowAfter(time: number): number {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.columns.updatedAt[middle] as number) <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The index as a file, in pieces; a checksum of them all is to follow. */
  toPieces(): Uint8Array[] {
    const text = Buffer.from(JSON.stringify({ ...this.header, rows: this.size }));
    const head = Buffer.alloc(roundUp(8 + text.length), 32);
    head.writeUInt32LE(head.length, 0);
    text.copy(head, 8);
    const pieces: Uint8Array[] = [head];
    for (const name of wide) pieces.push(bytesOf(this.columns[name], this.size));
    for (const name of narrow) pieces.push(bytesOf(this.columns[name], this.size));
    pieces.push(bytesOf(this.columns.state, this.size), this.#layouts);
    return pieces;
  }

  /** The index in these bytes, or undefined where they are no intact index. */
  static fromBytes(bytes: Buffer<ArrayBuffer>): TaskIndex | undefined {
    if (bytes.length < 16 || bytes.byteOffset % 8 !== 0) return undefined;
    if (crc32(bytes.subarray(0, -4)) !== bytes.readUInt32LE(bytes.length - 4)) return undefined;
    let at = bytes.readUInt32LE(0);
    const header = JSON.parse(bytes.toString('utf8', 8, at)) as IndexHeader & { rows: number };
    if (header.format !== 1 || header.fileChecksum === undefined) return undefined;
    const columns = {} as Columns;
    for (const name of wide) {
      columns[name] = new Float64Array(bytes.buffer, bytes.byteOffset + at, header.rows);
      at += 8 * header.rows;
    }
    for (const name of narrow) {
      columns[name] = new Uint32Array(bytes.buffer, bytes.byteOffset + at, header.rows);
      at += 4 * header.rows;
    }
    columns.state = new Uint8Array(bytes.buffer, bytes.byteOffset + at, header.rows);
    return new TaskIndex(header, header.rows, columns, bytes.subarray(at + header.rows, -4));
  }
}

/** Lists go by the texts of times, and those of years with more than four digits begin with a sign: they come first, as equals. */
export function timeOrder(time: string): number {
  if (time[0] === '+') return -9e15;
  return time[0] === '-' ? -8.9e15 : Date.parse(time);
}

export function stateCode(state: TaskState): number {
  return taskStates.indexOf(state);
}

/** FNV-1a over UTF-16 units, mixed at the end so that its low bits are good ones; never 0, which means "none". */
export function hashText(text: string, seed: number): number {
  let hash = seed | 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0 || 1;
}

/** Open addressing, at most half full; holds row + 1. */
function hashTable(hashes: Uint32Array, size: number): Int32Array {
  let capacity = 16;
  while (capacity < size * 2) capacity *= 2;
  const slots = new Int32Array(capacity);
  for (let row = 0; row < size; row++) {
    let at = (hashes[row] as number) & (capacity - 1);
    while (slots[at] !== 0) at = (at + 1) & (capacity - 1);
    slots[at] = row + 1;
  }
  return slots;
}

function bytesOf(
  column: Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>,
  size: number,
): Buffer {
  return Buffer.from(column.buffer, column.byteOffset, size * column.BYTES_PER_ELEMENT);
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
