/**
 * What a context knows of the database, as of a position in the journal: the tasks it has seen lately, and all that is not
 * folded yet. Every transaction that is to be exact first learns what other contexts have written since.
 *
 * **Who may write without looking.** A record takes the position after the last, and the database refuses a position that is
 * taken; so a context that is still the last to have written may write without a look, and finds out that it is not. Where
 * the records in between were folded, and so are gone, the first of them that another context wrote is left as a *fence*.
 * Only a context that has claimed the next position (in its last record, and lately) writes so, and none does while several
 * take turns, so that fences are few and need not be kept for long.
 */
import { TaskStoreError } from '../../core/errors.ts';
import type { TaskHead } from '../../core/head.ts';
import { getRow, promisifyRequest } from './connection.ts';
import { KnownTask } from './known-task.ts';
import {
  FOLDED,
  hasHead,
  headOf,
  isFence,
  type JournalRecord,
  lengthOf,
  NOTHING,
  type Piece,
  type RecordHeader,
  sizeOf,
} from './schema.ts';
import { isFull, isNew, TASK_WEIGHT, type Unfolded, type View } from './view.ts';

/** A claim is good for so long; others respect it much longer, in case its owner stands still at the worst moment. */
const CLAIM_MS = 30_000;
const FENCE_MS = 600_000;

/** Nobody claims while another context has written within so long. */
const CALM_MS = 1_000;

/** A record holds little more than so many characters: larger ones are stored apart, at some cost. */
const RECORD_LENGTH = 48 * 1024;

/** Names of tasks are kept where there are not more; a task of another name is then known to be new. */
const MAX_NAMES = 10_000;

/** What a change makes of a task; `task` is null where it deletes it. */
export interface Written {
  readonly task: KnownTask | null;
  readonly head: TaskHead | undefined;
  readonly piece: Piece;
}

export class Replica {
  /** The name this context writes under. */
  #owner = Math.random();
  /** When another context was last seen to have written, by the clock of this context; long ago, where none was. */
  #disturbedAt = -CALM_MS;
  declare view: View;
  /** The records of writes that were given up, though the browser may still carry them out. */
  givenUp: readonly JournalRecord[] = [];

  constructor() {
    this.forget();
  }

  forget(db?: IDBDatabase): void {
    this.view = { db, last: NOTHING, known: new Map(), log: [], length: 0, pages: new Map(), weight: 0 };
  }

  /** Whether changes of these tasks may be made up from what is known, to be refused where another context wrote. */
  mayTrust(db: IDBDatabase, names: readonly string[]): boolean {
    const { view } = this;
    const [, owner, claim] = view.last;
    const age = Date.now() - claim;
    const isMine = view.db === db && owner === this.#owner && age >= 0 && age <= CLAIM_MS;
    return isMine && names.every((name) => view.known.has(name) || isNew(view, name));
  }

