/**
 * What to send next: from a head, what is known of the remote, and the unsent items. Pure.
 *
 * The remote appends `status.message` to the history before the new messages of the same request, so a status goes with
 * its own message, and only once everything that comes before that message is acknowledged.
 */
import { TaskStoreError } from '../core/errors.ts';
import type { TaskHead } from '../core/head.ts';
import type { SelectRange, TaskRecord } from '../core/record.ts';
import type { Message, Part, TaskStatus } from '../core/task.ts';
import type { CreateRequest, OutgoingArtifact, OutgoingMessage, UpdateRequest } from '../elkar/wire.ts';
import { hasPending, markOf, printOf, type SyncState, stateOf, type Target, tailOf } from './state.ts';

/** How much one request may hold; at least one item always goes. */
export interface Budget {
  readonly bytes: number;
  readonly items: number;
}

export interface Plan {
  readonly target: Target;
  readonly create?: Omit<CreateRequest, 'callerId'>;
  readonly update?: Omit<UpdateRequest, 'callerId'>;
  /** How many items it holds, for halving. */
  readonly items: number;
  /** How far the tails are acknowledged once it is: what the answer must show. */
  readonly expected: { readonly messages: number; readonly parts: readonly number[] };
}

/** Unsent items, so many of each tail at the most: a backlog is never read whole. */
export function selectUnsent(limit: number): SelectRange {
  return (head) => {
    const state = stateOf(head);
    const range = (from: number, to: number) => [Math.min(from, to), Math.min(to, from + limit)] as const;
    return {
      messages: range(state.messages.local, head.messageCount ?? 0),
      parts: (slot) => range(tailOf(state, slot).local, head.artifacts?.[slot]?.partCount ?? 0),
    };
  };
}

/** The next request of a task with the items that `selectUnsent` gave; undefined where nothing is to be sent. */
export function plan(record: TaskRecord, uid: string, targetId: string, budget: Budget): Plan | undefined {
  const { head } = record;
  const state = stateOf(head);
  if (!hasPending(head, state)) return undefined;
  const target = { id: targetId, ...unseen(head, state) };
  return state.rowId === undefined
    ? planCreate(record, state, uid, target)
    : planUpdate(record, state, uid, target, new Taker(budget));
}

/** Marks of the fields that the remote takes and never shows. */
function unseen({ body, pushNotification }: TaskHead, state: SyncState): Pick<Target, 'push' | 'metadata'> {
  const push = markOf(pushNotification);
  const metadata = markOf(body.metadata);
  return {
    ...(push !== undefined && push !== state.push && { push }),
    ...(metadata !== undefined && { metadata }),
  };
}

/** The op of the item that is the nth born here, of the history or of the artifact of an index; without n its beginning. */
export function opOf(uid: string, tail: 'm' | number, own: number | ''): string {
  return `${uid}.${tail}.${own}`;
}

function planCreate({ head, messages }: TaskRecord, state: SyncState, uid: string, target: Target): Plan {
  const [message] = messages();
  if (!message) throw new TaskStoreError('REMOTE_REJECTED', 'a task without a first message cannot be created there');
  const { id, sessionId = id, status, metadata } = head.body;
  const { pushNotification, isStreaming } = head;
  const isInitial =
    status.state === 'submitted' && (!status.message || JSON.stringify(status.message) === JSON.stringify(message));
  const timestamp = (isInitial && status.timestamp) || head.createdAt;
  return {
    target: { ...target, ...(isInitial && { status: targetStatus(status, state.messages.own) }) },
    create: {
      params: { id, sessionId, message, ...(metadata && { metadata }), ...(pushNotification && { pushNotification }) },
      op: opOf(uid, 'm', state.messages.own),
      timestamp,
      isStreaming,
    },
    items: 1,
    expected: { messages: state.messages.own + 1, parts: [] },
  };
}

