import type { Stats } from 'node:fs';
import { type Adapter, Low } from 'lowdb';
import { TaskStoreError } from '../../core/errors.ts';
import { crc32 } from './crc32.ts';
import {
  type FileSystem,
  ioError,
  nextTurn,
  openBeside,
  openExisting,
  readFully,
  removeFile,
  renameWithPatience,
  syncAsync,
  syncFolder,
  writeFullyAsync,
} from './file-system.ts';
import { Fold } from './fold.ts';
import { IndexBuilder } from './index-builder.ts';
import { scanDocument } from './scan-document.ts';
import { SlicedWriter } from './sliced-writer.ts';
import { Snapshot } from './snapshot.ts';
import { SnapshotFile } from './tail.ts';
import { TaskIndex } from './task-index.ts';

/** What lowdb keeps in memory of the file: the file as it is, or the one that is to take its place. */
export type FileContents = Snapshot | Fold;

/** What tells a file of ours from what others write. */
interface OwnFile extends Pick<Stats, 'dev' | 'ino' | 'size' | 'mtimeMs'> {
  readonly checksum: number;
}

/**
 * The file under lowdb's `Low`. What lowdb's own adapter lacks: the new file is on the disk, whole, before it takes the
 * old one's place; it is written in slices; and what is read is an index of tasks, not the tasks.
 */
export class TaskFile implements Adapter<FileContents> {
  readonly #fs: FileSystem;
  readonly #file: string;
  #written: Snapshot | undefined;
  /** The file as it was read, or as it was put in its place; undefined where there was none. */
  #own: OwnFile | undefined;
  /** Where a new file is kept that must not replace the one that is there. */
  #kept: string | undefined;
  /** Whether the file was read for want of an index to trust. */
  scanned = false;

  constructor(fs: FileSystem, file: string) {
    this.#fs = fs;
    this.#file = file;
  }