  /** Learns all that is in the database of these tasks, and the records that are not known yet; answers what is known then. */
  async catchUp(tx: IDBTransaction, names: readonly string[] = []): Promise<View> {
    if (tx.db !== this.view.db || isFull(this.view)) this.forget(tx.db);
    const { view } = this;
    const [from] = view.last;
    const isWriting = tx.mode === 'readwrite';
    const unknown = names.filter((name) => !view.known.has(name));
    // Nobody writes while this transaction lives, as it does as long as only its own answers were waited for.
    if (view.asOf === tx && unknown.length === 0) return view;
    const [found, all, rows] = await Promise.all([
      recordsAfter(tx.objectStore('journal'), from),
      isWriting &&
        view.names === undefined &&
        unknown.length > 0 &&
        promisifyRequest(tx.objectStore('tasks').getAllKeys(null, MAX_NAMES + 1)),
      Promise.all(unknown.map((name) => getRow(tx, name))),
    ]);
    // Where only the header of one is left, what it said, and those before it, is in rows, which are to be read again.
    // By now more may be known than when that was asked.
    const [known] = view.last;
    if (known > 0 && found.some((record) => record.length === 4 && record[0] > known)) {
      this.forget(tx.db);
      return this.catchUp(tx, names);
    }
    // Bodies that are left out of all that is here are in the rows.
    const lean = found
      .flatMap(([, , , , ...pieces]) => pieces)
      .filter((piece) => !view.known.has(piece.key) && hasHead(piece) && !headOf(piece).body);
    const wanted = new Set([...names, ...lean.map(({ key }) => key)]);
    rows.push(...(await Promise.all([...wanted].slice(names.length).map((name) => getRow(tx, name)))));
    // What is learned first would be learned again at once, were it forgotten: it does not count as what can be.
    for (const row of rows)
      if (row && !view.known.has(row.key)) keep(view, row.key, KnownTask.ofRow(row), from && sizeOf(row));
    for (const record of found) this.#applyRecord(view, record);
    if (isWriting && (await this.#rollBackGivenUp(tx, view))) return this.catchUp(tx, names);
    if (all) view.names = all.length > MAX_NAMES ? null : new Set([...(all as string[]), ...view.known.keys()]);
    view.asOf = tx;
    return view;
  }

  /** To be called when a write was given up. What is written from now on must not be taken for it. */
  giveUp(records: readonly JournalRecord[]): void {
    this.givenUp = [...this.givenUp, ...records];
    this.#owner = Math.random();
  }

  /**
   * Takes out what was given up, should it have been written, unless another context has built on it: in a record, or in a
   * row, since rows are written as the tasks are by then, whichever records are folded. The bare header after it tells whoever
   * has learned it to forget it. It is kept in mind until this transaction is complete.
   */
  async #rollBackGivenUp(tx: IDBTransaction, { last }: View): Promise<boolean> {
    const written = this.givenUp.filter(([, owner]) => owner === last[1]);
    if (written.at(-1)?.[0] !== last[0]) return false;
    const isInRow = async (piece: Piece) => {
      const row = await getRow(tx, piece.key);
      // Where it deleted the task and there is no row, that may be why.
      return hasHead(piece) ? row?.id === piece.id && headOf(row).revision === headOf(piece).revision : !row;
    };
    const pieces = written.flatMap(([, , , , ...pieces]) => pieces);
    if ((await Promise.all(pieces.map(isInRow))).includes(true)) return false;
    const journal = tx.objectStore('journal');
    const next = last[0] + 1;
    // The first may be a fence.
    for (const record of written) journal.put(record.slice(0, 4), record[0]);
    journal.add([next, this.#owner, 0, 0], next);
    this.forget(tx.db);
    return true;
  }

  #applyRecord(view: View, record: JournalRecord, written?: ReadonlyMap<string, Written>): void {
    const [position, owner, claim, fence, ...pieces] = record;
    if (position <= view.last[0]) return;
    view.last = [position, owner, claim, fence];
    if (owner !== this.#owner && pieces.length > 0) this.#disturbedAt = performance.now();
    let length = 0;
    for (const piece of pieces) {
      const { key } = piece;
      const size = sizeOf(piece);
      length += size;
      view.names?.add(key);
      keep(view, key, taskAfter(piece, view.known.get(key), written?.get(key)), size);
    }
    view.overlay = undefined;
    view.length += length;
    // Of what was folded or taken back only a header is left, which matters where it is a fence.
    if (pieces.length > 0 || isFence(view.last)) {
      view.log.push({ header: view.last, names: pieces.map(({ key }) => key), length });
    }
  }

  /** Makes up the records of a write, after the last that is known. */
  recordsOf(view: View, written: ReadonlyMap<string, Written>): JournalRecord[] {
    const [last, owner, claimed] = view.last;
    const now = Date.now();
    const claim = performance.now() - this.#disturbedAt > CALM_MS ? now : 0;
    const records: JournalRecord[] = [];
    let length = RECORD_LENGTH;
    for (const { piece } of written.values()) {
      if (length >= RECORD_LENGTH) {
        const isFirst = records.length === 0 && claimed && owner !== this.#owner;
        records.push([last + 1 + records.length, this.#owner, claim, isFirst ? Math.max(now, claimed) + FENCE_MS : 0]);
        length = 0;
      }
      (records.at(-1) as JournalRecord).push(piece);
      length += sizeOf(piece);
    }
    return records;
  }

  /** To be called when the records are in the database. */
  settle(records: readonly JournalRecord[], written: ReadonlyMap<string, Written>): void {
    const { view } = this;
    this.givenUp = [];
    // Where a reader has learned less than was there, nothing can be built on it; and memory has its limits.
    const isBehind = records[0] && records[0][0] > view.last[0] + 1;
    if (isBehind || isFull(view)) this.forget(view.db);
    else for (const record of records) this.#applyRecord(view, record, written);
  }

  /** Whether a write whose end was not seen took effect; throws where that cannot be told any more. */
  hasLanded({ last, log }: View, [first]: readonly JournalRecord[]): boolean {
    if (!first || first[0] > last[0]) return false;
    const header = [last, ...log.map(({ header }) => header)].find(([position]) => position === first[0]);
    if (!header) throw new TaskStoreError('IO_ERROR', 'the change may have taken effect');
    return header[1] === this.#owner;
  }

  /** To be called when these records, the first there are, are folded. */
  settleFold(folded: readonly Unfolded[]): void {
    const { view } = this;
    this.givenUp = [];
    const last = folded.at(-1)?.header[0] ?? 0;
    view.log = view.log.filter(({ header }) => header[0] > last);
    view.length = lengthOf(view.log);
    view.overlay = undefined;
    view.pages = new Map();
  }
}

/** What a record makes of a task that is known, or not; `own` is what this context had in mind when it wrote it. */
function taskAfter(piece: Piece, known: KnownTask | null | undefined, own: Written | undefined): KnownTask | null {
  if (own) {
    if (own.task) own.task.head = own.head as TaskHead;
    return own.task;
  }
  if (!hasHead(piece)) return null;
  const task = known?.id === piece.id ? known.merge(piece) : KnownTask.of(piece);
  // What it was built on was erased meanwhile.
  return task.head.body ? task : null;
}

function keep(view: View, name: string, task: KnownTask | null, length: number): void {
  view.weight += length + (view.known.has(name) ? 0 : TASK_WEIGHT);
  view.known.set(name, task);
}

/**
 * Whoever knows nothing begins where folding has come to: browsers step over what was deleted, and that for long, until they
 * tidy up. That this is the end is found out at once.
 */
async function recordsAfter(journal: IDBObjectStore, position: number): Promise<JournalRecord[]> {
  let from = position + 1;
  if (position === 0) {
    const [folded, last] = await Promise.all([
      promisifyRequest<RecordHeader | undefined>(journal.get(FOLDED)),
      promisifyRequest(journal.openKeyCursor(null, 'prev')),
    ]);
    // That there is nothing is known from then on, too: as of a position before the first.
    if (!last) return [[1, 0, 0, 0]];
    if (last.key === folded?.[0]) return [folded];
    from = folded?.[0] ?? from;
  }
  return promisifyRequest<JournalRecord[]>(journal.getAll(IDBKeyRange.lowerBound(from)));
}
