/** What an earlier opening left in a journal, read back. */
import { TaskStoreError } from '../../core/errors.ts';
import { type FileSystem, nextTurn, openExisting, readFully } from './file-system.ts';
import { judgeEnd, readFrame } from './journal-frame.ts';
import type { JournalHeader, JournalRecord } from './journal-record.ts';

export interface ReadJournal {
  /** Where the last intact record ends. */
  readonly end: number;
  /** Whether an unfinished write followed. */
  readonly cut: boolean;
  readonly header: JournalHeader;
}

/** A journal's bytes; none where there is none. */
export function loadJournal(fs: FileSystem, file: string): Buffer {
  const fd = openExisting(fs, file);
  if (fd === undefined) return Buffer.alloc(0);
  try {
    return readFully(fs, fd, 0, fs.fstatSync(fd).size);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Goes through a journal, record by record; answers undefined where it holds nothing, not even its header: its creation was
 * interrupted. Rejects with `STORE_CORRUPT`.
 */
export async function readJournal(
  bytes: Buffer,
  generation: number,
  apply: (record: JournalRecord, header: JournalHeader) => void,
): Promise<ReadJournal | undefined> {
  let at = 0;
  let header: JournalHeader | undefined;
  let sliceEnd = performance.now() + 8;
  for (let found = readFrame(bytes, at); found; found = readFrame(bytes, at)) {
    const record = JSON.parse(found.json) as JournalRecord | readonly JournalRecord[];
    if (!header) header = checkHeader(record as JournalRecord, generation);
    else for (const each of isList(record) ? record : [record]) apply(each, header);
    at = found.next;
    if (performance.now() < sliceEnd) continue;
    await nextTurn();
    sliceEnd = performance.now() + 8;
  }
  const ending = judgeEnd(bytes, at);
  if ('corruptAt' in ending) {
    throw new TaskStoreError(
      'STORE_CORRUPT',
      `the change at byte ${ending.corruptAt} was damaged after it was written`,
    );
  }
  return header && { end: at, cut: ending.cut, header };
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

function checkHeader(record: JournalRecord, generation: number): JournalHeader {
  if (!('journal' in record)) throw new TaskStoreError('STORE_CORRUPT', 'the journal does not begin with its header');
  if (record.journal !== 1 || record.generation !== generation) {
    throw new TaskStoreError('STORE_CORRUPT', `the journal says that it is of generation ${record.generation}`);
  }
  return record;
}

/** Who began a journal, where it says so and holds changes. */
export function writerOf(bytes: Buffer): string | undefined {
  const header = readFrame(bytes, 0);
  if (!header || !readFrame(bytes, header.next)) return undefined;
  return (JSON.parse(header.json) as JournalHeader).writer;
}
