import { constants } from 'node:buffer';
import { inCall, TaskStoreError } from '../../core/errors.ts';
import { type Change, encodeKey, type TaskHead, type TaskKey } from '../../core/head.ts';
import type { HeadQuery } from '../../core/query.ts';
import { type SelectRange, selectAll, type TaskRecord } from '../../core/record.ts';
import type { Backend, BackendInfo, Committed, Decide, Decision } from '../backend.ts';
import { ChangeLog } from './change-log.ts';
import type { Entry } from './entry.ts';
import { ioError, reworded } from './file-system.ts';
import { Folding } from './folding.ts';
import { freezeJson } from './freeze.ts';
import type { Journal } from './journal.ts';
import { toRecord } from './journal-record.ts';
import { type JsonFileSettings, type OpenFile, openFile } from './open-file.ts';
import { setMeta } from './replay.ts';
import type { TaskTable } from './task-table.ts';

/** A change's longest text in the journal, in bytes; the line that it makes up alone takes nothing more of it. */
const LONGEST = constants.MAX_STRING_LENGTH;

export class JsonFileBackend implements Backend {
  readonly info: BackendInfo;
  readonly #opened: OpenFile;
  readonly #table: TaskTable;
  readonly #log: ChangeLog;
  readonly #strict: boolean;
  readonly #folding: Folding;
  #closed = false;

  private constructor(opened: OpenFile) {
    const { file, durability, table, journals } = opened;
    this.#strict = durability === 'strict';
    this.info = { kind: 'json-file', survives: this.#strict ? 'power-cut' : 'process', location: file };
    this.#opened = opened;
    this.#table = table;
    this.#log = new ChangeLog(journals.at(-1) as Journal, durability);
    this.#folding = new Folding(opened, this.#log);
  }

  static async open(file: string, settings: JsonFileSettings): Promise<JsonFileBackend> {
    return new JsonFileBackend(await openFile(file, settings));
  }

  async commit(key: TaskKey, decide: Decide, select: SelectRange): Promise<Committed> {
    this.#refuseWhenClosed();
    if (this.#log.journal.isBroken()) await this.#renew();
    const name = encodeKey(key);
    const found = this.#table.find(name);
    const before = found?.head;
    let decision: Decision;
    let refusal: { readonly why: unknown } | undefined;
    try {
      decision = decide(before, () => found?.toRecord(selectAll));
    } catch (why) {
      refusal = { why };
    }
    if (decision === undefined || (decision === 'remove' && !before)) {
      const record = found?.toRecord(select);
      const { failures } = this.#log;
      await this.#untilSettled(name);
      // What it was decided on may have been taken back.
      if (failures !== this.#log.failures) return this.commit(key, decide, select);
      if (refusal) throw refusal.why;
      return { before, decision: undefined, record };
    }
    const entry = found
      ? this.#table.writableEntry(found)
      : this.#table.create(name, (decision as { head: TaskHead }).head);
    const record = this.#toText(entry, name, before, decision);
    if (!this.#strict) this.#log.writeNow(record);
    // Of a task's changes that share a write, the undo of the first takes back all.
    const undo = this.#strict && !this.#log.isWaiting(entry.change) ? this.#undoOf(entry) : undefined;
    this.#table.apply(entry, decision);
    const answer = { before, decision, record: entry.removed ? undefined : entry.toRecord(select) };
    if (this.#strict) {
      const saved = this.#log.submit(record, undo);
      entry.change = this.#log.submitted;
      await saved;
    }
    const pressure = this.#folding.afterChange(record.length);
    if (pressure) await pressure;
    return answer;
  }

  read(key: TaskKey, select: SelectRange): Promise<TaskRecord | undefined> {
    const name = encodeKey(key);
    return this.#whenSaved(
      () => this.#table.find(name)?.toRecord(select),
      () => this.#untilSettled(name),
    );
  }

  list(query: HeadQuery): Promise<readonly TaskHead[]> {
    return this.#whenSaved(
      () => this.#table.list(query),
      () => this.#log.whenSettled(),
    );
  }

  pending(limit: number): Promise<readonly TaskHead[]> {
    return this.#whenSaved(
      () => this.#table.pending(limit),
      () => this.#log.whenSettled(),
    );
  }

  getMeta(name: string): Promise<unknown> {
    return this.#whenSaved(
      () => this.#opened.meta.get(name),
      () => this.#log.whenSettled(),
    );
  }

