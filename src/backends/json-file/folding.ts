/** When the file is written anew, and how that goes on beside changes. */
import { setTimeout as delay } from 'node:timers/promises';
import { TaskStoreError } from '../../core/errors.ts';
import type { ChangeLog } from './change-log.ts';
import { ioError, nextTurn } from './file-system.ts';
import { Fold } from './fold.ts';
import { Journal } from './journal.ts';
import type { OpenFile } from './open-file.ts';
import type { Snapshot } from './snapshot.ts';

/** While the file is rewritten, so many relaxed changes may come before it gets its turn; fewer when much has come already. */
const CHANGES_PER_TURN = 1_024;
const FEWER_CHANGES = 64;

/** How long a change waits, in ms, when very much has come. */
const WAIT_MS = 20;

/** When so many times as much has come, long changes wait for longer, at so many characters a ms. */
const IMMENSE = 4;
const LENGTH_PER_MS = 16;

/** Brings what the journals hold into the file, one fold at a time. */
export class Folding {
  /** Whether the values beside the tasks differ from the file's. */
  isMetaChanged: boolean;
  readonly #opened: OpenFile;
  readonly #log: ChangeLog;
  #running: Promise<void> | undefined;
  /** How long the journal has to be for the next fold. */
  #from: number;
  #sinceTurn = 0;
  /** Whether the last fold failed, and that was told. */
  #warned = false;

  constructor(opened: OpenFile, log: ChangeLog) {
    this.isMetaChanged = opened.metaChanged;
    this.#opened = opened;
    this.#log = log;
    this.#from = opened.foldFrom;
  }

  /** To be called after each change, with its length: begins a fold where enough has come; answers what it has to wait for. */
  afterChange(length: number): Promise<void> | undefined {
    if (this.#log.journal.end >= this.#from) this.#beginWhenDue();
    return this.#running && this.#backpressure(this.#running, length);
  }

  /** Resolves when none is under way. */
  async whenIdle(): Promise<void> {
    await this.#running?.catch(() => {});
  }

  /** Where the journal failed: after this, nothing of what it holds is relied on any more. */
  async renew(): Promise<void> {
    const { file } = this.#opened;
    try {
      if (this.#log.journal.broken) await (this.#running ?? this.#track(this.#fold(false)));
    } catch (error) {
      throw ioError(error, `the journal failed, and ${file} could not be written anew`);
    }
    if (this.#log.journal.broken)
      throw new TaskStoreError('IO_ERROR', `the journal of ${file} failed again; nothing was changed`);
  }

  /** Folds all there is, after the last change. */
  async finish(): Promise<void> {
    await this.whenIdle();
    const { changed, snapshot } = this.#opened.table;
    if (changed.entries.size > 0 || this.isMetaChanged || !snapshot.file) await this.#fold(true);
  }

  #beginWhenDue(): void {
    const { end } = this.#log.journal;
    const { table, foldAt, foldFrom } = this.#opened;
    if (this.#running || (end < table.snapshot.index.header.fileSize && end < foldAt)) return;
    const fold = this.#fold(false).catch((error) => {
      this.#warn(error);
      // Nothing is lost, the journals just go on. Tried again when much more has come.
      this.#from = this.#log.journal.end + foldFrom;
    });
    void this.#track(fold);
  }

  async #backpressure(running: Promise<void>, length: number): Promise<void> {
    const { end } = this.#log.journal;
    const { durability, foldFrom, foldAt } = this.#opened;
    if (end >= foldAt) {
      // As much has come again as is being folded, and memory must not grow with the file. Where it goes on nevertheless, as an
      // import does, which begins many changes at once, short changes need not wait as long as its own.
      const ms = end < IMMENSE * foldAt ? WAIT_MS : Math.max(WAIT_MS, length / LENGTH_PER_MS);
      await Promise.race([running.catch(() => {}), delay(ms, undefined, { ref: false })]);
    } else if (durability === 'relaxed' && ++this.#sinceTurn >= (end < foldFrom ? CHANGES_PER_TURN : FEWER_CHANGES)) {
      // A caller who awaits one relaxed change after the other lets nothing but microtasks run: nothing would ever be folded.
      this.#sinceTurn = 0;
      await nextTurn();
    }
  }

  /** While folds fail, journals and memory grow, and nobody may call `close` for weeks. */
  #warn(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    const { file } = this.#opened;
    const why = ioError(error, `${file} could not be written anew`);
    const message = `${why.message}; changes go on in its journal, which grows until the file can be written again`;
    process.emitWarning(message, { type: 'TaskStoreWarning', code: why.code });
  }

  #track(fold: Promise<void>): Promise<void> {
    this.#running = fold.finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /**
   * Writes the next generation of the file, while changes go on in a journal of their own. Whatever moment it is cut off at,
   * the file that is there and the journals from its generation on hold everything.
   */
  async #fold(last: boolean): Promise<void> {
    const { fs, file, durability, journals, writers, db, meta, table } = this.#opened;
    const generation = (journals.at(-1) as Journal).generation + 1;
    const writer = writers.at(-1);
    const next = last
      ? undefined
      : await Journal.create(fs, file, { generation, writer, of: writer }, durability === 'strict');
    const goOn = () => {
      if (next && this.#log.journal !== next) journals.push((this.#log.journal = next));
    };
    const fold = await this.#log.atQuietPoint(() => {
      // A broken journal may hold anything: no other is written after it until the new file holds all changes.
      if (!this.#log.journal.broken) goOn();
      this.isMetaChanged = false;
      const { other } = table.snapshot.index.header;
      return new Fold(table.snapshot, table.beginFolding(), {
        generation,
        writers,
        meta: Object.fromEntries(meta),
        other,
      });
    });
    db.data = fold;
    try {
      await db.write();
      await db.read();
    } catch (error) {
      await this.#log.atQuietPoint(() => table.cancelFolding());
      this.isMetaChanged = true;
      if (this.#log.journal !== next) await next?.remove();
      throw error;
    }
    await this.#log.atQuietPoint(() => {
      goOn();
      const before = table.snapshot;
      table.finishFolding(db.data as Snapshot, (entry) => fold.rowOf(entry));
      before.retire();
    });
    this.#from = this.#opened.foldFrom;
    this.#warned = false;
    for (const journal of journals.splice(0, next ? journals.length - 1 : journals.length)) await journal.remove();
  }
}
