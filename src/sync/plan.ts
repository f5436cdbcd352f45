/**
 * What to send next: from a head, what is known of the remote, and the unsent items. Pure.
 *
 * The remote appends `status.message` to the history before the new messages of the same request, so a status goes with
 * its own message, and only once everything that comes before that message is acknowledged.
 */
import { TaskStoreError } from '../core/errors.ts';
import type { SelectRange, TaskRecord } from '../core/record.ts';
import type { Message } from '../core/task.ts';
import { createBody, type Json, updateBody } from '../elkar/wire.ts';
import {
  countsOf,
  hasPending,
  type KnownStatus,
  markOf,
  opOf,
  printOf,
  type SyncState,
  start,
  stateOf,
  unseenOf,
} from './state.ts';

export interface Plan {
  readonly body: Json;
  readonly isCreate?: boolean;
  /** The status that it carries. */
  readonly status?: KnownStatus | undefined;
  /** The mark of what it carries and the answer will not show. */
  readonly unseen: string | undefined;
  /** How much it holds, for halving. */
  readonly items: number;
  readonly bytes: number;
  /** More unsent items would not have made it larger. */
  readonly isFull: boolean;
}

/** Unsent items, so many of each tail at the most: a backlog is never read whole. */
export function selectUnsent(limit: number): SelectRange {
  return (head) => {
    const { tails } = stateOf(head);
    const ranges = countsOf(head).map((count, n) => {
      const from = Math.min(tails[n]?.local ?? 0, count);
      return [from, Math.min(count, from + limit)] as const;
    });
    return { messages: ranges[0] as [number, number], parts: (slot) => ranges[slot + 1] as [number, number] };
  };
}

/** The next request of a task with the items that `selectUnsent` gave; undefined where nothing is to be sent. */
export function plan(record: TaskRecord, uid: string, callerId: string, maxBytes: number): Plan | undefined {
  const state = stateOf(record.head);
  if (!hasPending(record.head, state)) return undefined;
  return state.rowId === undefined
    ? planCreate(record, state, uid, callerId)
    : planUpdate(record, state, uid, callerId, maxBytes);
}

function planCreate({ head, messages }: TaskRecord, state: SyncState, uid: string, callerId: string): Plan {
  const [message] = messages();
  if (!message) throw new TaskStoreError('REMOTE_REJECTED', 'a task without a first message cannot be created there');
  const { body, pushNotification, isStreaming, createdAt } = head;
  const { id, sessionId = id, status, metadata } = body;
  const own = state.tails[0]?.own ?? 0;
  const isFirst = printOf(status) === 'submitted' && (!status.message || markOf(status.message) === markOf(message));
  return {
    body: createBody({
      params: { id, sessionId, message, metadata, pushNotification },
      op: opOf(uid, 0, own),
      callerId,
      timestamp: (isFirst && status.timestamp) || createdAt,
      isStreaming,
    }),
    isCreate: true,
    status: { print: 'submitted', mark: isFirst ? markOf(status) : '', own },
    unseen: unseenOf(head),
    items: 1,
    bytes: 0,
    isFull: true,
  };
}

function planUpdate(record: TaskRecord, state: SyncState, uid: string, callerId: string, maxBytes: number): Plan {
  const { head, parts } = record;
  const { body, pushNotification, messageCount = 0 } = head;
  const { status, metadata } = body;
  const [history] = state.tails;
  const { local, own } = history ?? start;
  let items = 0;
  let bytes = 0;
  let isFull = false;
  /** At least one item always goes; after one that is too much, none. */
  const take = (item: unknown) => {
    const size = isFull || sizeOf(item);
    isFull = size === true || (items > 0 && bytes + size > maxBytes);
    if (isFull) return false;
    items++;
    bytes += size as number;
    return true;
  };

  let areAllWhole = true;
  const artifacts = (head.artifacts ?? []).flatMap(({ header, partCount }, slot) => {
    const tail = state.tails[slot + 1];
    const from = tail ?? start;
    if (tail && from.local >= partCount) return [];
    const taken = parts(slot).filter(take);
    const isWhole = from.local + taken.length >= partCount;
    areAllWhole &&= isWhole;
    if (taken.length === 0 && !(isWhole && take(header))) return [];
    // An artifact is closed with the chunk that makes it whole; closed before, the remote would refuse the rest.
    const artifact = { ...header, parts: taken, lastChunk: isWhole ? header.lastChunk : undefined };
    return [{ artifact, ops: taken.map((_, i) => opOf(uid, slot + 1, from.own + i)), isLater: !!tail }];
  });

  const unsent = record.messages();
  const mark = markOf(status);
  const isDue = state.status !== mark;
  const place = isDue && status.message ? lastEqual(unsent, status.message) : -1;
  const isWithMessage = place === 0 && areAllWhole && take(status.message);
  const first = isWithMessage ? 1 : 0;
  const messages = unsent.slice(first, place < 0 || isWithMessage ? undefined : place).filter(take);
  const isLast = place < 0 && local + messages.length >= messageCount;
  const isSent = isDue && areAllWhole && (isWithMessage || isLast);
  // Sent before, it takes its message along under the same op: the history's second copy counts as doubled.
  const statusOwn = isWithMessage ? own : state.known?.findLast((known) => known.mark === mark)?.own;
  const { message: _, ...bare } = status;
  const unseen = unseenOf(head);
  const isUnseen = state.unseen !== unseen;
  return {
    body: updateBody({
      callerId,
      status: isSent
        ? { status: statusOwn === undefined ? bare : status, op: opOf(uid, 0, statusOwn ?? '') }
        : undefined,
      messages: messages.map((message, i) => ({
        message,
        op: opOf(uid, 0, own + first + i),
        // Elkar's server takes metadata from messages alone.
        task: isUnseen && i === 0 ? { metadata } : undefined,
      })),
      artifacts,
      ...(isUnseen && { pushNotification, metadata }),
    }),
    status: isSent ? { print: printOf(status), mark, own: statusOwn } : undefined,
    unseen,
    items,
    bytes,
    isFull,
  };
}

function lastEqual(messages: readonly Message[], message: Message): number {
  const text = JSON.stringify(message);
  return messages.findLastIndex((other) => JSON.stringify(other) === text);
}

/** Bytes of an item on the wire, its tag and second spellings included: never too few for text of any language. */
function sizeOf(item: unknown): number {
  return new TextEncoder().encode(JSON.stringify(item)).length + 160;
}