  /** The file's contents; null where there is no file yet. Rejects with `STORE_CORRUPT`. */
  async read(): Promise<Snapshot | null> {
    const written = this.#written;
    this.#written = undefined;
    if (written) return written;
    const fd = openExisting(this.#fs, this.#file);
    if (fd === undefined) return null;
    try {
      const index = this.#readIndex(fd);
      this.scanned = index === undefined;
      const snapshot = new Snapshot(index ?? (await this.#scan(fd)), new SnapshotFile(this.#fs, fd, this.#file));
      const { fileSize, fileTime, fileChecksum } = snapshot.index.header;
      this.#own = { ...this.#fs.fstatSync(fd), size: fileSize, mtimeMs: fileTime, checksum: fileChecksum };
      return snapshot;
    } catch (error) {
      this.#fs.closeSync(fd);
      throw error;
    }
  }

  async write(contents: FileContents): Promise<void> {
    if (!(contents instanceof Fold)) return;
    const fs = this.#fs;
    const temporary = `${this.#file}.tmp`;
    const fd = openBeside(fs, this.#file, temporary, 'w+');
    try {
      const out = new SlicedWriter(fs, fd);
      await contents.write(out);
      await syncAsync(fs, fd);
      const own = { ...fs.fstatSync(fd), checksum: out.checksum };
      await this.#refuseWhenChanged(temporary);
      await renameWithPatience(fs, temporary, this.#file);
      this.#own = own;
      await syncFolder(fs, this.#file);
      const index = contents.finish({ fileSize: own.size, fileTime: own.mtimeMs, fileChecksum: own.checksum });
      this.#written = new Snapshot(index, new SnapshotFile(fs, fd, this.#file));
    } catch (error) {
      fs.closeSync(fd);
      removeQuietly(fs, temporary);
      throw error;
    }
    await this.writeIndex(this.#written.index);
  }

  /**
   * Refuses to replace what another program wrote. If it put a file in the place of ours, all that ours held is in the new one,
   * which is kept under another name. If it wrote into ours, it is not: lines were passed through unread, and may be cut anywhere.
   */
  async #refuseWhenChanged(temporary: string): Promise<void> {
    const change = await this.#changeByOthers();
    if (!change) return;
    let kept = '';
    if (change === 'replaced') {
      this.#kept ??= `${this.#file}.kept-${Date.now()}`;
      await renameWithPatience(this.#fs, temporary, this.#kept);
      kept = `; the store as it would have become is in ${this.#kept}`;
    }
    throw new TaskStoreError(
      'STORE_CORRUPT',
      `${this.#file}: another program has ${change} it while it was open${kept}`,
    );
  }

  /** What another program has done to the file. Removing it does no harm: the new file holds all that it held. */
  async #changeByOthers(): Promise<'changed' | 'replaced' | undefined> {
    const fs = this.#fs;
    const fd = openExisting(fs, this.#file);
    if (fd === undefined) return undefined;
    try {
      const { dev, ino, size, mtimeMs } = fs.fstatSync(fd);
      const own = this.#own;
      const isOwn = dev === own?.dev && ino === own.ino;
      if (isOwn && size === own.size && mtimeMs === own.mtimeMs) return undefined;
      // A file's time and inode may change while its bytes do not: by `touch`, a restored backup, a network file system.
      const isSame =
        size === (own?.size ?? 0) &&
        (await checksumOf(new SnapshotFile(fs, fd, this.#file), size)) === (own?.checksum ?? 0);
      if (isSame) return undefined;
      return isOwn ? 'changed' : 'replaced';
    } finally {
      fs.closeSync(fd);
    }
  }

  /** Whether the file is still the one that this was read from. */
  isCurrent({ index }: Snapshot): boolean {
    const fd = openExisting(this.#fs, this.#file);
    if (fd === undefined) return index.header.fileSize === 0;
    try {
      const { size, mtimeMs } = this.#fs.fstatSync(fd);
      return size === index.header.fileSize && mtimeMs === index.header.fileTime;
    } finally {
      this.#fs.closeSync(fd);
    }
  }

  /** Writes the index beside the file. It can always be made again, so a failure is no loss. */
  async writeIndex(index: TaskIndex): Promise<void> {
    const fs = this.#fs;
    const temporary = `${this.#file}.index.tmp`;
    try {
      const fd = openBeside(fs, this.#file, temporary, 'w');
      try {
        let position = 0;
        let checksum = 0;
        for (const piece of index.toPieces()) {
          checksum = crc32(piece, checksum);
          await writeFullyAsync(fs, fd, piece, position);
          position += piece.length;
          await nextTurn();
        }
        const end = Buffer.alloc(4);
        end.writeUInt32LE(checksum);
        await writeFullyAsync(fs, fd, end, position);
      } finally {
        fs.closeSync(fd);
      }
      await renameWithPatience(fs, temporary, `${this.#file}.index`);
    } catch {
      removeQuietly(fs, temporary);
    }
  }

  /** Undefined where there is no index that can be read and belongs to exactly this file. */
  #readIndex(fd: number): TaskIndex | undefined {
    const { size, mtimeMs } = this.#fs.fstatSync(fd);
    let indexFd: number | undefined;
    try {
      indexFd = this.#fs.openSync(`${this.#file}.index`, 'r');
      const index = TaskIndex.fromBytes(readFully(this.#fs, indexFd, 0, this.#fs.fstatSync(indexFd).size));
      return index?.header.fileSize === size && index.header.fileTime === mtimeMs ? index : undefined;
    } catch {
      return undefined;
    } finally {
      if (indexFd !== undefined) this.#fs.closeSync(indexFd);
    }
  }

  async #scan(fd: number): Promise<TaskIndex> {
    const { size, mtimeMs } = this.#fs.fstatSync(fd);
    const bytes = readFully(this.#fs, fd, 0, size);
    return scanDocument({ bytes, seed: randomSeed(), fileSize: size, fileTime: mtimeMs });
  }
}

/** The file through lowdb; an empty store where there is none. */
export async function readContents(
  adapter: TaskFile,
  file: string,
  db = new Low<FileContents>(adapter, emptySnapshot()),
) {
  try {
    await db.read();
  } catch (error) {
    throw ioError(error, `${file} cannot be read`);
  }
  return db.data as Snapshot;
}

/** Before the first file is written. */
export function emptySnapshot(): Snapshot {
  const header = {
    format: 1,
    generation: 0,
    meta: {},
    other: {},
    native: true,
    fileSize: 0,
    fileTime: 0,
    fileChecksum: 0,
  } as const;
  return new Snapshot(new IndexBuilder(0).finish({ ...header, seed: randomSeed() }), undefined);
}

async function checksumOf(file: SnapshotFile, size: number): Promise<number> {
  const piece = Buffer.allocUnsafe(Math.min(size, 256 * 1024));
  let checksum = 0;
  for (let at = 0; at < size; at += piece.length) {
    const bytes = piece.subarray(0, size - at);
    await file.readInto(bytes, at);
    checksum = crc32(bytes, checksum);
  }
  return checksum;
}

function randomSeed(): number {
  return crypto.getRandomValues(new Int32Array(1))[0] as number;
}

function removeQuietly(fs: FileSystem, file: string): void {
  try {
    removeFile(fs, file);
  } catch {
    // It is only a leftover; the next write begins it anew.
  }
}
