/** Tasks in memory: gone with the process, and by far the fastest. Snapshots share the frozen messages and parts. */
import type { TaskHead, TaskKey } from '../core/head.ts';
import { encodeKey, encodeScope } from '../core/head.ts';
import { compareNewest, type HeadQuery, type Listed, takePage } from '../core/query.ts';
import type { SelectRange, TaskRecord } from '../core/record.ts';
import type { Message, Part, TaskState } from '../core/task.ts';
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
class Entry implements Listed {
  readonly key: string;
  readonly scope: string;
  head: TaskHead;
  messages: Message[] = [];
  parts: Part[][] = [];

  constructor(key: string, head: TaskHead) {
    this.key = key;
    this.scope = encodeScope(head.key);
    this.head = head;
  }

  get updatedAt(): string {
    return this.head.updatedAt;
  }

  get state(): TaskState {
    return this.head.body.status.state;
  }

  get sessionId(): string | undefined {
    return this.head.body.sessionId;
  }
}

class MemoryBackend implements Backend {
  readonly info: BackendInfo;
  readonly #entries = new Map<string, Entry>();
  /** From the newest to the oldest; undefined since the last change. */
  #newestFirst: Entry[] | undefined;
  readonly #meta = new Map<string, unknown>();

  constructor(name: string) {
    this.info = { kind: 'memory', survives: 'nothing', location: name };
  }

  async commit(key: TaskKey, decide: Decide, select: SelectRange): Promise<Committed> {
    const name = encodeKey(key);
    let entry = this.#entries.get(name);
    const before = entry?.head;
    const decision = decide(before);
    if (decision) this.#newestFirst = undefined;
    if (decision === 'remove') {
      this.#entries.delete(name);
      return { before, decision, record: undefined };
    }
    if (decision) {
      if (!entry) this.#entries.set(name, (entry = new Entry(name, decision.head)));
      if (decision.reset) {
        entry.messages = [];
        entry.parts = [];
      }
      entry.head = decision.head;
      for (const message of decision.messages) entry.messages.push(message);
      for (const { slot, parts } of decision.parts) {
        const tail = (entry.parts[slot] ??= []);
        for (const part of parts) tail.push(part);
      }
    }
    return { before, decision, record: entry && toRecord(entry, select) };
  }

  async read(key: TaskKey, select: SelectRange): Promise<TaskRecord | undefined> {
    const entry = this.#entries.get(encodeKey(key));
    return entry && toRecord(entry, select);
  }

  async list(query: HeadQuery): Promise<readonly TaskHead[]> {
    this.#newestFirst ??= [...this.#entries.values()].sort(compareNewest);
    const ordered = query.order === 'newest' ? this.#newestFirst : [...this.#newestFirst].reverse();
    return takePage(ordered, query).map((entry) => entry.head);
  }

  async pending(limit: number): Promise<readonly TaskHead[]> {
    const heads = [...this.#entries.values()].map((entry) => entry.head);
    return heads
      .filter((head) => head.pendingSince !== undefined)
      .sort((a, b) => (a.pendingSince as number) - (b.pendingSince as number))
      .slice(0, limit);
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

/** Ranges are settled now, items are picked when asked for: what is appended meanwhile lies past them. */
function toRecord({ head, messages, parts }: Entry, select: SelectRange): TaskRecord {
  const range = select(head);
  return {
    head,
    messages: () => messages.slice(...range.messages),
    parts: (slot) => (parts[slot] ?? []).slice(...range.parts(slot)),
  };
}
