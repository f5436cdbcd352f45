/**
 * What a context knows of a task it lately wrote: the head, so that an append reads nothing, and the items it has seen.
 * Items never change under one id, so they stay true whoever else writes; the head may be out of date, which the commit
 * finds out (see `write-queue.ts`).
 */
import type { Change, TaskHead } from '../../core/head.ts';
import { encodeKey, encodeScope } from '../../core/head.ts';
import type { TailRange, TaskRecord } from '../../core/record.ts';
import { answerOf } from './connection.ts';
import type { Item, Place, Run, TaskRow } from './schema.ts';

/** The inline tails of a task hold up to so many items, and so many characters, in all. */
const INLINE_ITEMS = 16;
const INLINE_LENGTH = 4096;

/** A segment holds no more than so many items: a reader of some position needs to look back no further. */
const SEGMENT_ITEMS = 64;

/** A segment below both is written again with what is sealed next: half as many are read twice as fast. */
const FULL_ITEMS = 32;
const FULL_LENGTH = 8192;

/** So many writes later, one whose end was not seen is still recognised. */
const EARLIER_TOKENS = 8;

/** What is written to the segments, and under which key. */
type Segment = [items: Item[], key: [id: number, tail: number, from: number]];

/** The items of a tail that are in memory: those from `base` on; those from `sealed` on are inline. */
export class Tail {
  declare base: number;
  declare sealed: number;
  /** Items before this position are in the database; later ones may yet fail to get there. */
  declare stored: number;
  /** Where the next segment begins: at `sealed`, or where the last one did that is not full yet. */
  declare next: number;
  declare items: Item[];

  /**
   * What an earlier view knows of the items before these is taken over, where none are missing in between. It begins where a
   * segment does: had another context moved that, it had sealed items that the earlier view does not know.
   */
  constructor({ from, items }: Run, known?: Tail) {
    this.base = this.sealed = this.next = from;
    this.items = [...items];
    this.stored = this.end;
    if (known && known.base < from && from <= known.stored) this.prepend(known.slice(known.base, from));
  }

  get end(): number {
    return this.base + this.items.length;
  }

  slice(from: number, to: number): Item[] {
    return this.items.slice(from - this.base, to - this.base);
  }

  /** Puts items before those known. Records handed out look through this object, so they stay right. */
  prepend(items: readonly Item[]): void {
    this.items = [...items, ...this.items];
    this.base -= items.length;
  }
}

export class KnownTask {
  readonly id: number;
  /** Of the last write, which may be under way; those before it follow. */
  declare tokens: readonly number[];
  declare head: TaskHead;
  declare tails: Tail[];
  /** How many characters of items are in memory. */
  declare length: number;
  /** Another context wrote since, so this is no ground to build on; its stored items are still good. */
  stale = false;
  /** What it counts as in memory. */
  weight = 0;

  /**
   * `known` is an earlier view of the same task. The head is frozen, since answers share it; items are parsed for each. A task
   * that is not in the database yet gets numbers that by all odds no other has.
   */
  constructor(
    head: TaskHead,
    { id, tokens, tails }: Pick<TaskRow, 'id' | 'tokens' | 'tails'> = newRow(),
    known?: KnownTask,
  ) {
    this.id = id;
    this.tokens = tokens;
    this.head = head;
    this.tails = tails.map((run, number) => new Tail(run, known?.id === id ? known.tails[number] : undefined));
    this.length = lengthOf(this.tails.flatMap(({ items }) => items));
  }

  append({ head, messages, parts }: Change): void {
    this.head = head;
    this.#add(0, messages);
    for (const { slot, parts: items } of parts) this.#add(slot + 1, items);
  }

