import { mkdirSync, readlinkSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { TaskStoreError } from '../../core/errors.ts';
import { errorCode, type FileSystem, ioError } from './file-system.ts';

/** The file's full path, links followed: what takes its place must not take a link's. Its folder is made. */
export function prepareFile(given: string, create: boolean): string {
  if (typeof given !== 'string' || given === '' || given.includes('\0')) throw unusable(given, 'is no path');
  const file = path.resolve(given);
  try {
    if (create) mkdirSync(path.dirname(file), { recursive: true });
    return realpathSync(file);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw unusable(file, `cannot be used (${(error as Error).message})`, error);
    const target = linkedFrom(file);
    return target === undefined ? file : prepareFile(target, create);
  }
}

/** Where a link leads, though nothing is there yet. One that leads to itself has been found out before. */
function linkedFrom(file: string): string | undefined {
  try {
    return path.resolve(realpathSync(path.dirname(file)), readlinkSync(file));
  } catch {
    return undefined;
  }
}

function unusable(file: string, why: string, cause?: unknown): TaskStoreError {
  const code = cause === undefined ? 'STORE_UNAVAILABLE' : 'IO_ERROR';
  return new TaskStoreError(code, `the file ${JSON.stringify(file)} ${why}`, cause === undefined ? {} : { cause });
}

export function journalPath(file: string, generation: number): string {
  return `${file}.journal.${generation}`;
}

/** The generations that there are journals of, in order. */
export function journalGenerations(fs: FileSystem, file: string): number[] {
  const prefix = `${path.basename(file)}.journal.`;
  let names: string[];
  try {
    names = fs.readdirSync(path.dirname(file));
  } catch (error) {
    throw ioError(error, `the folder of ${file} cannot be read`);
  }
  return names
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => a - b);
}
