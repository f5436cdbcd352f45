import { randomUUID } from 'node:crypto';
import { Low } from 'lowdb';
import type { Durability } from '../backend.ts';
import { type FileSystem, ioError, removeFile, syncFolder } from './file-system.ts';
import { Journal } from './journal.ts';
import { FileLock } from './lock.ts';
import { journalPath } from './paths.ts';
import { replay } from './replay.ts';
import { setAside } from './set-aside.ts';
import type { Snapshot } from './snapshot.ts';
import { emptySnapshot, type FileContents, readContents, TaskFile } from './task-file.ts';
import { TaskTable } from './task-table.ts';

export interface JsonFileSettings {
  readonly durability: Durability;
  readonly fs: FileSystem;
  /** See `JsonFileOptions`. */
  readonly foldFrom: number;
  readonly foldAt: number;
}

/** What an open file consists of. */
export interface OpenFile extends JsonFileSettings {
  readonly file: string;
  readonly lock: FileLock;
  readonly db: Low<FileContents>;
  readonly table: TaskTable;
  readonly meta: Map<string, unknown>;
  /** In order; changes go to the last. */
  readonly journals: Journal[];
  /** Who wrote what the journals hold: this opening, the last, and those before it that did not come to fold theirs. */
  readonly writers: readonly string[];
  /** Whether the values beside the tasks differ from the file's. */
  readonly metaChanged: boolean;
}

/** Takes the lock, reads the file and replays its journals. Nothing is held when it rejects. */
export async function openFile(file: string, settings: JsonFileSettings): Promise<OpenFile> {
  const { fs, durability } = settings;
  const lock = await acquire(file);
  let snapshot: Snapshot | undefined;
  try {
    const adapter = new TaskFile(fs, file);
    const db = new Low<FileContents>(adapter, emptySnapshot());
    snapshot = await readContents(adapter, file, db).catch((error) => {
      throw setAside(fs, file, error);
    });
    const table = new TaskTable(snapshot);
    const meta = new Map(Object.entries(snapshot.index.header.meta));
    const replayed = await replay(fs, file, table, meta, (journal, error) => setAside(fs, journal, error));
    removeFile(fs, `${file}.tmp`);
    // Whoever wrote the file that holds them may have ended before its name was there to stay.
    if (replayed.stale.length > 0) await syncFolder(fs, file);
    for (const generation of replayed.stale) removeFile(fs, journalPath(file, generation));
    const writer = randomUUID();
    const earlier = replayed.journals.flatMap(({ header }) => header.writer ?? []);
    const writers = [...new Set(earlier), writer];
    const journals = await openJournals(fs, file, snapshot, replayed.journals, writer, durability);
    if (adapter.scanned) await adapter.writeIndex(snapshot.index);
    return { ...settings, file, lock, db, table, meta, journals, writers, metaChanged: replayed.metaChanged };
  } catch (error) {
    snapshot?.retire();
    lock.release();
    throw ioError(error, `${file} cannot be opened`);
  }
}

async function acquire(file: string): Promise<FileLock> {
  try {
    return await FileLock.acquire(file);
  } catch (error) {
    throw ioError(error, `${file} cannot be locked`);
  }
}

async function openJournals(
  fs: FileSystem,
  file: string,
  snapshot: Snapshot,
  found: readonly { readonly generation: number; readonly end: number }[],
  writer: string,
  durability: Durability,
): Promise<Journal[]> {
  const reserves = durability === 'strict';
  if (found.length === 0) {
    const { generation, writers } = snapshot.index.header;
    return [await Journal.create(fs, file, { generation, writer, of: writers?.at(-1) }, reserves)];
  }
  const journals: Journal[] = [];
  try {
    for (const { generation, end } of found) {
      journals.push(Journal.resume(fs, journalPath(file, generation), generation, end, reserves));
    }
  } catch (error) {
    for (const journal of journals) journal.close();
    throw error;
  }
  return journals;
}
