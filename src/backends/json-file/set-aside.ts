import { constants } from 'node:fs';
import { errorCode, type FileSystem, isCorruption, reworded } from './file-system.ts';

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

/** `error` with the names of the file and of its copy in the message, where it tells of corruption. */
export function setAside(fs: FileSystem, file: string, error: unknown): unknown {
  if (!isCorruption(error)) return error;
  const copy = keepAside(fs, file);
  const end = copy ? `, with a copy in ${copy}` : '';
  return reworded(error, (message) => `${file}: ${message}; it is left as it is${end}`);
}
