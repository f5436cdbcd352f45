import type { TaskHead } from '../../core/head.ts';
import { encodeKey, encodeScope } from '../../core/head.ts';
import { compareNewest } from '../../core/query.ts';
import type { Entry } from './entry.ts';
import { IndexBuilder } from './index-builder.ts';
import { endOfBatch } from './item-batch.ts';
import { MARK_STEP, type Section } from './section.ts';
import type { SlicedWriter } from './sliced-writer.ts';
import type { Snapshot } from './snapshot.ts';
import { headPrefix, type Layout } from './stored-line.ts';
import { StoredTail } from './tail.ts';
import { type IndexHeader, type IndexRow, stateCode, type TaskIndex, timeOrder } from './task-index.ts';
import type { ChangeSet } from './task-table.ts';

/** Lines longer than this are described by a layout, so that they need not be read whole. */
const LONG_LINE = 16 * 1024;

export type FoldHeader = Pick<IndexHeader, 'generation' | 'writers' | 'meta' | 'other'>;

/**
 * The next file: the one before with the changes since folded in. Lines of unchanged tasks are passed through as they
 * are; tasks stand in the order of lists, the oldest change first, so that two sorted sequences are merged.
 */
export class Fold {
  readonly #before: Snapshot;
  readonly #hidden: Uint8Array;
  readonly #changes: ChangeSet;
  readonly #header: FoldHeader;
  readonly #nextRows: Int32Array;
  readonly #builder: IndexBuilder;

  constructor(before: Snapshot, changes: ChangeSet, header: FoldHeader) {
    this.#before = before;
    this.#hidden = before.hidden.slice();
    this.#changes = changes;
    this.#header = header;
    this.#nextRows = new Int32Array(before.index.size).fill(-1);
    this.#builder = new IndexBuilder(before.index.size + changes.recency.size);
  }

