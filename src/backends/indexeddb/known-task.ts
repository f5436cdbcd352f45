/**
 * What a context knows of a task: the head, so that an append reads nothing, and the items it has seen, from some position
 * of each tail on.
 */
import type { Change, TaskHead } from '../../core/head.ts';
import { countsOf, encodeKey, encodeScope } from '../../core/head.ts';
import { copyJson } from '../../core/json.ts';
import { type ListedHead, toListed } from '../../core/query.ts';
import type { TailRange, TaskRecord } from '../../core/record.ts';
import { getRow, promisifyRequest } from './connection.ts';
import { headOf, type Item, lengthOf, type Piece, type Run, type TaskRow } from './schema.ts';
import type { View } from './view.ts';

/** The inline tails of a task hold up to so many items, and so many characters, in all. */
const INLINE_ITEMS = 16;
const INLINE_LENGTH = 4096;

/** A segment holds no more than so many items: a reader of some position needs to look back no further. */
const SEGMENT_ITEMS = 64;

/** A segment below both is written again with what is sealed next: half as many are read twice as fast. */
const FULL_ITEMS = 32;
const FULL_LENGTH = 8192;

/** What is written to the segments, and under which key. */
type Segment = [items: Item[], key: [id: number, tail: number, from: number]];

/** The items of a tail that are in memory: those from `from` on. Records handed out look through it, as it grows. */
class Tail implements Run {
  declare from: number;
  declare items: Item[];
  /** Items before this position are in segments; whether later ones are is not known. */
  sealed = 0;
  /** Where the next segment begins: at `sealed`, or where the last one did that is not full yet. */
  next = 0;

  constructor(from: number, items: readonly Item[] = []) {
    this.from = from;
    this.items = [...items];
  }

  get end(): number {
    return this.from + this.items.length;
  }

  slice(from: number, to = this.end): Item[] {
    return this.items.slice(from - this.from, to - this.from);
  }

  /** Takes in items before, after or among those known, of which only those up to `sure` are certain. */
  add({ from, items }: Run, sure = this.end): void {
    if (from + items.length > sure) this.items.length = sure - this.from;
    for (const item of items.slice(this.end - from)) this.items.push(item);
    // What lies before a gap is in segments.
    if (from >= this.from || from + items.length < this.from) return;
    this.items = [...items.slice(0, this.from - from), ...this.items];
    this.from = from;
  }
}

export class KnownTask {
  readonly id: number;
  /** Frozen, since answers share it; items are parsed for each. */
  declare head: TaskHead;
  #listed: ListedHead | undefined;
  readonly tails: Tail[] = [];
  /** Whether it is known what of it is in segments; otherwise items that are not in memory may be in the row as well. */
  declare isRowKnown: boolean;

  /** A task that begins; `isNew` where the database surely has no row of another by its name. */
  constructor(head: TaskHead, isNew: boolean, id = Math.random()) {
    this.id = id;
    this.head = head;
    this.isRowKnown = isNew;
  }

  static of(piece: Required<Piece>): KnownTask {
    const task = new KnownTask(copyJson(headOf(piece)), false, piece.id);
    task.#take(task.head, piece);
    return task;
  }

  static ofRow(row: TaskRow): KnownTask {
    const task = KnownTask.of(row);
    task.#settle(row);
    return task;
  }

  /** Takes in what another context wrote of this task. */
  merge(piece: Required<Piece>): this {
    const head = { body: this.head.body, ...copyJson<Partial<TaskHead>>(headOf(piece)) } as TaskHead;
    this.#take(head, piece);
    if (head.revision > this.head.revision) this.head = head;
    return this;
  }

