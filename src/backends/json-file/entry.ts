import type { Change, TaskHead } from '../../core/head.ts';
import { encodeKey, encodeScope } from '../../core/head.ts';
import type { Listed } from '../../core/query.ts';
import type { SelectRange, TaskRecord } from '../../core/record.ts';
import type { Message, Part, TaskState } from '../../core/task.ts';
import { joinMessages, joinParts, type Tail } from './tail.ts';
import type { Numbered, TaskNumbers } from './task-numbers.ts';

/**
 * A task in memory: its head, and the items that are not yet in the file. The arrays only grow, or are replaced by new
 * ones, so that records handed out stay as they were.
 */
export class Entry implements Listed, Numbered {
  readonly key: string;
  readonly scope: string;
  head: TaskHead;
  /** The items before those below. */
  base: Tail | undefined;
  messages: Message[] = [];
  parts: Part[][] = [];
  /** A removed task stays, as a tombstone, until a fold. */
  removed = false;
  /** The row of the file that this entry takes the place of, or -1. */
  row: number;
  /** While the file is rewritten: the entry, part of the new file, that this one takes the place of. */
  predecessor: Entry | undefined;
  /** Where the next file holds it, once it is written there. */
  nextRow = -1;
  /** The number of the last change, to tell whether it is on the disk yet. */
  change = 0;
  numbers: TaskNumbers | undefined;
  number = 0;

  constructor(key: string, head: TaskHead, row: number, base?: Tail) {
    this.key = key;
    this.scope = encodeScope(head.key);
    this.head = head;
    this.row = row;
    this.base = base;
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

  apply({ head, messages, parts, reset }: Change): void {
    if (reset || this.removed) {
      this.base = undefined;
      this.messages = [];
      this.parts = [];
    }
    this.removed = false;
    this.head = head;
    for (const message of messages) this.messages.push(message);
    for (const { slot, parts: added } of parts) {
      const tail = (this.parts[slot] ??= []);
      for (const part of added) tail.push(part);
    }
  }

  /** Takes back everything done since: the way out when a change could not be written. */
  checkpoint(): () => void {
    const { head, base, messages, parts, removed, change } = this;
    const messageCount = messages.length;
    const partCounts = parts.map((tail) => tail.length);
    return () => {
      messages.length = messageCount;
      parts.length = partCounts.length;
      // Of a slot that had no parts here there is no count: its list may have come since.
      parts.forEach((tail, slot) => {
        tail.length = partCounts[slot] ?? 0;
      });
      Object.assign(this, { head, base, messages, parts, removed, change });
    };
  }

  /** Items are picked when asked for: what is appended meanwhile lies past the ranges, which are those of this head. */
  toRecord(select: SelectRange): TaskRecord {
    const { head, base, messages, parts } = this;
    return {
      head,
      messages: () => joinMessages(base, messages, ...select(head).messages),
      parts: (slot) => joinParts(base, slot, parts[slot], ...select(head).parts(slot)),
    };
  }

  /** Everything as it is now, as the base of an entry that goes on from here. */
  toTail(): Tail {
    const { head, base, messages, parts } = this;
    const counts = parts.map((tail, slot) => tail.length + (base?.partCount(slot) ?? 0));
    return {
      messageCount: head.messageCount ?? 0,
      partCount: (slot) => counts[slot] ?? base?.partCount(slot) ?? 0,
      messages: (from, to) => joinMessages(base, messages, from, to),
      parts: (slot, from, to) => joinParts(base, slot, parts[slot], from, to),
    };
  }
}

/** A task as it lies in the file. */
export class CleanEntry extends Entry {
  used = false;
  /** Bytes of its line where all of it is in memory; 0 where its items are read when looked at. */
  readonly cost: number;

  constructor(head: TaskHead, row: number, cost: number) {
    super(encodeKey(head.key), head, row);
    this.cost = cost;
  }
}
