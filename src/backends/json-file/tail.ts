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

/** The stretches that an answer's items come from, which stay in memory for as long as the answer does. */
const stretchesOf = new WeakMap<readonly unknown[], readonly unknown[][]>();

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
  /** Stretches of it as parsed before, by where they lie, for as long as an answer holds them: who watches reads all again and again. */
  readonly #stretches = new Map<string, WeakRef<unknown[]>>();

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
    const stretches = Array.from(chunks(section, from, to), ([start, end]) => this.#stretch<T>(start, end));
    const skipped = from % MARK_STEP;
    const items = ([] as T[]).concat(...stretches).slice(skipped, skipped + to - from);
    stretchesOf.set(items, stretches);
    return items;
  }

  #stretch<T>(start: number, end: number): T[] {
    const place = `${start}-${end}`;
    let items = this.#stretches.get(place)?.deref() as T[] | undefined;
    if (!items) {
      items = this.file.parse(this.offset + start, end - start, (bytes) => freezeJson(parseItems(bytes))) as T[];
      this.#stretches.set(place, new WeakRef(items));
    }
    return items;
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
  const items = stored(from, Math.min(to, storedCount));
  for (const item of appended.slice(0, Math.max(0, to - storedCount))) items.push(item);
  return items;
}