  #take(head: TaskHead, { tails }: Piece): void {
    const counts = countsOf(this.head);
    countsOf(head).forEach((count, number) => {
      const run = tails[number] ?? { from: count, items: [] };
      const tail = this.tails[number];
      if (!tail) this.tails[number] = new Tail(run.from, run.items);
      // What was appended by a change that is not in the database yet may never get there.
      else if (run.items.length > 0) tail.add(run, counts[number] ?? 0);
    });
  }

  /** Learns what is in segments: from its row, or from the row being another task's or missing. */
  setRow(row: TaskRow | undefined): void {
    const own = row?.id === this.id ? row : undefined;
    if (own) this.merge(own);
    this.#settle(own);
  }

  #settle(row: TaskRow | undefined): void {
    this.tails.forEach((tail, number) => {
      tail.sealed = tail.next = row?.tails[number]?.from ?? 0;
    });
    this.isRowKnown = true;
  }

  /** The head is not touched: others may look at this task before the change is in the database. */
  append({ messages, parts }: Change): void {
    for (const { slot, parts: items } of [{ slot: -1, parts: messages }, ...parts]) {
      const tail = (this.tails[slot + 1] ??= new Tail(0));
      for (const item of items) tail.items.push(JSON.stringify(item));
    }
  }

  /** What lists need of the head. */
  get listed(): ListedHead {
    if (this.#listed?.head !== this.head) this.#listed = toListed(this.head);
    return this.#listed as ListedHead;
  }

  /** What it has got until `head`: all of it, or, where it is stored as in its own head, since then. */
  pieceUntil(head: TaskHead, isStored: boolean): Required<Piece> {
    const counts = isStored ? countsOf(this.head) : [];
    const tails: Run[] = [];
    this.tails.forEach((tail, number) => {
      const from = counts[number] ?? 0;
      if (from < tail.end) tails[number] = { from, items: tail.slice(from) };
    });
    const body = isStored && head.body === this.head.body ? undefined : head.body;
    return { key: encodeKey(head.key), id: this.id, head: JSON.stringify({ ...head, body }), tails };
  }

  /** Where the inline tails have grown too long: what they hold, as segments to write; they are empty then. */
  seal(): Segment[] {
    const inline = this.tails.flatMap((tail) => tail.slice(tail.sealed));
    if (inline.length <= INLINE_ITEMS && lengthOf(inline) <= INLINE_LENGTH) return [];
    const segments: Segment[] = [];
    this.tails.forEach((tail, number) => {
      if (tail.sealed === tail.end) return;
      for (let from = tail.next; from < tail.end; from += SEGMENT_ITEMS) {
        const items = tail.slice(from, from + SEGMENT_ITEMS);
        segments.push([items, [this.id, number, from]]);
        tail.next = items.length < FULL_ITEMS && lengthOf(items) < FULL_LENGTH ? from : tail.end;
      }
      tail.sealed = tail.end;
    });
    return segments;
  }

  toRow(): TaskRow {
    const { head, id } = this;
    const { key, body, updatedAt, pendingSince } = head;
    const name = encodeKey(key);
    return {
      key: name,
      id,
      place: [encodeScope(key), body.status.state, -Date.parse(updatedAt), name],
      session: body.sessionId,
      pending: pendingSince,
      head: JSON.stringify(head),
      tails: this.tails.map((tail) => ({ from: tail.sealed, items: tail.slice(tail.sealed) })),
    };
  }

  lacks(range: TailRange): boolean {
    return this.tails.some((tail, number) => isShort(tail, wanted(range, number)));
  }

  /** Gets the items of this range that it lacks, by requests of this transaction. */
  async load(tx: IDBTransaction, range: TailRange, view: View): Promise<void> {
    if (!this.isRowKnown) {
      this.setRow(await getRow(tx, encodeKey(this.head.key)));
    }
    await Promise.all(this.tails.map((tail, number) => this.#fill(tx, view, number, tail, wanted(range, number))));
  }

  async #fill(
    tx: IDBTransaction,
    view: View,
    number: number,
    tail: Tail,
    range: readonly [number, number],
  ): Promise<void> {
    if (!isShort(tail, range)) return;
    // The segment that holds the first item may begin a little before it.
    const first = [this.id, number, Math.max(0, range[0] - SEGMENT_ITEMS + 1)];
    const segments = IDBKeyRange.bound(first, [this.id, number, tail.from], false, true);
    const store = tx.objectStore('segments');
    const [keys, values] = await Promise.all([
      promisifyRequest(store.getAllKeys(segments)) as Promise<Segment[1][]>,
      promisifyRequest<Item[][]>(store.getAll(segments)),
    ]);
    // Two contexts may have sealed some of the same items.
    let found = new Tail(tail.from);
    values.forEach((items, i) => {
      const [, , from] = keys[i] as Segment[1];
      // One that ends before the next begins lies inside a longer one, which began too early to be here.
      if (i > 0 && from <= found.end) found.add({ from, items });
      else found = new Tail(from, items);
    });
    tail.add(found);
    view.weight += lengthOf(found.items);
  }

  /** What a caller gets. The tails are looked into when it asks for items; by then they hold the range. */
  toRecord(head: TaskHead, range: TailRange): TaskRecord {
    const { id, tails } = this;
    const items = (number: number) => {
      const texts = tails[number]?.slice(...wanted(range, number)) ?? [];
      try {
        return JSON.parse(`[${texts}]`);
      } catch {
        // Together they are longer than a text may be.
        return texts.map((text) => JSON.parse(text));
      }
    };
    return { head, id, messages: () => items(0), parts: (slot) => items(slot + 1) };
  }
}

function wanted(range: TailRange, number: number): readonly [from: number, to: number] {
  return number === 0 ? range.messages : range.parts(number - 1);
}

function isShort(tail: Tail, [from, to]: readonly [number, number]): boolean {
  return from < to && from < tail.from;
}
