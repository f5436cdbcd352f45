/** A JSON file as a store's ground; see `jsonFile`. */
import { TaskStoreError } from '../core/errors.ts';
import type { Backend, BackendContext, BackendFactory } from './backend.ts';
import { errorCode, type FileSystem, realFileSystem } from './json-file/file-system.ts';
import { JsonFileBackend } from './json-file/json-file-backend.ts';
import type { JsonFileSettings } from './json-file/open-file.ts';
import { prepareFile } from './json-file/paths.ts';
import { ReadOnlyJsonFile } from './json-file/read-only.ts';

const MEBIBYTE = 1024 * 1024;

/** How the system, and Node where it runs with `--permission`, say that something is not allowed. */
const DENIALS = ['EACCES', 'EPERM', 'EROFS', 'ERR_ACCESS_DENIED'];

export interface JsonFileOptions {
  /**
   * Reads the file as it is when it is opened, whoever else has it open; nothing on the disk is changed. To see more, open it
   * anew.
   * @default false
   */
  readonly readOnly?: boolean | undefined;
  /** @internal The file operations to use; for tests that make them fail. */
  readonly fs?: FileSystem | undefined;
  /**
   * @internal The journal is folded into the file when it is larger than the file, but not before it has this size, in bytes;
   * and when it has `foldAt`, however large the file is: what it holds is held in memory too. @default 8 MiB
   */
  readonly foldFrom?: number | undefined;
  /** @internal @default 32 MiB */
  readonly foldAt?: number | undefined;
}

/**
 * A backend that keeps tasks in one plain JSON file, a task a line, for one process at a time.
 *
 * While the store is open, `<path>.journal.<n>` beside the file holds the newest changes and `<path>.lock` tells others that it is
 * in use. After `close()` the file alone is complete; `<path>.index` may be deleted at any time, it only makes opening faster.
 *
 * @example
 * const store = await openTaskStore({ backend: jsonFile(), path: 'data/tasks.json' });
 */
export function jsonFile(options: JsonFileOptions = {}): BackendFactory {
  const { readOnly = false, fs = realFileSystem, foldFrom = 8 * MEBIBYTE, foldAt = 32 * MEBIBYTE } = options;
  return {
    kind: 'json-file',
    unsuitable,
    open: (context) =>
      unlessDenied(readOnly ? openReadOnly(fileOf(context), fs) : openForWriting(context, { fs, foldFrom, foldAt })),
  };
}

function fileOf({ path, name }: BackendContext): string {
  return path ?? `${name}.json`;
}

async function openReadOnly(path: string, fs: FileSystem): Promise<Backend> {
  return ReadOnlyJsonFile.open(prepareFile(path, false), fs);
}

async function openForWriting(
  context: BackendContext,
  internals: Omit<JsonFileSettings, 'durability'>,
): Promise<Backend> {
  const file = prepareFile(fileOf(context), true);
  return JsonFileBackend.open(file, { durability: context.durability ?? 'strict', ...internals });
}

/** A place that may not be used, or that nobody may write to, is storage that is denied; the disk has not failed. */
async function unlessDenied(opening: Promise<Backend>): Promise<Backend> {
  try {
    return await opening;
  } catch (error) {
    const { code, message, cause } = error as TaskStoreError;
    if (code !== 'IO_ERROR' || !DENIALS.includes(errorCode(cause) ?? '')) throw error;
    throw new TaskStoreError('STORE_UNAVAILABLE', message, { cause });
  }
}

function unsuitable(): string | undefined {
  if (typeof process === 'undefined' || !process.versions?.node)
    return 'no file system here, that needs Node, Bun or Deno';
  if ((process as { type?: string }).type === 'renderer') return 'an Electron window keeps its tasks in IndexedDB';
  return undefined;
}