  #add(number: number, values: readonly unknown[]): void {
    while (this.tails.length <= number) this.tails.push(new Tail({ from: 0, items: [] }));
    const tail = this.tails[number] as Tail;
    for (const value of values) {
      const item = JSON.stringify(value);
      tail.items.push(item);
      this.length += item.length;
    }
  }

  /** Where the inline tails have grown too long: what they hold, as segments to write; they are empty then. */
  seal(): Segment[] {
    const inline = this.tails.flatMap((tail) => tail.slice(tail.sealed, tail.end));
    if (inline.length <= INLINE_ITEMS && lengthOf(inline) <= INLINE_LENGTH) return [];
    const segments: Segment[] = [];
    this.tails.forEach((tail, number) => {
      if (tail.sealed === tail.end) return;
      for (let from = tail.next; from < tail.end; from += SEGMENT_ITEMS) {
        const items = tail.slice(from, Math.min(from + SEGMENT_ITEMS, tail.end));
        segments.push([items, [this.id, number, from]]);
        tail.next = items.length < FULL_ITEMS && lengthOf(items) < FULL_LENGTH ? from : tail.end;
      }
      tail.sealed = tail.end;
    });
    return segments;
  }

  /** To be called when what was appended is in the database. */
  confirm(): void {
    for (const tail of this.tails) tail.stored = tail.end;
  }

  /** To be called before the first change that a write makes: from then on this is another state than the stored one. */
  renew(): void {
    this.tokens = [Math.random(), ...this.tokens.slice(0, EARLIER_TOKENS)];
  }

  /** Where the index `place` has the row. */
  get place(): Place {
    const { key, body, updatedAt } = this.head;
    return [encodeScope(key), body.status.state, -Date.parse(updatedAt), encodeKey(key), this.tokens[0] as number];
  }

  toRow(): TaskRow {
    const { head, id, place, tokens } = this;
    return {
      key: place[3],
      id,
      place,
      session: head.body.sessionId,
      pending: head.pendingSince,
      tokens,
      head: JSON.stringify(head),
      tails: this.tails.map((tail) => ({ from: tail.sealed, items: tail.slice(tail.sealed, tail.end) })),
    };
  }

  /**
   * Gets the items of this range that are not in memory, by requests of this transaction. Where none are missing there is
   * nothing to wait for.
   */
  load(tx: IDBTransaction, range: TailRange): Promise<unknown> | undefined {
    let loading: Promise<unknown> | undefined;
    this.tails.forEach((tail, number) => {
      const [from, to] = wanted(range, number);
      if (from < to && from < tail.base) loading = Promise.all([loading, this.#fill(tx, number, tail, from)]);
    });
    loading?.catch(() => {});
    return loading;
  }

  async #fill(tx: IDBTransaction, number: number, tail: Tail, from: number): Promise<void> {
    const { base } = tail;
    const items = await loadItems(tx, [this.id, number], from, base);
    // Another reader of the same task may have got some of them meanwhile.
    items.length = Math.max(0, items.length - base + tail.base);
    tail.prepend(items);
    this.length += lengthOf(items);
  }

  /** What a caller gets; looks into the tails when asked, which by then hold the range. */
  toRecord(range: TailRange): TaskRecord {
    const { head, tails } = this;
    const items = (number: number) => JSON.parse(`[${tails[number]?.slice(...wanted(range, number)) ?? ''}]`);
    return { head, messages: () => items(0), parts: (slot) => items(slot + 1) };
  }
}

function newRow() {
  return { id: Math.random(), tokens: [Math.random()], tails: [] };
}

function wanted(range: TailRange, number: number): readonly [from: number, to: number] {
  return number === 0 ? range.messages : range.parts(number - 1);
}

/** The items of a tail from a position, or a little before it, up to another where a segment begins. */
async function loadItems(tx: IDBTransaction, tail: [number, number], from: number, to: number): Promise<Item[]> {
  // The segment that holds `from` may begin a little before it.
  const first = Math.max(0, from - SEGMENT_ITEMS + 1);
  const range = IDBKeyRange.bound([...tail, first], [...tail, to], false, true);
  return (await answerOf<Item[][]>(tx.objectStore('segments').getAll(range))).flat();
}

function lengthOf(items: readonly Item[]): number {
  return items.reduce((sum, item) => sum + item.length, 0);
}
