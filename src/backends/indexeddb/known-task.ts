/**
 * What a context knows of a task it lately wrote: the head, so that an append reads nothing, and the items it has seen.
 * Items never change under one id, so they stay true whoever else writes; the head may be out of date, which the commit
 * finds out (see `write-queue.ts`).
 */
import type { Change, SlotParts, TaskHead } from '../../core/head.ts';
import { encodeKey, encodeScope } from '../../core/head.ts';
import type { TailRange, TaskRecord } from '../../core/record.ts';
import type { Message, Part } from '../../core/task.ts';
import { answerOf } from './connection.ts';
import type { Item, Run, TaskRow } from './schema.ts';

/** The inline tails of a task hold up to so many items, and so many characters, in all. */
const INLINE_ITEMS = 16;
const INLINE_WEIGHT = 4096;

/** A segment holds no more than so many items: a reader of some position needs to look back no further. */
const SEGMENT_ITEMS = 64;

/** The items of a tail that are in memory: those from `base` on; those from `sealed` on are inline. */
export class Tail {
  base: number;
  sealed: number;
  items: Item[];

  constructor({ from, items }: Run) {
    this.base = this.sealed = from;
    this.items = items;
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
  head: TaskHead;
  tails: Tail[];
  /** How many characters are inline, about. */
  #weight: number;

  constructor(id: number, head: TaskHead, runs: readonly Run[]) {
    this.id = id;
    this.head = head;
    this.tails = runs.map((run) => new Tail(run));
    this.#weight = runs.reduce((sum, { items }) => sum + weigh(items), 0);
  }

  tail(number: number): Tail {
    while (this.tails.length <= number) this.tails.push(new Tail({ from: 0, items: [] }));
    return this.tails[number] as Tail;
  }

  append({ head, messages, parts }: Change): void {
    this.head = head;
    this.#add(0, messages);
    for (const { slot, parts: items } of parts as readonly SlotParts[]) this.#add(slot + 1, items);
  }

  #add(number: number, items: readonly Item[]): void {
    const tail = this.tail(number);
    for (const item of items) tail.items.push(item);
    this.#weight += weigh(items);
  }

  /** Where the inline tails have grown too long: what they hold, as segments to write; they are empty then. */
  seal(): { tail: number; from: number; items: Item[] }[] {
    const inline = this.tails.reduce((sum, { end, sealed }) => sum + end - sealed, 0);
    if (inline <= INLINE_ITEMS && this.#weight <= INLINE_WEIGHT) return [];
    this.#weight = 0;
    return this.tails.flatMap((tail, number) => {
      const segments = [];
      for (let from = tail.sealed; from < tail.end; from += SEGMENT_ITEMS) {
        segments.push({ tail: number, from, items: tail.slice(from, Math.min(from + SEGMENT_ITEMS, tail.end)) });
      }
      tail.sealed = tail.end;
      return segments;
    });
  }

  /** Forgets sealed items that a reader of this range has no use for; records handed out keep theirs. */
  trim(range: TailRange): void {
    this.tails = this.tails.map((tail, number) => {
      const [from, to] = wanted(range, number);
      if (tail.base === tail.sealed || (from < to && from < tail.sealed)) return tail;
      return new Tail({ from: tail.sealed, items: tail.slice(tail.sealed, tail.end) });
    });
  }

  get size(): number {
    return this.tails.reduce((sum, { items }) => sum + items.length, 0);
  }

  toRow(): TaskRow {
    const { head, id } = this;
    return {
      key: encodeKey(head.key),
      id,
      scope: encodeScope(head.key),
      state: head.body.status.state,
      age: -Date.parse(head.updatedAt),
      ...(head.pendingSince !== undefined && { pending: head.pendingSince }),
      head,
      tails: this.tails.map((tail) => ({ from: tail.sealed, items: tail.slice(tail.sealed, tail.end) })),
    };
  }

  /** Takes items over that another view of the same task has in memory. */
  borrow(other: KnownTask): void {
    this.tails.forEach((tail, number) => {
      const lent = other.tails[number];
      if (lent && lent.base < tail.base && lent.end >= tail.base) tail.prepend(lent.slice(lent.base, tail.base));
    });
  }

  /** Whether items of this range are in segments only. */
  lacks(range: TailRange): boolean {
    return this.tails.some((tail, number) => {
      const [from, to] = wanted(range, number);
      return from < to && from < tail.base;
    });
  }

  /** Reads what `lacks` found missing, within a transaction. */
  async load(tx: IDBTransaction, range: TailRange): Promise<void> {
    for (const [number, tail] of this.tails.entries()) {
      const [from, to] = wanted(range, number);
      if (from < to && from < tail.base) tail.prepend(await loadItems(tx, [this.id, number], from, tail.base));
    }
  }

  /** What a caller gets; looks into the tails when asked, which by then hold the range. */
  toRecord(range: TailRange): TaskRecord {
    const { head, tails } = this;
    const items = (number: number): Item[] => tails[number]?.slice(...wanted(range, number)) ?? [];
    return { head, messages: () => items(0) as Message[], parts: (slot) => items(slot + 1) as Part[] };
  }
}

function wanted(range: TailRange, number: number): readonly [from: number, to: number] {
  return number === 0 ? range.messages : range.parts(number - 1);
}

/** The items of a tail from a position up to another, out of its segments. */
async function loadItems(tx: IDBTransaction, tail: [number, number], from: number, to: number): Promise<Item[]> {
  // The segment that holds `from` may begin a little before it.
  const first = Math.max(0, from - SEGMENT_ITEMS + 1);
  const range = IDBKeyRange.bound([...tail, first], [...tail, to], false, true);
  const items = (await answerOf<Item[][]>(tx.objectStore('segments').getAll(range))).flat();
  return items.slice(items.length - (to - from));
}

/** About how many characters items take; exactness is not worth its time here. */
function weigh(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 8;
  let sum = 8;
  for (const field of Object.values(value)) sum += weigh(field);
  return sum;
}