  /** Where the next file has the task that this entry, changed meanwhile, takes the place of; -1 where it has none. */
  rowOf({ predecessor, row }: Entry): number {
    if (predecessor) return predecessor.removed ? -1 : predecessor.nextRow;
    return row < 0 ? -1 : (this.#nextRows[row] as number);
  }

  async write(out: SlicedWriter): Promise<void> {
    const { generation, writers, meta, other } = this.#header;
    const top = JSON.stringify({ holdfast: { format: 1, generation, writers, meta }, ...other });
    out.text(`${top.slice(0, -1)},"tasks":[`);
    const changes = this.#changes.recency.entries('oldest');
    let separator = '\n';
    let next = changes.next();
    for (let row = 0; ; ) {
      while (row < this.#hidden.length && this.#hidden[row]) row++;
      if (row === this.#hidden.length && next.done) break;
      out.text(separator);
      separator = ',\n';
      if (row < this.#hidden.length && (next.done || this.#isBefore(row, next.value))) {
        await this.#passThrough(row++, out);
      } else {
        const entry = next.value as Entry;
        entry.nextRow = await this.#writeEntry(entry, out);
        next = changes.next();
      }
      if (out.isDue) await out.pause();
    }
    out.text('\n]}\n');
    await out.flush();
  }

  finish(file: Pick<IndexHeader, 'fileSize' | 'fileTime' | 'fileChecksum'>): TaskIndex {
    const { seed } = this.#before.index.header;
    return this.#builder.finish({ format: 1, native: true, seed, ...this.#header, ...file });
  }

  #isBefore(row: number, entry: Entry): boolean {
    const rowTime = this.#before.index.columns.updatedAt[row] as number;
    const time = timeOrder(entry.updatedAt);
    return rowTime === time ? compareNewest(this.#before.load(row), entry) > 0 : rowTime < time;
  }

  async #passThrough(row: number, out: SlicedWriter): Promise<void> {
    const { index, file } = this.#before;
    if (!index.header.native || !file) {
      this.#nextRows[row] = await this.#writeEntry(this.#before.load(row), out);
      return;
    }
    const start = index.columns.offset[row] as number;
    const length = index.columns.length[row] as number;
    this.#nextRows[row] = this.#builder.copy(index, row, out.position);
    if (!out.copyNow(start, length)) await out.copy(file, start, length);
  }

  async #writeEntry(entry: Entry, out: SlicedWriter): Promise<number> {
    const { head } = entry;
    const offset = out.position;
    out.text(headPrefix(head));
    const headLength = out.position - offset;
    const history = head.messageCount === undefined ? undefined : await this.#writeHistory(entry, offset, out);
    const artifacts = head.artifacts && (await this.#writeArtifacts(entry, offset, out));
    out.text('}}');
    const length = out.position - offset;
    const layout: Layout = { headLength, ...(history && { history }), ...(artifacts && { artifacts }) };
    const row = toRow(head, this.#before.index, offset, length);
    return this.#builder.add({ ...row, layout: length > LONG_LINE ? JSON.stringify(layout) : '' });
  }

  async #writeHistory({ base, messages }: Entry, lineStart: number, out: SlicedWriter): Promise<Section> {
    out.text(',"history":[');
    const source: Items = {
      raw: base instanceof StoredTail ? base.layout?.history : undefined,
      stored: () => base?.messages(0, base.messageCount) ?? [],
      appended: messages,
    };
    const section = await this.#writeItems(source, base, lineStart, out);
    out.text(']');
    return section;
  }

  async #writeArtifacts({ head, base, parts }: Entry, lineStart: number, out: SlicedWriter) {
    const artifacts: { header: object; section: Section }[] = [];
    out.text(',"artifacts":[');
    for (const [slot, { header }] of (head.artifacts ?? []).entries()) {
      const fields = JSON.stringify(header).slice(1, -1);
      out.text(`${slot > 0 ? ',' : ''}{${fields}${fields === '' ? '' : ','}"parts":[`);
      const source: Items = {
        raw: base instanceof StoredTail ? base.layout?.artifacts?.[slot]?.section : undefined,
        stored: () => base?.parts(slot, 0, base.partCount(slot)) ?? [],
        appended: parts[slot] ?? [],
      };
      artifacts.push({ header, section: await this.#writeItems(source, base, lineStart, out) });
      out.text(']}');
    }
    out.text(']');
    return artifacts as Layout['artifacts'];
  }

  async #writeItems({ raw, stored, appended }: Items, base: Entry['base'], lineStart: number, out: SlicedWriter) {
    const start = out.position - lineStart;
    const marks: number[] = [];
    let count = 0;
    if (raw && base instanceof StoredTail) {
      await out.copy(base.file, base.offset + raw.start, raw.end - raw.start);
      for (const mark of raw.marks) marks.push(mark);
      count = raw.count;
    }
    const items = raw ? appended : [...stored(), ...appended];
    for (let at = 0; at < items.length; ) {
      if (count > 0) out.text(',');
      const toMark = MARK_STEP - (count % MARK_STEP);
      if (toMark === MARK_STEP) marks.push(out.position - lineStart - start);
      const end = endOfBatch(items, at, Math.min(at + toMark, items.length));
      out.text(JSON.stringify(items.slice(at, end)).slice(1, -1));
      count += end - at;
      at = end;
      if (out.isDue) await out.pause();
    }
    return { start, end: out.position - lineStart, count, marks };
  }
}

/** Items to write: as bytes of the file before, or parsed, and those in memory. */
interface Items {
  readonly raw: Section | undefined;
  readonly stored: () => readonly unknown[];
  readonly appended: readonly unknown[];
}

export function toRow(
  head: TaskHead,
  hashes: Pick<TaskIndex, 'hash'>,
  offset: number,
  length: number,
): Omit<IndexRow, 'layout'> {
  const { key, body, updatedAt, pendingSince } = head;
  return {
    offset,
    length,
    updatedAt: timeOrder(updatedAt),
    pendingSince: pendingSince ?? Number.NaN,
    keyHash: hashes.hash(encodeKey(key)),
    scopeHash: hashes.hash(encodeScope(key)),
    sessionHash: body.sessionId === undefined ? 0 : hashes.hash(body.sessionId),
    state: stateCode(body.status.state),
  };
}
