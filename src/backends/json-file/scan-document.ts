/**
 * Reads a file that has no index to trust: one whose index is lost, or that people or other programs wrote. Any JSON of
 * the right shape will do, however it is laid out; a task that is none is reported with its line.
 */
import { isUtf8 } from 'node:buffer';
import { TaskStoreError } from '../../core/errors.ts';
import { encodeKey } from '../../core/head.ts';
import { compareNewest } from '../../core/query.ts';
import { crc32 } from './crc32.ts';
import { nextTurn } from './file-system.ts';
import { toRow } from './fold.ts';
import { IndexBuilder } from './index-builder.ts';
import { parseForeignLine } from './stored-line.ts';
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
    const parsed = this.#parse(start, end, parseForeignLine);
    const key = encodeKey(parsed.head.key);
    if (this.#keys.has(key))
      throw this.#broken(`task ${JSON.stringify(parsed.head.key.taskId)} stands here twice`, start);
    this.#keys.add(key);
    this.#checkLayout(start, end);
    const row = toRow(parsed.head, this.#hashes, start, end - start);
    this.tasks.push({ key, updatedAt: parsed.head.updatedAt, row: { ...row, layout: '' } });
    this.#at = this.#lastEnd = end;
  }

  /** Whether this backend could have written it so: a line for each task. */
  #checkLayout(start: number, end: number): void {
    if (!this.native) return;
    const separated = this.tasks.length === 0 || start === this.#lastEnd + 2;
    const newline = this.#bytes.indexOf(10, start);
    this.native = separated && this.#bytes[start - 1] === 10 && (newline < 0 || newline >= end);
  }

  #value(): unknown {
    this.#peek();
    const start = this.#at;
    this.#at = this.#skipValue();
    return this.#parse(start, this.#at, JSON.parse);
  }

  #parse<T>(start: number, end: number, parse: (text: string) => T): T {
    try {
      return parse(this.#bytes.toString('utf8', start, end));
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

  /** Where the value that begins here ends; whether it is JSON is the parser's to say. */
  #skipValue(): number {
    const bytes = this.#bytes;
    let depth = 0;
    for (let at = this.#at; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte === QUOTE) at = this.#stringEnd(at);
      else if (byte === 0x7b || byte === 0x5b) depth++;
      else if (byte === 0x7d || byte === 0x5d) depth--;
      else if (byte !== COMMA && byte !== COLON && !isSpace(byte)) continue;
      if (depth > 0) continue;
      // A closing bracket or a separator that is not this value's own ends a number or a word.
      return depth < 0 || byte === COMMA || byte === COLON || isSpace(byte) ? at : at + 1;
    }
    throw this.#broken('the file ends in the middle of a value');
  }

  #stringEnd(start: number): number {
    for (let at = start + 1; ; at++) {
      at = this.#bytes.indexOf(QUOTE, at);
      if (at < 0) throw this.#broken('a text has no end');
      let slashes = 0;
      while (this.#bytes[at - 1 - slashes] === BACKSLASH) slashes++;
      if (slashes % 2 === 0) return at;
    }
  }

  #broken(message: string, at = this.#at, cause?: unknown): TaskStoreError {
    let line = 1;
    for (let found = this.#bytes.indexOf(10); found >= 0 && found < at; found = this.#bytes.indexOf(10, found + 1))
      line++;
    return new TaskStoreError('STORE_CORRUPT', `line ${line}: ${message}`, cause === undefined ? {} : { cause });
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;

function isSpace(byte: number | undefined): boolean {
  return byte === 32 || byte === 10 || byte === 13 || byte === 9;
}

function corrupt(message: string): TaskStoreError {
  return new TaskStoreError('STORE_CORRUPT', message);
}