  async setMeta(name: string, value: unknown): Promise<void> {
    this.#refuseWhenClosed();
    if (this.#log.journal.isBroken()) await this.#renew();
    const { meta } = this.#opened;
    const record = JSON.stringify({ meta: name, value });
    const kept = freezeJson(JSON.parse(record).value);
    if (!this.#strict) this.#log.writeNow(record);
    const before = meta.get(name);
    setMeta(meta, name, kept);
    this.#folding.isMetaChanged = true;
    if (this.#strict) await this.#log.submit(record, () => setMeta(meta, name, before));
  }

  /** One process at a time has the file, so there is nobody else to hear of. */
  listen(): () => void {
    return () => {};
  }

  async close(): Promise<void> {
    const { file, lock, journals } = this.#opened;
    this.#closed = true;
    try {
      await this.#log.close();
      await this.#folding.finish();
      for (const journal of journals.splice(0)) await journal.remove();
    } catch (error) {
      const fate = journals.some((journal) => journal.isGone())
        ? 'its journal with the changes since then is gone'
        : 'every change is kept in the journal, for the next opening';
      for (const journal of journals) journal.close();
      const why = reworded(error, (message) => `${message}; ${fate}`);
      throw inCall(ioError(why, `${file} could not be written anew; ${fate}`), 'close');
    } finally {
      this.#table.snapshot.retire();
      lock.release();
    }
  }

  /** A call that was aborted may make its change late, when the journal's file descriptor may be another file's. */
  #refuseWhenClosed(): void {
    if (this.#closed) throw new TaskStoreError('STORE_CLOSED', 'the store is closed');
  }

  /** Where the journal is not to be relied on any more, everything is written anew from memory. */
  async #renew(): Promise<void> {
    // What is written anew already may go on in the journal that failed meanwhile.
    await this.#folding.whenIdle();
    this.#refuseWhenClosed();
    await this.#folding.renew();
    this.#refuseWhenClosed();
  }

  /** Answers what `look` sees now, once it is on the disk; looks again where it turned out not to get there. */
  async #whenSaved<T>(look: () => T, settle: () => Promise<void>): Promise<T> {
    for (;;) {
      const { failures } = this.#log;
      const seen = look();
      if (this.#log.settled === this.#log.submitted) return seen;
      await settle();
      if (failures === this.#log.failures) return seen;
    }
  }

  async #untilSettled(name: string): Promise<void> {
    const change = this.#table.changed.entries.get(name)?.change ?? 0;
    if (change > this.#log.settled) await this.#log.whenSettled();
  }

  #toText(entry: Entry, name: string, before: TaskHead | undefined, decision: Change | 'remove'): string {
    try {
      const text = JSON.stringify(toRecord(this.#log.journal.refOf(entry, name), before, decision));
      // What is read back is made a text of so many bytes at the most, though the text may have fewer characters.
      if (text.length > LONGEST / 3 && Buffer.byteLength(text) > LONGEST) throw new RangeError('Invalid string length');
      return text;
    } catch (error) {
      // Longer than a text may be. The number it was given is not in the journal.
      entry.numbers = undefined;
      throw ioError(error, 'the change is too long');
    }
  }

  #undoOf(entry: Entry): () => void {
    if (!this.#table.hasChanged(entry)) return () => this.#table.unplace(entry);
    const restore = entry.checkpoint();
    return () => {
      restore();
      this.#table.place(entry);
    };
  }
}
