/**
 * What to send next: from a head, what is known of the remote, and the unsent items. Pure.
 *
 * The remote appends `status.message` to the history before the new messages of the same request, so a status goes with
 * its own message, and only once everything that comes before that message is acknowledged.
 */
import { TaskStoreError } from '../core/errors.ts';
import { countsOf } from '../core/head.ts';
import type { Json } from '../core/json.ts';
import { type SelectRange, type TaskRecord, toStoredTask } from '../core/record.ts';
import type { TaskStatus } from '../core/task.ts';
import { clientTaskBody, createBody, updateBody } from '../elkar/wire.ts';
import { type Tag, type Tags, tagLater } from '../elkar/wire-items.ts';
import type { WireRequest } from '../elkar/wire-request.ts';
import {
  digestOf,
  fingerprintOf,
  hasPending,
  type KnownStatus,
  nothingAcked,
  opOf,
  rememberStatus,
  type SyncState,
  stateOf,
  unseenOf,
} from './state.ts';

interface Plan {
  readonly request: WireRequest & { readonly body: Json };
  /** `SyncState.known` with the status it carries. */
  readonly known?: readonly KnownStatus[] | undefined;
  /** `SyncState.unseen` once the request is answered. */
  readonly unseen?: string | undefined;
  /** How much it holds, for halving. @default 1, which cannot be halved */
  readonly items?: number;
  readonly bytes?: number;
  /** Room was left: more items are to be read. */
  readonly hasRoom?: boolean;
}

type Range = readonly [from: number, to: number];

/** Unsent items, so many of each tail at the most: a backlog is never read whole. */
export function selectUnsent(limit: number): SelectRange {
  return (head) => {
    const { tails } = stateOf(head);
    const counts = countsOf(head);
    const unsent = (n: number): Range => {
      const { local } = tails[n] ?? nothingAcked;
      return [local, Math.min(counts[n] as number, local + limit)];
    };
    return { messages: unsent(0), parts: (slot) => unsent(slot + 1) };
  };
}

/**
 * The next request of a task with the items that `selectUnsent` gave, or all of an outgoing task; undefined where nothing
 * is to be sent.
 */
export function plan(record: TaskRecord, uid: string, callerId: string, maxBytes: number): Plan | undefined {
  const { head } = record;
  const state = stateOf(head);
  if (head.key.taskType === 'outgoing') return planOutgoing(record, callerId);
  if (!hasPending(head, state)) return undefined;
  return state.rowId ? planUpdate(record, state, uid, callerId, maxBytes) : planCreate(record, uid, callerId);
}

/** May be repeated without harm. */
function planOutgoing(record: TaskRecord, callerId: string): Plan {
  const { task } = toStoredTask(record, {});
  const body = clientTaskBody(task, record.head.agentUrl ?? '', callerId);
  const known = rememberStatus(stateOf(record.head).known, { print: '', mark: digestOf(task) });
  return { request: { route: '/client-side/tasks', body }, known };
}

function planCreate({ head, messages }: TaskRecord, uid: string, callerId: string): Plan {
  const [message] = messages();
  if (!message) throw new TaskStoreError('REMOTE_REJECTED', 'a task without a message');
  const { pushNotification, isStreaming, createdAt: timestamp } = head;
  const { id, sessionId = id, metadata } = head.body;
  const params = { id, sessionId, message, metadata, pushNotification };
  const first: TaskStatus = { state: 'submitted', message, timestamp };
  const body = createBody({ params, op: opOf(uid, 0, 0), callerId, timestamp, isStreaming: isStreaming || undefined });
  return {
    request: { route: '/tasks', body },
    known: [{ print: fingerprintOf(first), mark: digestOf(first), own: 0 }],
    unseen: unseenOf(head),
  };
}

function planUpdate(record: TaskRecord, state: SyncState, uid: string, callerId: string, maxBytes: number): Plan {
  const { head, parts } = record;
  const { body, pushNotification } = head;
  const { status, metadata } = body;
  const counts = countsOf(head);
  const tags: Tags = new Map();
  let items = 0;
  let bytes = 0;
  let isFull = false;
  /** At least one item always goes; after one that is too much, none. */
  const take = (item: unknown) => {
    // On the wire, its tag and second spellings included: never too few for text of any language.
    const size = isFull ? 0 : new TextEncoder().encode(JSON.stringify(item)).length + 160;
    isFull ||= items > 0 && bytes + size > maxBytes;
    if (isFull) return false;
    bytes += size;
    items++;
    return true;
  };
  const takeTail = <T>(n: number, unsent: readonly T[]) => {
    const { local, own } = state.tails[n] ?? nothingAcked;
    const taken = unsent.filter(take);
    const isWhole = local + taken.length >= (counts[n] as number);
    taken.forEach((item, i) => void tags.set(item, { op: opOf(uid, n, own + i) }));
    return { own, taken, isWhole };
  };

  let areAllWhole = true;
  const artifactsUpdates = head.artifacts?.flatMap(({ header }, slot) => {
    const isLater = !!state.tails[slot + 1];
    const unsent = parts(slot);
    const { taken, isWhole } = takeTail(slot + 1, unsent);
    // A new one goes with its first part, however small requests get; without parts it counts as an item.
    const isLeft = !taken[0] && (isLater || unsent[0] || !take(header));
    areAllWhole &&= isWhole && !isFull;
    if (isLeft) return [];
    // An artifact is closed with the chunk that makes it whole; closed before, the remote would refuse the rest.
    const artifact = { ...header, parts: taken, lastChunk: isWhole ? header.lastChunk : undefined };
    if (isLater) tagLater(tags, artifact);
    return [artifact];
  });

  const unsent = record.messages();
  const mark = digestOf(status);
  const isStatusDue = state.status !== mark;
  const text = JSON.stringify(status.message);
  const place = isStatusDue ? unsent.findLastIndex((message) => JSON.stringify(message) === text) : -1;
  // The status waits for what comes before its message, and for all parts.
  const end = place > 0 || !areAllWhole ? place : -1;
  const { own, taken, isWhole } = takeTail(0, end < 0 ? unsent : unsent.slice(0, end));
  const [first] = taken;
  const isWithMessage = place === 0 && !!first;
  const isSent = isStatusDue && areAllWhole && (isWithMessage || (place < 0 && isWhole));
  const unseen = unseenOf(head);
  const isUnseenDue = state.unseen !== unseen;
  if (isUnseenDue && first) tags.set(first, { ...tags.get(first), task: { metadata } });
  // A status that goes again, somebody else's having taken its place, goes without the message that has gone already.
  const message = isWithMessage ? status.message : undefined;
  if (message) tags.set(message, tags.get(first) as Tag);
  const update = {
    status: isSent ? { ...status, message } : undefined,
    newMessages: taken.slice(Number(isWithMessage)),
    artifactsUpdates,
    ...(isUnseenDue && { pushNotification, metadata }),
  };
  return {
    request: { route: '/tasks', taskId: head.key.taskId, body: updateBody(callerId, update, tags) },
    known: isSent
      ? rememberStatus(state.known, { print: fingerprintOf(status), mark, own: message && own })
      : state.known,
    unseen,
    items,
    bytes,
    hasRoom: !isFull,
  };
}
