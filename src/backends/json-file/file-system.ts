/** The few file operations that the backend needs, and how their failures are named. */
import nodeFs, { type Stats } from 'node:fs';
import path from 'node:path';
import { setImmediate } from 'node:timers';
import { setTimeout as delay } from 'node:timers/promises';
import { TaskStoreError, toTaskStoreError } from '../../core/errors.ts';

/** What is used of `node:fs`. Tests hand in one of their own, to fail writes and to cut the power. */
export type FileSystem = Pick<
  typeof nodeFs,
  | 'openSync'
  | 'close'
  | 'closeSync'
  | 'fstatSync'
  | 'fchmodSync'
  | 'fchownSync'
  | 'readSync'
  | 'read'
  | 'writeSync'
  | 'write'
  | 'ftruncateSync'
  | 'fsync'
  | 'fsyncSync'
  | 'fdatasync'
  | 'fdatasyncSync'
  | 'renameSync'
  | 'unlink'
  | 'unlinkSync'
  | 'readdirSync'
  | 'copyFileSync'
>;

export const realFileSystem: FileSystem = nodeFs;

export function ioError(error: unknown, message: string): TaskStoreError {
  return toTaskStoreError(error, 'IO_ERROR', `${message} (${(error as Error)?.message ?? error})`);
}

/** `error` with the name of the file in its message, where it tells of corruption. */
export function named(file: string, error: unknown): unknown {
  return reworded(error, (message) => `${file}: ${message}`);
}

export function reworded(error: unknown, reword: (message: string) => string): unknown {
  if (!isCorruption(error)) return error;
  return new TaskStoreError('STORE_CORRUPT', reword(error.message), { cause: error.cause ?? error });
}

export function isCorruption(error: unknown): error is TaskStoreError {
  return error instanceof TaskStoreError && error.code === 'STORE_CORRUPT';
}

export function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

/** Opens a file for reading, or answers undefined where there is none. */
export function openExisting(fs: FileSystem, file: string, flags: 'r' | 'r+' = 'r'): number | undefined {
  try {
    return fs.openSync(file, flags);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Makes a file that stands beside `model`, or is to take its place: with the same permissions, so that a private file stays
 * private, and where we may with the same owner and group, so that a program can still read its file after root, or another
 * of the group, has rewritten it.
 */
export function openBeside(fs: FileSystem, model: string, file: string, flags: 'w' | 'w+', least = 0): number {
  const like = statOf(fs, model);
  const mode = like ? (like.mode & 0o777) | least : 0o666;
  const fd = fs.openSync(file, flags, mode);
  try {
    const own = fs.fstatSync(fd);
    if (like && own.gid !== like.gid) fs.fchownSync(fd, own.uid, like.gid);
    // What the umask took from its group is given to the right one only.
    if (like && (own.mode & 0o777) !== mode) fs.fchmodSync(fd, mode);
    if (like && own.uid !== like.uid) fs.fchownSync(fd, like.uid, like.gid);
  } catch {
    // We may not give it away: it stays ours.
  }
  return fd;
}

function statOf(fs: FileSystem, file: string): Stats | undefined {
  const fd = openExisting(fs, file);
  if (fd === undefined) return undefined;
  try {
    return fs.fstatSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Node cannot read 2 GiB at once. */
const READ = 2 ** 30;

/** Reads exactly these bytes. A file that ends before them is not the one it was taken for. */
export function readFully(fs: FileSystem, fd: number, start: number, length: number): Buffer<ArrayBuffer> {
  const buffer = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const read = fs.readSync(fd, buffer, done, Math.min(length - done, READ), start + done);
    if (read === 0) throw new TaskStoreError('STORE_CORRUPT', `the file ends before byte ${start + length}`);
    done += read;
  }
  return buffer;
}

/** As `readFully`, without blocking the event loop. */
export async function readFullyAsync(fs: FileSystem, fd: number, into: Buffer, start: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const read = await new Promise<number>((resolve, reject) => {
      fs.read(fd, into, done, into.length - done, start + done, (error, count) =>
        error ? reject(error) : resolve(count),
      );
    });
    if (read === 0) throw new TaskStoreError('STORE_CORRUPT', `the file ends before byte ${start + into.length}`);
    done += read;
  }
}

/** Writes all of it: on a full disk a write may come back short, without an error. */
export function writeFully(fs: FileSystem, fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += someWritten(fs.writeSync(fd, bytes, done, bytes.length - done, position + done));
  }
}

export async function writeFullyAsync(fs: FileSystem, fd: number, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const count = await new Promise<number>((resolve, reject) => {
      fs.write(fd, bytes, done, bytes.length - done, position + done, (error, count) =>
        error ? reject(error) : resolve(count),
      );
    });
    done += someWritten(count);
  }
}

/** A loop over short writes must not spin on a disk that takes nothing. */
function someWritten(count: number): number {
  if (count === 0) throw new Error('the disk takes no more bytes');
  return count;
}

export function syncAsync(fs: FileSystem, fd: number): Promise<void> {
  return new Promise((resolve, reject) => fs.fsync(fd, (error) => (error ? reject(error) : resolve())));
}

/** Makes created, renamed and removed names last. Windows has no such call, and needs none. */
export async function syncFolder(fs: FileSystem, file: string): Promise<void> {
  if (process.platform === 'win32') return;
  const fd = fs.openSync(path.dirname(file), 'r');
  try {
    await syncAsync(fs, fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Closes a file that may have no name any more: giving back the space of a large one takes a while. */
export function closeLater(fs: FileSystem, fd: number): Promise<void> {
  return new Promise((resolve) => fs.close(fd, () => resolve()));
}

/** On Windows a virus scanner or an indexer may hold a file for a moment; only the rename is repeated. */
export async function renameWithPatience(fs: FileSystem, from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return fs.renameSync(from, to);
    } catch (error) {
      const passing = process.platform === 'win32' && ['EPERM', 'EBUSY', 'EACCES'].includes(errorCode(error) ?? '');
      if (!passing || attempt === 20) throw error;
      await delay(10 * attempt);
    }
  }
}

export function removeFile(fs: FileSystem, file: string): void {
  try {
    fs.unlinkSync(file);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

/** As `removeFile`, without blocking the event loop. */
export function removeLater(fs: FileSystem, file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.unlink(file, (error) => (error && errorCode(error) !== 'ENOENT' ? reject(error) : resolve()));
  });
}

/** Lets everything else that waits have its turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
