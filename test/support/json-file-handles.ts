/** File operations of which one fails, and the files that are open under them. */
import nodeFs from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { FileSystem } from '../../src/backends/json-file/file-system.ts';

/** All but closing: a file that could not be closed is of no concern to anybody here. */
const fallible = [
  'openSync',
  'fstatSync',
  'readSync',
  'read',
  'writeSync',
  'write',
  'ftruncateSync',
  'fsync',
  'fsyncSync',
  'fdatasync',
  'fdatasyncSync',
  'renameSync',
  'unlink',
  'unlinkSync',
  'readdirSync',
  'copyFileSync',
] as const satisfies (keyof FileSystem)[];

type Operation = (...args: unknown[]) => unknown;

export interface WatchedFiles {
  readonly fs: FileSystem;
  /** The paths of the files that are open. */
  readonly open: () => string[];
  /** Whether the operation that was to fail was met. */
  readonly hasFailed: () => boolean;
}

/** Of the operations that `concerns` tells of, the one with the number `failing` fails, counted from 0. */
export function watchedFiles(failing = -1, concerns = (_operation: string, _path: string) => true): WatchedFiles {
  const paths = new Map<number, string>();
  let calls = 0;
  const fs: Record<string, unknown> = { ...nodeFs };
  for (const name of fallible) {
    const operation = nodeFs[name] as Operation;
    fs[name] = (...args: unknown[]) => {
      const [file] = args;
      const path = typeof file === 'number' ? (paths.get(file) ?? '') : String(file);
      if (concerns(name, path) && calls++ === failing) {
        const error = Object.assign(new Error('EIO: simulated'), { code: 'EIO' });
        const callback = args.at(-1);
        if (typeof callback !== 'function') throw error;
        return setImmediate(() => callback(error));
      }
      const result = operation(...args);
      if (name === 'openSync') paths.set(result as number, path);
      return result;
    };
  }
  fs.closeSync = (fd: number) => {
    paths.delete(fd);
    nodeFs.closeSync(fd);
  };
  fs.close = (fd: number, done: () => void) => {
    paths.delete(fd);
    nodeFs.close(fd, done);
  };
  return { fs: fs as unknown as FileSystem, open: () => [...paths.values()], hasFailed: () => calls > failing };
}

/** Writes to the file wait until they are let go; those to the journal are made at once. */
export function heldWrites(): { readonly fs: FileSystem; readonly held: readonly unknown[]; letGo(): void } {
  const held: (() => void)[] = [];
  let holds = true;
  const write = (...args: unknown[]) => {
    const done = () => (nodeFs.write as Operation)(...args);
    if (holds) held.push(() => void done());
    else done();
  };
  const letGo = () => {
    holds = false;
    for (const done of held) done();
  };
  return { fs: { ...nodeFs, write } as unknown as FileSystem, held, letGo };
}

/** Lets go of everything that nobody can reach any more: files from which tasks were handed out are closed only then. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}
