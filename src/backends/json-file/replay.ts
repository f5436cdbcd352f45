import { TaskStoreError, toTaskStoreError } from '../../core/errors.ts';
import { errorCode, type FileSystem } from './file-system.ts';
import { freezeJson } from './freeze.ts';
import { loadJournal, type ReadJournal, readJournal, writerOf } from './journal-reader.ts';
import { decodeKey, type JournalHeader, type JournalRecord, toChange } from './journal-record.ts';
import { journalGenerations, journalPath } from './paths.ts';
import { KeysByNumber } from './task-numbers.ts';
import type { TaskTable } from './task-table.ts';

interface Replayed {
  /** Journals that hold changes since the file was written, in order; the last one is to be gone on in. */
  readonly journals: readonly (ReadJournal & { readonly generation: number })[];
  /** Journals that the file holds already. */
  readonly stale: readonly number[];
  /** Whether they hold values beside the tasks. */
  readonly metaChanged: boolean;
}

/** Brings the table to where the journals leave it. Changes no file, but for what `onError` does about a journal's error. */
export async function replay(
  fs: FileSystem,
  file: string,
  table: TaskTable,
  meta: Map<string, unknown>,
  onError: (journal: string, error: unknown) => unknown,
): Promise<Replayed> {
  const { generation: first, writers } = table.snapshot.index.header;
  const generations = journalGenerations(fs, file);
  const stale = generations.filter((generation) => generation < first);
  let metaChanged = false;
  for (const generation of stale) {
    const journal = journalPath(file, generation);
    const writer = writers && writerOf(loadJournal(fs, journal));
    // The file is a later one, but not of these changes: a copy from another machine, where the store went on without them.
    if (writer && !writers.includes(writer)) throw onError(journal, foreign(first));
  }
  const journals: (ReadJournal & { generation: number })[] = [];
  const fresh = generations
    .slice(stale.length)
    .map((generation) => ({ generation, journal: journalPath(file, generation) }));
  // The newest first: while another process writes, one that has changes proves that those before it get no more.
  const loaded = fresh.toReversed().map(({ journal }) => loadJournal(fs, journal));
  for (const { generation, journal } of fresh) {
    const bytes = loaded.pop() as Buffer;
    const keys = new KeysByNumber();
    const before = journals.at(-1);
    const expected = before ? before.generation + 1 : first;
    const fits = ({ of }: JournalHeader) =>
      generation === expected && (generation > first || !of || !writers || of === writers.at(-1));
    try {
      const read = await readJournal(bytes, generation, (record, header) => {
        // A journal is created while changes still go to the one before, but takes none until all of those are on the disk.
        if (before?.cut) throw new TaskStoreError('STORE_CORRUPT', 'the journal before this one has lost its end');
        if (!fits(header)) throw foreign(first);
        metaChanged ||= 'meta' in record;
        applyRecord(table, meta, keys, record);
      });
      // Whoever could not go on in one may have left it, and removed the one before.
      if (read && fits(read.header)) journals.push({ generation, ...read });
      else stale.push(generation);
    } catch (error) {
      // A disk that could not be read says nothing of what is on it.
      if (errorCode(error) !== undefined && !(error instanceof TaskStoreError)) throw error;
      throw onError(journal, toTaskStoreError(error, 'STORE_CORRUPT', 'the journal does not fit its file'));
    }
  }
  return { journals, stale, metaChanged };
}

function foreign(generation: number): TaskStoreError {
  return new TaskStoreError(
    'STORE_CORRUPT',
    `the journal belongs to another file, not to this one of generation ${generation}: put that back, or move the journal away to do without its changes`,
  );
}

function applyRecord(table: TaskTable, meta: Map<string, unknown>, keys: KeysByNumber, record: JournalRecord): void {
  if ('meta' in record) {
    setMeta(meta, record.meta, freezeJson(record.value));
    return;
  }
  if ('journal' in record) throw new TaskStoreError('STORE_CORRUPT', 'the journal has two beginnings');
  const name = keys.keyOf(record);
  const found = table.find(name);
  if ('removed' in record) {
    if (found) table.apply(table.writableEntry(found), 'remove');
    return;
  }
  const key = found?.head.key ?? decodeKey(name);
  const change = toChange(freezeJson(record), key, found?.head);
  if (!change) {
    throw new TaskStoreError(
      'STORE_CORRUPT',
      `a change of task ${JSON.stringify(key.taskId)}, which is not in the file`,
    );
  }
  table.apply(found ? table.writableEntry(found) : table.create(name, change.head), change);
}

/** Undefined is the absence of a value. */
export function setMeta(meta: Map<string, unknown>, name: string, value: unknown): void {
  if (value === undefined) meta.delete(name);
  else meta.set(name, value);
}