function planUpdate(record: TaskRecord, state: SyncState, uid: string, target: Target, taker: Taker): Plan {
  const { head } = record;
  const { status, metadata } = head.body;
  const unsent = record.messages();
  const isStatusDue = state.status !== markOf(status);
  const place = isStatusDue && status.message ? lastEqual(unsent, status.message) : -1;
  const isComplete = state.messages.local + unsent.length >= (head.messageCount ?? 0);
  const first = taker.takeFrom(unsent.slice(0, place < 0 ? undefined : place));
  const artifacts = takeArtifacts(record, state, uid, taker);

  const isRestGone = first.isAll && artifacts.isAll && (place < 0 ? isComplete : first.items.length === 0);
  const sendsStatus = isStatusDue && isRestGone && (place < 0 || taker.take(status.message));
  const later = sendsStatus && place >= 0 ? taker.takeFrom(unsent.slice(place + 1)).items : [];

  const own = state.messages.own;
  const statusOwn = sendsStatus && place >= 0 ? own : undefined;
  // Sent before, it takes its message along under the same op: the history's second copy counts as doubled.
  const before = state.sent?.findLast(({ mark }) => mark === markOf(status))?.own;
  const messages: OutgoingMessage[] = [...first.items, ...later].map((message, i) => ({
    message,
    op: opOf(uid, 'm', own + i + (statusOwn === undefined ? 0 : 1)),
  }));
  const { message: _, ...bare } = status;
  const isMetadataDue = target.metadata !== state.metadata && metadata !== undefined;
  const sent: TaskStatus = place < 0 && before === undefined ? bare : status;
  const { pushNotification } = head;
  return {
    target: { ...target, ...(sendsStatus && { status: targetStatus(status, statusOwn ?? before) }) },
    update: {
      ...(sendsStatus && { status: { status: sent, op: opOf(uid, 'm', statusOwn ?? before ?? own) } }),
      // Elkar's server takes metadata from messages alone.
      messages:
        isMetadataDue && messages[0] ? [{ ...messages[0], task: { metadata } }, ...messages.slice(1)] : messages,
      ...(artifacts.chunks.length > 0 && { artifacts: artifacts.chunks }),
      ...(target.push !== undefined && pushNotification && { pushNotification }),
      ...(isMetadataDue && { metadata }),
    },
    items: taker.items,
    expected: { messages: own + messages.length + (statusOwn === undefined ? 0 : 1), parts: artifacts.expected },
  };
}

function takeArtifacts({ head, parts }: TaskRecord, state: SyncState, uid: string, taker: Taker) {
  const chunks: OutgoingArtifact[] = [];
  const expected: number[] = [];
  let isAll = true;
  for (const [slot, { header, partCount }] of (head.artifacts ?? []).entries()) {
    const tail = tailOf(state, slot);
    const isLater = state.parts[slot] != null;
    if (isLater && tail.local >= partCount) continue;
    const { items } = taker.takeFrom<Part>(parts(slot));
    const isEnd = tail.local + items.length >= partCount;
    isAll &&= isEnd;
    if (items.length === 0 && !(isEnd && taker.take(header))) continue;
    expected[slot] = tail.own + items.length;
    // An artifact is closed with the chunk that makes it whole; closed before, the remote would refuse the rest.
    const { lastChunk, ...open } = header;
    chunks.push({
      artifact: { ...open, parts: [...items], ...(isEnd && lastChunk !== undefined && { lastChunk }) },
      ops: items.map((_, i) => opOf(uid, header.index ?? 0, tail.own + i)),
      isLater,
    });
  }
  return { chunks, expected, isAll };
}

function targetStatus(status: TaskStatus, own: number | undefined): Required<Target>['status'] {
  return { mark: markOf(status) as string, print: printOf(status), ...(own !== undefined && { own }) };
}

function lastEqual(messages: readonly Message[], message: Message): number {
  const text = JSON.stringify(message);
  return messages.findLastIndex((other) => other === message || JSON.stringify(other) === text);
}

/** Fills one request. */
class Taker {
  items = 0;
  #bytes = 0;
  readonly #budget: Budget;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  take(item: unknown): boolean {
    const bytes = sizeOf(item);
    const isFull = this.items >= this.#budget.items || this.#bytes + bytes > this.#budget.bytes;
    if (this.items > 0 && isFull) return false;
    this.items++;
    this.#bytes += bytes;
    return true;
  }

  takeFrom<T>(items: readonly T[]): { items: readonly T[]; isAll: boolean } {
    const stop = items.findIndex((item) => !this.take(item));
    return stop < 0 ? { items, isAll: true } : { items: items.slice(0, stop), isAll: false };
  }
}

/** Bytes of an item on the wire, its tag and second spellings included: never too few for text of any language. */
function sizeOf(item: unknown): number {
  return new TextEncoder().encode(JSON.stringify(item)).length + 160;
}
