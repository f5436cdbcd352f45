/**
 * Reads a file that has no index to trust: one whose index is lost, or that people or other programs wrote. Any JSON of
 * the right shape will do, however it is laid out; a task that is none is reported with its line.
 */
import { isUtf8 } from 'node:buffer';
import { TaskStoreError } from '../../core/errors.ts';
import { encodeKey, type TaskHead } from '../../core/head.ts';
import { compareNewest } from '../../core/query.ts';
import { check } from '../../core/shape.ts';
import { taskShape } from '../../core/task-shapes.ts';
import { crc32 } from './crc32.ts';
import { nextTurn } from './file-system.ts';
import { toRow } from './fold.ts';
import { IndexBuilder } from './index-builder.ts';
import { endOfValue, indexOfByte, isSpace } from './json-bytes.ts';
import { layoutOf } from './line-layout.ts';
import { BYTES_AT_ONCE, chunks, parseItems, type Section } from './section.ts';
import { type Layout, parseForeignLine, parseHead } from './stored-line.ts';
import { hashText, type IndexHeader, type IndexRow, type TaskIndex } from './task-index.ts';

interface ScannedFile {
  readonly bytes: Buffer;
  readonly seed: number;
  readonly fileSize: number;
  readonly fileTime: number;
}

/** The index of a file, made from all of it. Rejects with `STORE_CORRUPT`. */
export async function scanDocument({ bytes, seed, fileSize, fileTime }: ScannedFile): Promise<TaskIndex> {
  const scan = new Scan(bytes, seed);
  await scan.document();
  const { generation, writers, meta, other, native } = scan;
  const file = { fileSize, fileTime, fileChecksum: crc32(bytes) };
  const header: IndexHeader = { format: 1, generation, writers, meta, other, native, seed, ...file };
  const builder = new IndexBuilder(scan.tasks.length);
  const inOrder = scan.tasks.sort((a, b) => compareNewest(b, a));
  for (const { row } of inOrder) builder.add(row);
  return builder.finish(header);
}

const NEWLINE = 10;

class Scan {
  readonly tasks: { readonly key: string; readonly updatedAt: string; readonly row: IndexRow }[] = [];
  generation = 0;
  writers: readonly string[] | undefined;
  meta: Record<string, unknown> = {};
  other: Record<string, unknown> = {};
  native = true;
  readonly #bytes: Buffer;
  readonly #hashes: { hash(text: string): number };
  readonly #keys = new Set<string>();
  #at = 0;
  #lastEnd = 0;
  #hasTasks = false;

  constructor(bytes: Buffer, seed: number) {
    this.#bytes = bytes;
    this.#hashes = { hash: (text) => hashText(text, seed) };
  }

