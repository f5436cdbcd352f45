/**
 * Tasks by the time of their last change, for backends that keep their heads in memory. A change moves its task to the
 * front in constant time; only changes dated into the past (an import, a clock set back) cost a sort, at the next list.
 */
import { compareNewest, type ListPosition } from './query.ts';

/** Tasks changed within one millisecond are ordered on the spot, by so many steps at the most. */
const MAX_STEPS = 64;

interface Node<E> {
  entry: E;
  newer: Node<E> | undefined;
  older: Node<E> | undefined;
}

export class RecencyList<E extends ListPosition> {
  readonly #nodes = new Map<string, Node<E>>();
  #newest: Node<E> | undefined;
  #oldest: Node<E> | undefined;
  #sorted = true;

  get size(): number {
    return this.#nodes.size;
  }

  /** Puts a task where its `updatedAt` belongs; called after each change of it. */
  touch(entry: E): void {
    if (this.#isNewest(entry)) return;
    let node = this.#nodes.get(entry.key);
    if (node) {
      this.#unlink(node);
      node.entry = entry;
    } else this.#nodes.set(entry.key, (node = { entry, newer: undefined, older: undefined }));
    let newer: Node<E> | undefined;
    let older = this.#newest;
    for (let steps = 0; older && compareNewest(older.entry, entry) < 0; steps++) {
      if (steps === MAX_STEPS) {
        this.#sorted = false;
        break;
      }
      newer = older;
      older = older.older;
    }
    this.#link(node, newer, older);
  }

  /** Streams change the newest task again and again. */
  #isNewest(entry: E): boolean {
    const newest = this.#newest;
    return newest?.entry === entry && (!newest.older || compareNewest(entry, newest.older.entry) < 0);
  }

  remove(key: string): void {
    const node = this.#nodes.get(key);
    if (!node) return;
    this.#unlink(node);
    this.#nodes.delete(key);
  }

  /**
   * Entries from the newest (or the oldest) on, at the latest from behind `after` on: who goes through them page by page does not
   * pass over all before each time. Ends when the list changes under it; take what is wanted at once.
   */
  entries(order: 'newest' | 'oldest', after?: ListPosition): IterableIterator<E> {
    if (!this.#sorted) this.#sort();
    const [first, last] = order === 'newest' ? [this.#newest, this.#oldest] : [this.#oldest, this.#newest];
    if (!after || !last) return new Walk(first, order);
    const there = this.#nodes.get(after.key);
    if (there && compareNewest(there.entry, after) === 0) return new Walk(there, order);
    const isBehind = compareNewest(last.entry, after) > 0 === (order === 'newest');
    return new Walk(isBehind ? first : undefined, order);
  }

  #link(node: Node<E>, newer: Node<E> | undefined, older: Node<E> | undefined): void {
    node.newer = newer;
    node.older = older;
    if (newer) newer.older = node;
    else this.#newest = node;
    if (older) older.newer = node;
    else this.#oldest = node;
  }

  #unlink({ newer, older }: Node<E>): void {
    if (newer) newer.older = older;
    else this.#newest = older;
    if (older) older.newer = newer;
    else this.#oldest = newer;
  }

  #sort(): void {
    const nodes = [...this.#nodes.values()].sort((a, b) => compareNewest(b.entry, a.entry));
    this.#newest = this.#oldest = undefined;
    for (const node of nodes) this.#link(node, undefined, this.#newest);
    this.#sorted = true;
  }
}

/** Written out, since lists pass over many entries and a generator takes several times as long for each. */
class Walk<E> implements IterableIterator<E> {
  #node: Node<E> | undefined;
  readonly #order: 'newest' | 'oldest';

  constructor(node: Node<E> | undefined, order: 'newest' | 'oldest') {
    this.#node = node;
    this.#order = order;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<E> {
    const node = this.#node;
    if (!node) return { done: true, value: undefined };
    this.#node = this.#order === 'newest' ? node.older : node.newer;
    return { done: false, value: node.entry };
  }
}
