import type { TaskStoreError } from '../../core/errors.ts';
import {
  closeLater,
  type FileSystem,
  ioError,
  openBeside,
  removeLater,
  syncAsync,
  syncFolder,
  writeFully,
} from './file-system.ts';
import { frameSpace, putFrame } from './journal-frame.ts';
import type { JournalHeader, TaskRef } from './journal-record.ts';
import { journalPath } from './paths.ts';
import { type Numbered, TaskNumbers } from './task-numbers.ts';

/**
 * Space reserved ahead with zeros: a sync that need not also record a new file size is faster by a fifth, and what lies before its
 * end can be written without hiding that another program has cut the file off.
 */
const RESERVE = 256 * 1024;

/** A buffer larger than this is not kept. */
const LARGE = 4 * 1024 * 1024;

/** Records that take more than this together get a line each: a reader makes one text of a line, and texts have a limit. */
const LONGEST_LINE = 64 * 1024 * 1024;

/** How long it goes on, in ms, until it is looked at again. */
const LOOK_MS = 1000;

const NEWLINE = Buffer.from('\n');

/** One journal file, open for writing: the changes since one generation of the file. */
export class Journal {
  readonly generation: number;
  readonly file: string;
  /** Where the next record goes. */
  end: number;
  /** Up to here it is known to be on the disk. */
  synced: number;
  /** A sync failed, so that what the disk holds is not known any more, and no later sync would tell; or it is not there any more. */
  broken = false;
  readonly #fs: FileSystem;
  readonly #fd: number;
  readonly #reserves: boolean;
  readonly #links: number;
  #lookAt = performance.now() + LOOK_MS;
  #reserved: number;
  #saidSynced = -1;
  #numbers = new TaskNumbers();
  #buffer = Buffer.allocUnsafe(64 * 1024);

  constructor(fs: FileSystem, fd: number, file: string, generation: number, end: number, reserves: boolean) {
    this.#fs = fs;
    this.#fd = fd;
    this.#reserves = reserves;
    this.#reserved = end;
    this.#links = fs.fstatSync(fd).nlink;
    this.file = file;
    this.generation = generation;
    this.end = end;
    this.synced = end;
    if (reserves) this.#reserve();
  }

  /** A new journal of this file, on the disk when this resolves. */
  static async create(
    fs: FileSystem,
    beside: string,
    header: Omit<JournalHeader, 'journal'>,
    reserves: boolean,
  ): Promise<Journal> {
    const { generation } = header;
    const file = journalPath(beside, generation);
    // Though its file may only be read: whoever comes after a crash goes on in it.
    const fd = openBeside(fs, beside, file, 'w+', 0o600);
    try {
      const records = [JSON.stringify({ journal: 1, ...header } satisfies JournalHeader)];
      const line = Buffer.alloc(frameSpace(records));
      const length = putFrame(line, records, 0);
      writeFully(fs, fd, line.subarray(0, length), 0);
      // From here on it is known how it was: others may remove it at once.
      const journal = new Journal(fs, fd, file, generation, length, reserves);
      await syncAsync(fs, fd);
      await syncFolder(fs, file);
      return journal;
    } catch (error) {
      fs.closeSync(fd);
      throw error;
    }
  }

  /** Goes on in a journal that was read up to `end`; what lies behind it is cut off first. */
  static resume(fs: FileSystem, file: string, generation: number, end: number, reserves: boolean): Journal {
    const fd = fs.openSync(file, 'r+');
    try {
      fs.ftruncateSync(fd, end);
      writeFully(fs, fd, NEWLINE, end - 1);
      fs.fsyncSync(fd);
      return new Journal(fs, fd, file, generation, end, reserves);
    } catch (error) {
      fs.closeSync(fd);
      throw error;
    }
  }

