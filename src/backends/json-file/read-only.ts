import { TaskStoreError } from '../../core/errors.ts';
import { encodeKey, type TaskHead, type TaskKey } from '../../core/head.ts';
import type { HeadQuery } from '../../core/query.ts';
import type { SelectRange, TaskRecord } from '../../core/record.ts';
import type { Backend, BackendInfo, Committed } from '../backend.ts';
import { type FileSystem, ioError, named } from './file-system.ts';
import { replay } from './replay.ts';
import { readContents, TaskFile } from './task-file.ts';
import { TaskTable } from './task-table.ts';

/** The file may be rewritten while it is read; then it is read again, at the most so often. */
const ATTEMPTS = 10;

/** A file and its journals as they were at one moment. Takes no lock and changes nothing. */
export class ReadOnlyJsonFile implements Backend {
  readonly info: BackendInfo;
  readonly #table: TaskTable;
  readonly #meta: ReadonlyMap<string, unknown>;

  private constructor(file: string, table: TaskTable, meta: ReadonlyMap<string, unknown>) {
    this.info = { kind: 'json-file', survives: 'power-cut', location: file, isReadOnly: true };
    this.#table = table;
    this.#meta = meta;
  }

  static async open(file: string, fs: FileSystem): Promise<ReadOnlyJsonFile> {
    const contents = new TaskFile(fs, file);
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      try {
        const seen = await ReadOnlyJsonFile.#look(contents, file, fs);
        if (seen) return seen;
      } catch (error) {
        throw ioError(error, `${file} cannot be read`);
      }
    }
    throw new TaskStoreError('IO_ERROR', `${file} was written anew each time that it was read`);
  }

  /** Undefined where the file was rewritten meanwhile: whatever was found may be of no one moment. */
  static async #look(contents: TaskFile, file: string, fs: FileSystem): Promise<ReadOnlyJsonFile | undefined> {
    const snapshot = await readContents(contents, file).catch((error) => {
      throw named(file, error);
    });
    let seen: ReadOnlyJsonFile | undefined;
    try {
      const table = new TaskTable(snapshot);
      const meta = new Map(Object.entries(snapshot.index.header.meta));
      const { journals } = await replay(fs, file, table, meta, named);
      if (!snapshot.file && journals.length === 0) {
        throw new TaskStoreError('STORE_UNAVAILABLE', `there is no file ${file}`);
      }
      if (contents.isCurrent(snapshot)) seen = new ReadOnlyJsonFile(file, table, meta);
    } catch (error) {
      if (contents.isCurrent(snapshot)) throw error;
    } finally {
      if (!seen) snapshot.retire();
    }
    return seen;
  }

  async commit(): Promise<Committed> {
    throw readOnly();
  }

  async read(key: TaskKey, select: SelectRange): Promise<TaskRecord | undefined> {
    return this.#table.find(encodeKey(key))?.toRecord(select);
  }

  async list(query: HeadQuery): Promise<readonly TaskHead[]> {
    return this.#table.list(query);
  }

  async pending(limit: number): Promise<readonly TaskHead[]> {
    return this.#table.pending(limit);
  }

  async getMeta(name: string): Promise<unknown> {
    return this.#meta.get(name);
  }

  async setMeta(): Promise<void> {
    throw readOnly();
  }

  listen(): () => void {
    return () => {};
  }

  async close(): Promise<void> {
    this.#table.snapshot.retire();
  }
}

function readOnly(): TaskStoreError {
  return new TaskStoreError('UNSUPPORTED', 'the file was opened for reading only');
}
