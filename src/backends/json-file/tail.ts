/** The items of a task that lie somewhere already: in the file, or in changes that are being folded into it. */
import { TaskStoreError } from '../../core/errors.ts';
import type { Message, Part } from '../../core/task.ts';
import { closeLater, type FileSystem, ioError, named, readFully, readFullyAsync } from './file-system.ts';
import { freezeJson } from './freeze.ts';
import { chunks, MARK_STEP, parseItems, type Section } from './section.ts';
import { type Layout, type ParsedTask, parseLine } from './stored-line.ts';

/** Never changes: whoever holds one reads the same items for as long as it likes, each time in an array of their own. */
export interface Tail {
  readonly messageCount: number;
  partCount(slot: number): number;
  messages(from: number, to: number): Message[];
  parts(slot: number, from: number, to: number): Part[];
}

/**
 * One generation of the file, open for reading. Readers may look at a task long after the store moved on to the next
 * generation, so the file is closed when nobody can ask any more.
 */
export class SnapshotFile {
  readonly #fs: FileSystem;
  readonly #fd: number;
  readonly #name: string;
  #lent = false;

  constructor(fs: FileSystem, fd: number, name: string) {
    this.#name = name;
    this.#fs = fs;
    this.#fd = fd;
  }

  /** A task's items, to be read when looked at. */
  tail(line: LineRange, layout: Layout | undefined, counts: readonly number[], parsed?: ParsedTask): StoredTail {
    this.#lent = true;
    return new StoredTail(this, line, layout, counts, parsed);
  }

  size(): number {
    return this.#fs.fstatSync(this.#fd).size;
  }

  /** Reads and parses these bytes. Throws `STORE_CORRUPT` where another program has written over them. */
  parse<T>(start: number, length: number, parse: (bytes: Buffer) => T): T {
    const bytes = this.#read(start, length);
    try {
      return parse(bytes);
    } catch (error) {
      const message = `${this.#name}: another program has written over it: no task can be read at byte ${start}`;
      throw new TaskStoreError('STORE_CORRUPT', message, { cause: error });
    }
  }

  /** Fills `bytes` from there, without blocking the event loop. */
  async readInto(bytes: Buffer, start: number): Promise<void> {
    try {
      await readFullyAsync(this.#fs, this.#fd, bytes, start);
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  #read(start: number, length: number): Buffer {
    try {
      return readFully(this.#fs, this.#fd, start, length);
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  #unreadable(error: unknown): TaskStoreError {
    return ioError(named(this.#name, error), `${this.#name} cannot be read`);
  }

  retire(): void {
    const [fs, fd] = [this.#fs, this.#fd];
    const close = () => void closeLater(fs, fd);
    if (this.#lent) whenUnreachable.register(this, close);
    else close();
  }
}

const whenUnreachable = new FinalizationRegistry<() => void>((close) => close());

interface LineRange {
  readonly offset: number;
  readonly length: number;
}

export class StoredTail implements Tail, LineRange {
  readonly file: SnapshotFile;
  readonly offset: number;
  readonly length: number;
  readonly layout: Layout | undefined;
  readonly messageCount: number;
  /** As of `countsOf`. */
  readonly #counts: readonly number[];
  /** The line as parsed before, for as long as somebody else keeps it alive. */
  #parsed: WeakRef<ParsedTask> | undefined;

  constructor(
    file: SnapshotFile,
    line: LineRange,
    layout: Layout | undefined,
    counts: readonly number[],
    parsed?: ParsedTask,
  ) {
    this.file = file;
    this.offset = line.offset;
    this.length = line.length;
    this.layout = layout;
    this.messageCount = counts[0] ?? 0;
    this.#counts = counts;
    this.#parsed = parsed && new WeakRef(parsed);
  }

  partCount(slot: number): number {
    return this.#counts[slot + 1] ?? 0;
  }

  messages(from: number, to: number): Message[] {
    if (this.layout) return this.#items<Message>(this.layout.history, from, to);
    return this.whole().messages.slice(from, to);
  }

  parts(slot: number, from: number, to: number): Part[] {
    if (this.layout) return this.#items<Part>(this.layout.artifacts?.[slot]?.section, from, to);
    return (this.whole().parts[slot] ?? []).slice(from, to);
  }

  /** All of the task; for lines without a layout. */
  whole(): ParsedTask {
    let parsed = this.#parsed?.deref();
    if (!parsed) {
      parsed = this.file.parse(this.offset, this.length, (bytes) => parseLine(bytes.toString()));
      this.#parsed = new WeakRef(parsed);
    }
    return parsed;
  }

  #items<T>(section: Section | undefined, from: number, to: number): T[] {
    if (!section || from >= to) return [];
    const items: T[] = [];
    for (const [start, end] of chunks(section, from, to)) {
      const read = this.file.parse(this.offset + start, end - start, (bytes) => freezeJson(parseItems(bytes)));
      for (const item of read) items.push(item as T);
    }
    const skipped = from % MARK_STEP;
    return items.slice(skipped, skipped + to - from);
  }
}

/** Messages of a tail, where there is one, and of those appended to it since; in an array of the caller's own. */
export function joinMessages(
  base: Tail | undefined,
  appended: readonly Message[],
  from: number,
  to: number,
): Message[] {
  if (!base) return appended.slice(from, to);
  return joinItems((a, b) => base.messages(a, b), base.messageCount, appended, from, to);
}

/** The same of the parts in a slot. */
export function joinParts(
  base: Tail | undefined,
  slot: number,
  appended: readonly Part[] = [],
  from: number,
  to: number,
): Part[] {
  if (!base) return appended.slice(from, to);
  return joinItems((a, b) => base.parts(slot, a, b), base.partCount(slot), appended, from, to);
}

function joinItems<T>(
  stored: (from: number, to: number) => T[],
  storedCount: number,
  appended: readonly T[],
  from: number,
  to: number,
): T[] {
  if (from >= storedCount) return appended.slice(from - storedCount, Math.max(0, to - storedCount));
  if (to <= storedCount) return stored(from, to);
  return stored(from, storedCount).concat(appended.slice(0, to - storedCount));
}