  async document(): Promise<void> {
    if (!isUtf8(this.#bytes)) throw corrupt('the file is not UTF-8 text');
    if (this.#bytes[0] === 0xef) this.#at = 3;
    this.#expect('{');
    while (this.#peek() !== '}') {
      if (this.#peek() !== '"') throw this.#broken('expected a name in quotes');
      const name = this.#value() as string;
      this.#expect(':');
      if (name === 'tasks') await this.#tasks();
      else if (name === 'holdfast') this.#header(this.#value());
      else this.other[name] = this.#value();
      this.#separator('}');
    }
    this.#at++;
    if (this.#peek() !== '') throw this.#broken(`nothing may follow the document`);
    if (!this.#hasTasks) throw corrupt('the file is no store of tasks: it has no "tasks"');
  }

  #header(value: unknown): void {
    const { format, generation = 0, writers, meta = {} } = (value ?? {}) as Partial<IndexHeader>;
    if (format !== 1) throw corrupt(`the file has format ${format}, this version reads format 1`);
    if (!Number.isSafeInteger(generation) || generation < 0 || typeof meta !== 'object' || !meta)
      throw corrupt('the file has a broken "holdfast"');
    this.generation = generation;
    if (Array.isArray(writers)) this.writers = writers;
    this.meta = meta;
  }

  async #tasks(): Promise<void> {
    if (this.#hasTasks) throw this.#broken('"tasks" stands here twice');
    this.#hasTasks = true;
    this.#expect('[');
    let sliceEnd = performance.now() + 8;
    while (this.#peek() !== ']') {
      this.#task();
      this.#separator(']');
      if (performance.now() < sliceEnd) continue;
      await nextTurn();
      sliceEnd = performance.now() + 8;
    }
    this.#at++;
  }

  #task(): void {
    const start = this.#at;
    const end = this.#skipValue();
    const length = end - start;
    const { head, layout } = this.#parse(start, end, length > BYTES_AT_ONCE ? parseLongLine : parseShortLine);
    const key = encodeKey(head.key);
    if (this.#keys.has(key)) throw this.#broken(`task ${JSON.stringify(head.key.taskId)} stands here twice`, start);
    this.#keys.add(key);
    this.#checkLayout(start, end);
    const row = toRow(head, this.#hashes, start, length);
    this.tasks.push({ key, updatedAt: head.updatedAt, row: { ...row, layout: layout ? JSON.stringify(layout) : '' } });
    this.#at = this.#lastEnd = end;
  }

  /** Whether this backend could have written it so: a line for each task. */
  #checkLayout(start: number, end: number): void {
    if (!this.native) return;
    const separated = this.tasks.length === 0 || start === this.#lastEnd + 2;
    const newline = indexOfByte(this.#bytes, NEWLINE, start);
    this.native = separated && this.#bytes[start - 1] === 10 && (newline < 0 || newline >= end);
  }

  #value(): unknown {
    this.#peek();
    const start = this.#at;
    this.#at = this.#skipValue();
    return this.#parse(start, this.#at, (bytes) => JSON.parse(bytes.toString()));
  }

  #parse<T>(start: number, end: number, parse: (bytes: Buffer) => T): T {
    try {
      return parse(this.#bytes.subarray(start, end));
    } catch (error) {
      throw this.#broken((error as Error).message, start, error);
    }
  }

  /** The next character that is no space; '' at the end. */
  #peek(): string {
    while (isSpace(this.#bytes[this.#at])) this.#at++;
    return this.#at < this.#bytes.length ? String.fromCharCode(this.#bytes[this.#at] as number) : '';
  }

  #expect(character: string): void {
    const found = this.#peek();
    if (found !== character) throw this.#broken(`expected ${character}, found ${found || 'the end of the file'}`);
    this.#at++;
    this.#peek();
  }

  /** A comma with something after it, or the closing bracket. */
  #separator(closing: string): void {
    if (this.#peek() === closing) return;
    this.#expect(',');
    if (this.#peek() === closing) throw this.#broken(`expected something between , and ${closing}`);
  }

  #skipValue(): number {
    const end = endOfValue(this.#bytes, this.#at);
    if (end === undefined) throw this.#broken('the file ends in the middle of a value');
    return end;
  }

  #broken(message: string, at = this.#at, cause?: unknown): TaskStoreError {
    let line = 1;
    for (let found = -1; ; line++) {
      found = indexOfByte(this.#bytes, NEWLINE, found + 1);
      if (found < 0 || found >= at) break;
    }
    return new TaskStoreError('STORE_CORRUPT', `line ${line}: ${message}`, cause === undefined ? {} : { cause });
  }
}

interface ScannedLine {
  readonly head: TaskHead;
  readonly layout?: Layout | undefined;
}

function parseShortLine(line: Buffer): ScannedLine {
  return parseForeignLine(line.toString());
}

/** Where all of it would be a longer text than there may be, its items are looked at chunk by chunk. */
function parseLongLine(line: Buffer): ScannedLine {
  const layout = layoutOf(line);
  if (!layout) return parseShortLine(line);
  const prefix = line.toString('utf8', 0, layout.headLength);
  parseForeignLine(`${prefix}}}`);
  const head = parseHead(prefix, layout);
  const { body } = head;
  const items = function* (section: Section) {
    for (const [start, end] of chunks(section, 0, section.count)) yield parseItems(line.subarray(start, end));
  };
  if (layout.history) for (const history of items(layout.history)) check(taskShape, { ...body, history });
  for (const { header, section } of layout.artifacts ?? []) {
    check(taskShape, { ...body, artifacts: [{ ...header, parts: [] }] });
    for (const parts of items(section)) check(taskShape, { ...body, artifacts: [{ parts }] });
  }
  return { head, layout };
}

function corrupt(message: string): TaskStoreError {
  return new TaskStoreError('STORE_CORRUPT', message);
}
