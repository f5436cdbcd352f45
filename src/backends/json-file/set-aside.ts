import { constants } from 'node:fs';
import { TaskStoreError } from '../../core/errors.ts';
import { errorCode, type FileSystem } from './file-system.ts';

/**
 * Copies a file that cannot be read beside itself, once, and leaves it where it is: the next start must not find an
 * empty place and begin anew. Answers the copy's name.
 */
function keepAside(fs: FileSystem, file: string): string | undefined {
  try {
    const fd = fs.openSync(file, 'r');
    const { mtimeMs, size } = fs.fstatSync(fd);
    fs.closeSync(fd);
    const copy = `${file}.corrupt-${Math.floor(mtimeMs)}-${size}`;
    try {
      fs.copyFileSync(file, copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
    return copy;
  } catch {
    return undefined;
  }
}

/** `error` with the name of the copy in its message, where it tells of corruption. */
export function setAside(fs: FileSystem, file: string, error: unknown): unknown {
  if (!(error instanceof TaskStoreError) || error.code !== 'STORE_CORRUPT') return error;
  const copy = keepAside(fs, file);
  const where = copy ? `; it is left as it is, with a copy in ${copy}` : '; it is left as it is';
  return new TaskStoreError('STORE_CORRUPT', `${file}: ${error.message}${where}`, { cause: error.cause ?? error });
}
