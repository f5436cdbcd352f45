/**
 * A disk under the file operations of a store: it can run out of space, fail to sync, and lose its power. What is done is
 * done to real files at once, as the page cache does; what a power cut would leave is kept track of beside them.
 */
import nodeFs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { FileSystem } from '../../src/backends/json-file/file-system.ts';
import { newFolder } from './places.ts';

const SECTOR = 512;

interface Write {
  readonly at: number;
  readonly bytes: Buffer;
}

/** What of a file is on the disk, and what was done to it since. */
interface Contents {
  durable: Buffer;
  since: (Write | { readonly truncate: number })[];
}

export class SimulatedDisk {
  /** Bytes that may still be written. */
  space = Number.POSITIVE_INFINITY;
  failSync = false;
  /** Called before whatever changes something, with what it is. */
  onChange: (what: string, file: string) => void = () => {};
  readonly fs: FileSystem;
  readonly #open = new Map<number, { path: string; contents: Contents }>();
  readonly #files = new Map<string, Contents>();
  #durableNames = new Map<string, Contents>();

  constructor() {
    this.fs = { ...nodeFs, ...this.#operations() };
  }

  /**
   * What the power cut leaves, in a folder of its own: all that was synced; of the rest, some sectors and not others. `random`
   * answers numbers from 0 up to, but not including, 1.
   */
  cutPower(file: string, random: () => number): string {
    const folder = newFolder();
    // Of what changed about names since the folder was synced, any may have happened and any not.
    for (const path of new Set([...this.#durableNames.keys(), ...this.#files.keys()])) {
      const contents = (random() < 0.5 ? this.#durableNames : this.#files).get(path);
      if (!contents || dirname(path) !== dirname(file)) continue;
      const { durable, since } = contents;
      nodeFs.writeFileSync(
        join(folder, basename(path)),
        since.reduce((bytes, done) => survive(bytes, done, random), durable),
      );
    }
    return join(folder, basename(file));
  }

  #operations(): Partial<FileSystem> {
    const sync = (fd: number, done: number) => {
      const opened = this.#open.get(fd);
      if (!opened) {
        this.#durableNames = new Map(this.#files);
        return;
      }
      const { contents } = opened;
      contents.durable = contents.since
        .slice(0, done)
        .reduce((bytes, write) => survive(bytes, write, () => 0), contents.durable);
      contents.since = contents.since.slice(done);
    };
    const pendingOf = (fd: number) => this.#open.get(fd)?.contents.since.length ?? 0;
    const fail = (code: string) => Object.assign(new Error(`${code}: simulated`), { code });
    const syncNow = (fd: number) => {
      this.onChange('sync', this.#open.get(fd)?.path ?? '');
      if (this.failSync) throw fail('EIO');
      sync(fd, pendingOf(fd));
    };
    const syncLater = (fd: number, callback: nodeFs.NoParamCallback) => {
      this.onChange('sync', this.#open.get(fd)?.path ?? '');
      const pending = pendingOf(fd);
      setImmediate(() => {
        if (this.failSync) return callback(fail('EIO'));
        sync(fd, pending);
        callback(null);
      });
    };
    const writeSync = (fd: number, bytes: Uint8Array, offset: number, length: number, at: number) => {
      const { path, contents } = this.#open.get(fd) as { path: string; contents: Contents };
      this.onChange('write', path);
      const room = Math.min(length, this.space);
      if (room <= 0) throw fail('ENOSPC');
      this.space -= room;
      contents.since.push({ at, bytes: Buffer.from(bytes.subarray(offset, offset + room)) });
      return nodeFs.writeSync(fd, bytes, offset, room, at);
    };
    const unlinkSync = (path: nodeFs.PathLike) => {
      this.onChange('remove', String(path));
      nodeFs.unlinkSync(path);
      this.#files.delete(String(path));
    };
    return {
      openSync: ((path: string, flags: string, mode?: number) => {
        if (flags !== 'r') this.onChange('open', path);
        const fd = nodeFs.openSync(path, flags, mode);
        if (nodeFs.fstatSync(fd).isDirectory()) return fd;
        let contents = this.#files.get(path);
        if (!contents || flags.startsWith('w')) {
          contents = { durable: flags.startsWith('w') ? Buffer.alloc(0) : nodeFs.readFileSync(path), since: [] };
          this.#files.set(path, contents);
        }
        this.#open.set(fd, { path, contents });
        return fd;
      }) as FileSystem['openSync'],
      closeSync: (fd) => {
        this.#open.delete(fd);
        nodeFs.closeSync(fd);
      },
      writeSync: writeSync as FileSystem['writeSync'],
      write: ((
        fd: number,
        bytes: Buffer,
        offset: number,
        length: number,
        at: number,
        callback: (e: unknown, n: number) => void,
      ) => {
        setImmediate(() => {
          let count = 0;
          try {
            count = writeSync(fd, bytes, offset, length, at);
          } catch (error) {
            return callback(error, 0);
          }
          callback(null, count);
        });
      }) as unknown as FileSystem['write'],
      close: ((fd: number, callback: nodeFs.NoParamCallback) => {
        this.#open.delete(fd);
        nodeFs.close(fd, callback);
      }) as unknown as FileSystem['close'],
      ftruncateSync: (fd, length = 0) => {
        this.onChange('truncate', this.#open.get(fd)?.path ?? '');
        this.#open.get(fd)?.contents.since.push({ truncate: length ?? 0 });
        nodeFs.ftruncateSync(fd, length);
      },
      fsyncSync: syncNow,
      fdatasyncSync: syncNow,
      fsync: syncLater as FileSystem['fsync'],
      fdatasync: syncLater as FileSystem['fdatasync'],
      renameSync: (from, to) => {
        this.onChange('rename', String(from));
        nodeFs.renameSync(from, to);
        this.#files.set(String(to), this.#files.get(String(from)) as Contents);
        this.#files.delete(String(from));
      },
      unlinkSync,
      unlink: ((path: string, callback: (error: unknown) => void) => {
        setImmediate(() => {
          try {
            unlinkSync(path);
          } catch (error) {
            return callback(error);
          }
          callback(null);
        });
      }) as unknown as FileSystem['unlink'],
    };
  }
}

/** Applies what was done, or so much of it as reached the disk: a sector is there or not, for each draw under a half. */
function survive(before: Buffer, done: Contents['since'][number], random: () => number): Buffer {
  if ('truncate' in done) return random() < 0.5 ? resized(before, done.truncate) : before;
  const { at, bytes } = done;
  let after = before;
  for (let from = 0; from < bytes.length; ) {
    const to = Math.min(bytes.length, from + SECTOR - ((at + from) % SECTOR));
    if (random() < 0.5) {
      if (after === before || at + to > after.length) after = resized(after, Math.max(after.length, at + to));
      bytes.copy(after, at + from, from, to);
    }
    from = to;
  }
  return after;
}

function resized(bytes: Buffer, length: number): Buffer {
  const result = Buffer.alloc(length);
  bytes.copy(result, 0, 0, length);
  return result;
}
