/**
 * All tasks of an open file: those changed since it was written (`changed`), those that are being written into the next one
 * (`folding`), and the rest, which lie in the file and are read when asked for, the last ones used being kept.
 */
import type { Change, TaskHead } from '../../core/head.ts';
import { compareNewest, type HeadQuery, takePage, takePending } from '../../core/query.ts';
import { RecencyList } from '../../core/recency.ts';
import { CleanEntry, Entry } from './entry.ts';
import type { Snapshot } from './snapshot.ts';

/** How many bytes of lines are kept parsed. */
const CACHE_BYTES = 32 * 1024 * 1024;

/** What is kept of a task whose items are read when looked at: its head. */
const HEAD_COST = 2048;

export class TaskTable {
  snapshot: Snapshot;
  changed = new ChangeSet();
  folding: ChangeSet | undefined;
  /** Unchanged tasks by row, in the order they were read. */
  #clean = new Map<number, CleanEntry>();
  #cleanBytes = 0;

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
  }

  /** The task, changed or not; never a removed one. */
  find(name: string): Entry | undefined {
    const entry = this.changed.entries.get(name) ?? this.folding?.entries.get(name);
    if (entry) return entry.removed ? undefined : entry;
    return this.#findStored(name);
  }

  /** The entry to change in place of a found one: itself where it has changed since the last fold began. */
  writableEntry(found: Entry): Entry {
    if (found instanceof CleanEntry) return this.snapshot.toBase(found);
    if (!this.folding || this.changed.entries.get(found.key) === found) return found;
    const entry = new Entry(found.key, found.head, -1, found.toTail());
    entry.predecessor = found;
    return entry;
  }

  /** The entry of a task that `find` has not. */
  create(name: string, head: TaskHead): Entry {
    const tombstone = this.changed.entries.get(name);
    if (tombstone) return tombstone;
    const entry = new Entry(name, head, -1);
    entry.predecessor = this.folding?.entries.get(name);
    return entry;
  }

  /** Whether the task was changed since the file was begun. */
  hasChanged(entry: Entry): boolean {
    return this.changed.entries.get(entry.key) === entry;
  }

  /** Puts a changed entry in its place. */
  apply(entry: Entry, change: Change | 'remove'): void {
    if (change === 'remove') {
      entry.removed = true;
      entry.base = undefined;
      entry.messages = [];
      entry.parts = [];
    } else {
      entry.apply(change);
    }
    this.place(entry);
  }

  place(entry: Entry): void {
    const { entries, recency } = this.changed;
    entries.set(entry.key, entry);
    if (entry.removed) recency.remove(entry.key);
    else recency.touch(entry);
    if (entry.row >= 0) this.#hide(entry.row);
  }

  /** Forgets that the task was ever changed. */
  unplace(entry: Entry): void {
    this.changed.entries.delete(entry.key);
    this.changed.recency.remove(entry.key);
    if (entry.row >= 0) this.snapshot.hidden[entry.row] = 0;
  }

  list(query: HeadQuery): TaskHead[] {
    const { changed, folding } = this;
    const sources: Iterable<Entry>[] = [];
    if (changed.recency.size > 0) sources.push(changed.recency.entries(query.order, query.after));
    if (folding) sources.push(without(folding.recency.entries(query.order, query.after), changed.entries));
    if (this.snapshot.index.size > 0) sources.push(this.#stored(query));
    const [only = []] = sources;
    const page = takePage(sources.length > 1 ? merge(sources, query.order) : only, query);
    return page.map(headOf);
  }

  pending(limit: number): TaskHead[] {
    const { changed, folding, snapshot } = this;
    const heads: TaskHead[] = [];
    const add = ({ head, removed }: Entry) => {
      if (!removed) heads.push(head);
    };
    for (const entry of changed.entries.values()) add(entry);
    if (folding) for (const entry of without(folding.entries.values(), changed.entries)) add(entry);
    for (const row of snapshot.pendingRows(limit)) add(this.#cleanEntry(row));
    return takePending(heads, limit);
  }

  /** From here on changes go to a new generation; the ones so far are to be folded into the file. */
  beginFolding(): ChangeSet {
    this.folding = this.changed;
    this.changed = new ChangeSet();
    return this.folding;
  }

  /** The file could not be rewritten: what was to be folded in is simply changed, as before. */
  cancelFolding(): void {
    const { folding, changed } = this;
    if (!folding) return;
    this.folding = undefined;
    this.changed = folding;
    for (const entry of changed.entries.values()) {
      const { predecessor } = entry;
      if (predecessor) entry.row = predecessor.row;
      if (predecessor && entry.base) {
        // Its base was a view of the folded entry: join the two again.
        const tail = entry.base;
        entry.base = predecessor.base;
        entry.messages = [...tail.messages(predecessor.base?.messageCount ?? 0, tail.messageCount), ...entry.messages];
        entry.parts = (entry.head.artifacts ?? []).map((_, slot) => [
          ...tail.parts(slot, predecessor.base?.partCount(slot) ?? 0, tail.partCount(slot)),
          ...(entry.parts[slot] ?? []),
        ]);
      }
      entry.predecessor = undefined;
      this.place(entry);
    }
  }

  /** The next file is in place; `rowOf` tells where in it the task is that a changed entry takes the place of. */
  finishFolding(next: Snapshot, rowOf: (entry: Entry) => number): void {
    this.folding = undefined;
    this.snapshot = next;
    this.#clean = new Map();
    this.#cleanBytes = 0;
    for (const entry of this.changed.entries.values()) {
      entry.row = rowOf(entry);
      entry.predecessor = undefined;
      if (entry.row < 0) continue;
      next.hidden[entry.row] = 1;
      if (entry.base) entry.base = next.tailOf(entry.row, entry.head, entry.base);
    }
  }

  #stored(query: HeadQuery): IterableIterator<Entry> {
    const nextRow = this.snapshot.index.rows(query, this.snapshot.hidden);
    return {
      [Symbol.iterator]() {
        return this;
      },
      next: () => {
        const row = nextRow();
        return row < 0 ? { done: true, value: undefined } : { done: false, value: this.#cleanEntry(row) };
      },
    };
  }

  #findStored(name: string): CleanEntry | undefined {
    const { index, hidden } = this.snapshot;
    if (index.size === 0) return undefined;
    for (const row of index.candidates(index.hash(name))) {
      if (hidden[row]) continue;
      const entry = this.#cleanEntry(row);
      if (entry.key === name) return entry;
    }
    return undefined;
  }

  #cleanEntry(row: number): CleanEntry {
    let entry = this.#clean.get(row);
    if (entry) {
      entry.used = true;
      return entry;
    }
    entry = this.snapshot.load(row);
    this.#clean.set(row, entry);
    this.#cleanBytes += costOf(entry);
    if (this.#cleanBytes > CACHE_BYTES) this.#evict();
    return entry;
  }

  /** Lets go of what was not used since it was last looked at here, the oldest first. */
  #evict(): void {
    for (const [row, entry] of this.#clean) {
      if (this.#cleanBytes <= CACHE_BYTES) return;
      this.#clean.delete(row);
      if (entry.used) {
        entry.used = false;
        this.#clean.set(row, entry);
      } else {
        this.#cleanBytes -= costOf(entry);
      }
    }
  }

  #hide(row: number): void {
    this.snapshot.hidden[row] = 1;
    const entry = this.#clean.get(row);
    if (!entry) return;
    this.#clean.delete(row);
    this.#cleanBytes -= costOf(entry);
  }
}

/** Changes that go into the file together. */
export class ChangeSet {
  readonly entries = new Map<string, Entry>();
  readonly recency = new RecencyList<Entry>();
}

const headOf = ({ head }: Entry) => head;

function costOf({ cost }: CleanEntry): number {
  return HEAD_COST + cost;
}

function* without(entries: Iterable<Entry>, others: ReadonlyMap<string, Entry>): Generator<Entry> {
  for (const entry of entries) if (!others.has(entry.key)) yield entry;
}

/** One ordered sequence of several. */
function* merge(sources: readonly Iterable<Entry>[], order: HeadQuery['order']): Generator<Entry> {
  const direction = order === 'newest' ? 1 : -1;
  const waiting = sources.map((source) => {
    const iterator = source[Symbol.iterator]();
    return { iterator, next: iterator.next() };
  });
  for (;;) {
    let best: (typeof waiting)[number] | undefined;
    for (const each of waiting) {
      if (each.next.done) continue;
      if (!best || compareNewest(each.next.value, best.next.value) * direction < 0) best = each;
    }
    if (!best) return;
    yield best.next.value;
    best.next = best.iterator.next();
  }
}