  /** Appends records, as one line unless they are very long; after a failure the journal is as it was. */
  write(records: readonly string[]): void {
    const start = this.end;
    try {
      if (records.length === 1 || frameSpace(records) <= LONGEST_LINE) this.#writeLine(records);
      else for (const record of records) this.#writeLine([record]);
    } catch (error) {
      this.cutTo(start);
      throw ioError(error, `the change could not be written to ${this.file}`);
    }
    if (this.#buffer.length > LARGE) this.#buffer = Buffer.allocUnsafe(64 * 1024);
    if (this.#reserves && this.#reserved - this.end < RESERVE / 16) this.#reserve();
  }

  #writeLine(records: readonly string[]): void {
    const space = frameSpace(records);
    // Node writes no text into a buffer of more than 2 GiB, and says nothing.
    if (space > this.#buffer.length) this.#buffer = Buffer.allocUnsafe(space > LARGE ? space : 2 * space);
    if (this.#reserves && this.end + space > this.#reserved) this.broken ||= this.isGone();
    const length = putFrame(this.#buffer, records, this.synced === this.#saidSynced ? undefined : this.synced);
    this.#saidSynced = this.synced;
    const written = this.#fs.writeSync(this.#fd, this.#buffer, 0, length, this.end);
    if (written < length) writeFully(this.#fs, this.#fd, this.#buffer.subarray(written, length), this.end + written);
    this.end += length;
  }

  /** Whether it is broken. Looks now and then whether another program has removed it, or cut it off. */
  isBroken(): boolean {
    const now = performance.now();
    if (!this.broken && now >= this.#lookAt) {
      this.#lookAt = now + LOOK_MS;
      this.broken = this.isGone();
    }
    return this.broken;
  }

  /** Whether another program has removed it, or cut it off. */
  isGone(): boolean {
    try {
      const { nlink, size } = this.#fs.fstatSync(this.#fd);
      return nlink < this.#links || size < Math.max(this.#reserved, this.end);
    } catch {
      return true;
    }
  }

  /** Brings to the disk what was written before the call. */
  sync(): Promise<void> {
    const end = this.end;
    return new Promise((resolve, reject) => {
      this.#fs.fdatasync(this.#fd, (error) => {
        if (error) return reject(this.#failSync(error));
        this.synced = Math.max(this.synced, end);
        resolve();
      });
    });
  }

  /** As `sync`, at once. */
  syncNow(): void {
    try {
      this.#fs.fdatasyncSync(this.#fd);
      this.synced = this.end;
    } catch (error) {
      throw this.#failSync(error);
    }
  }

  close(): void {
    this.#fs.closeSync(this.#fd);
  }

  /** Ends it and its file: the changes are in the file itself. One that cannot be removed is by the next opening. */
  async remove(): Promise<void> {
    await closeLater(this.#fs, this.#fd);
    await removeLater(this.#fs, this.file).catch(() => {});
  }

  /** What the journal calls a task: its key and a number at first, from then on the number alone. */
  refOf(task: Numbered, key: string): TaskRef {
    return this.#numbers.of(task, key);
  }

  /** Forgets what was written behind `end`, and every number that may have been given there. */
  cutTo(end: number): void {
    this.end = end;
    this.#saidSynced = -1;
    this.#numbers = new TaskNumbers(this.#numbers.given);
    try {
      this.#fs.ftruncateSync(this.#fd, end);
      this.#reserved = end;
      // Changes may go on in another journal, which would be no proof that this one was written whole.
      if (!this.broken) this.#fs.fdatasyncSync(this.#fd);
    } catch {
      // Half a record may stand at the end now: nothing may be written behind it.
      this.broken = true;
    }
  }

  #failSync(error: unknown): TaskStoreError {
    this.broken = true;
    return ioError(error, `the change could not be brought to the disk, into ${this.file}`);
  }

  #reserve(): void {
    const from = Math.max(this.#reserved, this.end);
    this.broken ||= this.isGone();
    try {
      this.#reserved = from + this.#fs.writeSync(this.#fd, zeros, 0, zeros.length, from);
    } catch {
      // Everything works as well without.
    }
  }
}

const zeros = Buffer.alloc(RESERVE);
