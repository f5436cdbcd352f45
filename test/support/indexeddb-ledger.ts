/** What was written to the tails of a task, the history and each artifact's parts, by which what is read of it is judged. */
import { expect } from 'vitest';
import type { Message, StoredTask, TaskStatus } from '../../src/core/task.ts';

/** Each item is a text of its own, `writer:number`, and every writer counts up. */
export class Ledger {
  readonly #isRevocable: boolean;
  readonly #sent = new Set<string>();
  readonly #acknowledged = new Set<string>();
  #seen: readonly string[] = [];

  /** @param isRevocable whether what was not acknowledged may be read for a while and then be gone */
  constructor(isRevocable: boolean) {
    this.#isRevocable = isRevocable;
  }

  /** To be called before these are written. What never comes about is not missed unless it was acknowledged. */
  send(items: readonly string[]): void {
    for (const item of items) this.#sent.add(item);
  }

  acknowledge(items: readonly string[]): void {
    for (const item of items) this.#acknowledged.add(item);
  }

  /** To be called where it is said that these were not written, and surely so. */
  refuse(items: readonly string[]): void {
    for (const item of items) this.#sent.delete(item);
  }

  /**
   * To be called as a read begins, be it of no more than the last items, so many; answers what judges what it has found.
   */
  judge(last?: number): (found: readonly string[]) => void {
    const earlier = this.#seen;
    const promised = [...this.#acknowledged];
    return (found) => {
      expect(found, 'nothing is doubled').toEqual([...new Set(found)]);
      expect(missing(found, this.#sent), 'nothing is there that was refused or never sent').toEqual([]);
      expectOrderOfWriters(found);
      if (last === undefined) this.#judgeWhole(found, promised, earlier);
      else {
        expect(found.length, 'no more is there than was asked for').toBeLessThanOrEqual(last);
        expect(found.length, 'what was asked for is there').toBeGreaterThanOrEqual(Math.min(last, promised.length));
      }
    };
  }

  #judgeWhole(found: readonly string[], promised: readonly string[], earlier: readonly string[]): void {
    expect(missing(promised, new Set(found)), 'nothing is lost').toEqual([]);
    const lasting = this.#isRevocable ? earlier.filter((item) => this.#acknowledged.has(item)) : earlier;
    const again = this.#isRevocable ? common(found, lasting) : found.slice(0, lasting.length);
    expect(again, 'what was read stays where it was').toEqual(lasting);
    if (found.length > this.#seen.length) this.#seen = found;
  }
}

function missing(wanted: readonly string[], found: ReadonlySet<string>): string[] {
  return wanted.filter((item) => !found.has(item));
}

function common(found: readonly string[], wanted: readonly string[]): string[] {
  return found.filter((item) => wanted.includes(item));
}

function expectOrderOfWriters(found: readonly string[]): void {
  const last = new Map<string, number>();
  for (const item of found) {
    const [writer = '', number] = item.split(':');
    expect(Number(number), `what ${writer} wrote comes in its order`).toBeGreaterThan(last.get(writer) ?? -1);
    last.set(writer, Number(number));
  }
}

export class TaskLedger {
  readonly history: Ledger;
  readonly artifacts: readonly Ledger[];

  constructor(artifacts: number, isRevocable: boolean) {
    this.history = new Ledger(isRevocable);
    this.artifacts = Array.from({ length: artifacts }, () => new Ledger(isRevocable));
  }

  /** As that of a tail; of the history no more than the last `historyLength` messages are awaited, where that is given. */
  judge(historyLength?: number): (found: StoredTask | undefined) => void {
    const judgeHistory = this.history.judge(historyLength);
    const judgeParts = this.artifacts.map((ledger) => ledger.judge());
    return (found) => {
      judgeHistory(messagesOf(found));
      for (const [index, judge] of judgeParts.entries()) judge(partsOf(found, index));
      if (historyLength === undefined) judgeStatus(found);
    };
  }
}

/** A status whose message, which goes into the history, too, is told there from those of no status. */
export function statusOf(message: Message): TaskStatus {
  return { state: 'working', message: { ...message, metadata: { isStatus: true } } };
}

/** It changes with the history: whoever sees the one has to see the other. */
function judgeStatus(found: StoredTask | undefined): void {
  const { history = [], status } = found?.task ?? {};
  const last = history.findLast(({ metadata }) => metadata?.isStatus) ?? history[0];
  expect(status?.message, 'the status is that of the last message that set one').toEqual(last);
}

export function messagesOf(found: StoredTask | undefined): string[] {
  return (found?.task.history ?? []).map(itemOf);
}

function partsOf(found: StoredTask | undefined, index: number): string[] {
  const artifact = found?.task.artifacts?.find((each) => each.index === index);
  return (artifact?.parts ?? []).map((part) => itemOf({ parts: [part] }));
}

/** The first word; the rest makes it long. */
function itemOf({ parts: [part] }: { readonly parts: readonly { readonly type: string }[] }): string {
  return String((part as { text?: string } | undefined)?.text).split(' ')[0] as string;
}
