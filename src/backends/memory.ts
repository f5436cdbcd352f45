/** Tasks in memory: gone with the process, and by far the fastest. Snapshots share the frozen messages and parts. */
import type { TaskHead, TaskKey } from '../core/head.ts';
import { encodeKey } from '../core/head.ts';
import { compareNewest, type HeadQuery, type ListedHead, takeHeads, takePending, toListed } from '../core/query.ts';
import { type SelectRange, selectAll, type TaskRecord } from '../core/record.ts';
import type { Message, Part } from '../core/task.ts';
import type { Backend, BackendFactory, BackendInfo, Committed, Decide } from './backend.ts';

/** A backend that keeps everything in memory. */
export function memory(): BackendFactory {
  return {
    kind: 'memory',
    unsuitable: () => undefined,
    open: async ({ name }) => new MemoryBackend(name),
  };
}

/** The tails only grow; a change that resets them starts new arrays, so that records handed out stay as they were. */
interface Entry {
  head: TaskHead;
  /** Made when it is first listed after a change: to make all of them for each list takes half a second for 50,000 tasks. */
  listed?: ListedHead | undefined;
  messages: Message[];
  parts: Part[][];
}

class MemoryBackend implements Backend {
  declare readonly info: BackendInfo;
  readonly #entries = new Map<string, Entry>();
  /** From the newest to the oldest; undefined since the last change. */
  #newestFirst: ListedHead[] | undefined;
  readonly #meta = new Map<string, unknown>();

  constructor(name: string) {
    this.info = { kind: 'memory', survives: 'nothing', location: name };
  }

  async commit(key: TaskKey, decide: Decide, select: SelectRange): Promise<Committed> {
    const name = encodeKey(key);
    let entry = this.#entries.get(name);
    const before = entry?.head;
    const decision = decide(before, () => entry && toRecord(entry, selectAll));
    if (decision) this.#newestFirst = undefined;
    if (decision === 'remove') {
      this.#entries.delete(name);
      entry = undefined;
    } else if (decision) {
      const { head, messages, parts, reset } = decision;
      if (!entry || reset) this.#entries.set(name, (entry = { head, messages: [], parts: [] }));
      entry.head = head;
      entry.listed = undefined;
      entry.messages = extend(entry.messages, messages);
      for (const { slot, parts: added } of parts) entry.parts[slot] = extend(entry.parts[slot], added);
    }
    return { before, decision, record: entry && toRecord(entry, select) };
  }

  async read(key: TaskKey, select: SelectRange): Promise<TaskRecord | undefined> {
    const entry = this.#entries.get(encodeKey(key));
    return entry && toRecord(entry, select);
  }

  async list(query: HeadQuery): Promise<readonly TaskHead[]> {
    this.#newestFirst ??= Array.from(this.#entries.values(), (entry) => (entry.listed ??= toListed(entry.head))).sort(
      compareNewest,
    );
    return takeHeads(this.#newestFirst, query).map(({ head }) => head);
  }

  async pending(limit: number): Promise<readonly TaskHead[]> {
    return takePending(
      Array.from(this.#entries.values(), ({ head }) => head),
      limit,
    );
  }

  async getMeta(name: string): Promise<unknown> {
    return this.#meta.get(name);
  }

  async setMeta(name: string, value: unknown): Promise<void> {
    this.#meta.set(name, value);
  }

  listen(): () => void {
    return () => {};
  }

  async close(): Promise<void> {}
}

/** The tail itself, grown. A first run is copied: a list grown from nothing keeps room for sixteen more. */
function extend<T>(tail: T[] = [], added: readonly T[]): T[] {
  if (tail.length === 0) return added.slice();
  for (const item of added) tail.push(item);
  return tail;
}

/** Items are picked when asked for: what is appended meanwhile lies past the ranges, which are those of this head. */
function toRecord({ head, messages, parts }: Entry, select: SelectRange): TaskRecord {
  return {
    head,
    messages: () => messages.slice(...select(head).messages),
    parts: (slot) => (parts[slot] ?? []).slice(...select(head).parts(slot)),
  };
}
