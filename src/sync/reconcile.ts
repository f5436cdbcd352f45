/**
 * What an answer of the remote means for a task: which of our items it holds, and what others wrote. Pure.
 *
 * Evidence, not trust: an item is acknowledged when the remote shows its op at its place. So it does not matter which
 * request an item came with, nor whether the answer is that of a push, or of a GET after a lost one.
 */
import { countsOf, type TaskHead } from '../core/head.ts';
import { copyJson } from '../core/json.ts';
import type { TaskRecord } from '../core/record.ts';
import { finishedStates, type Task, type TaskStatus } from '../core/task.ts';
import type { RemoteTask } from '../elkar/wire-answers.ts';
import { tagOf } from '../elkar/wire-items.ts';
import {
  conflict,
  digestOf,
  fingerprintOf,
  hasPending,
  itemsOf,
  nothingAcked,
  opOf,
  progressOf,
  rememberStatus,
  type StateUpdate,
  type SyncState,
  stateOf,
  type TailAck,
} from './state.ts';

/** What was sent, where the answer is that of a push. */
export interface Sent {
  /**
   * The head whose unsent items were read to be sent, and when: what is left after all of those was made later, unless the
   * clock was turned back.
   */
  readonly head: TaskHead;
  readonly at: number;
}

/** The update that an answer leads to; undefined: none; `'read'`: call again with the whole task (`full`). */
export function reconcile(
  head: TaskHead,
  { rowId, task }: RemoteTask,
  now: number,
  sent: Sent | undefined,
  full: TaskRecord | undefined,
  isPull: boolean,
): StateUpdate | 'read' | undefined {
  const before = stateOf(head);
  const record = full?.head.revision === head.revision ? full : undefined;
  // Elkar takes any row with a task's id.
  if (before.rowId && before.rowId !== rowId) throw conflict('the remote has another task');
  if (head.key.taskType === 'outgoing') return reconcileOutgoing(head, rowId, task, now, sent);
  if (before.unsure && !record) return 'read';
  const { headers, theirs } = alignTails(head, task);
  const ourCounts = countsOf(head);
  const read = theirs.map((items, n) => {
    const ours = record ? itemsOf(record, n) : [];
    const known = before.tails[n];
    const isNew = before.unsure && (n || !known?.remote);
    // After a discard, all that the remote has is known.
    const from = isNew ? (known ? { ...known, remote: items?.length ?? 0 } : nothingAcked) : known;
    return mergeTail(ours, ourCounts[n] as number, items, from, opOf(before.uid, n, ''), before.former);
  });
  const tails = read.map(({ tail }) => tail);
  const { taken, ...status } = reconcileStatus(head.body.status, task.status, before, tails[0]?.own ?? 0);
  const state: SyncState = {
    ...before,
    ...status,
    rowId,
    tails,
    // Whoever sent it has no answer yet.
    target: isPull ? before.target : undefined,
    unsure: undefined,
    replacedAt: undefined,
    unseen: (sent ? before.target : before)?.unseen,
  };
  if (sent && progressOf(state) === progressOf(before)) throw conflict(lostMessage);

  const { pendingSince: since = now } = head;
  const isNews = (header: object, slot: number) => header !== head.artifacts?.[slot]?.header;
  if (!taken && !headers.some(isNews) && !read.some(({ isForeign }) => isForeign)) {
    if (!sent && JSON.stringify(state) === JSON.stringify(before)) return undefined;
    const left = sent && !hasPending(sent.head, state) ? Math.max(since, Math.min(sent.at, now)) : since;
    return [state, hasPending(head, state) ? left : 0];
  }
  if (!record) return 'read';
  // Others' items may stand before ones of ours; then the tails are written anew.
  const whole = read.some(({ ours, merged }) => ours.some((item, i) => item !== merged[i]));
  const [messages, ...parts] = read.map(({ ours, merged }) => (whole ? merged : merged.slice(ours.length)) as never[]);
  const body = taken ? { ...head.body, status: copyJson(taken) } : head.body;
  const counts = read.map(({ merged }) => merged.length);
  const artifacts = headers
    .map((header, slot) => ({ slot, header, parts: parts[slot] as never[] }))
    .filter(({ slot, header, parts }) => whole || parts.length > 0 || isNews(header, slot));
  const news = { body, whole, messages: messages as never[], artifacts };
  return [state, hasPending({ ...head, body }, state, counts) ? since : 0, news];
}

/** The same for an outgoing task: the remote's replaces ours, unless ours has changes to push. */
function reconcileOutgoing(
  head: TaskHead,
  rowId: string,
  task: Task,
  now: number,
  sent?: Sent,
): StateUpdate | undefined {
  const before = stateOf(head);
  const status = digestOf(task);
  const state = { ...before, rowId, status, target: undefined, unsure: undefined };
  const { pendingSince = 0 } = head;
  // Between the two, the target was written.
  if (sent)
    return [state, head.revision === sent.head.revision + 1 ? 0 : Math.max(pendingSince, Math.min(sent.at, now))];
  if (pendingSince || before.status === status) return undefined;
  // A late duplicate of an earlier version: ours goes up again.
  if (before.known?.some(({ mark }) => mark === status)) return [state, now];
  const { history: messages = [], artifacts = [], ...body } = copyJson(task);
  const headed = artifacts.map(({ parts, ...header }, slot) => ({ slot, header, parts }));
  return [state, 0, { body, whole: true, messages, artifacts: headed }];
}

const lostMessage = 'the remote lost what it had';

/** The remote's tails in the order of ours, new ones last; undefined: the remote has no such artifact. */
function alignTails({ artifacts = [] }: TaskHead, task: Task) {
  // Our own header stays, since of later chunks the remote may have kept nothing; but what others closed is closed.
  const headers = artifacts.map(({ header }) => header);
  const theirs: (readonly object[] | undefined)[] = [task.history ?? [], ...headers.map(() => undefined)];
  for (const { parts, index = 0, ...header } of task.artifacts ?? []) {
    const slot = headers.findIndex((header) => header.index === index);
    theirs[slot < 0 ? headers.push({ ...copyJson(header), index }) : slot + 1] = parts;
    const known = headers[slot];
    if (known && header.lastChunk && !known.lastChunk) headers[slot] = { ...known, lastChunk: true };
  }
  return { headers, theirs };
}

/**
 * Merges the remote's items past the acknowledged ones into our tail: first the acknowledged, then the remote's order, then
 * what the remote has not got. Of a task that may be on the remote already (`nothingAcked`), equal items count as the same,
 * since they have no ops.
 */
function mergeTail(
  ours: readonly object[],
  count: number,
  items: readonly object[] | undefined,
  from: TailAck | null | undefined,
  prefix: string,
  former: readonly string[] = [],
) {
  let { local, remote, own } = from ?? nothingAcked;
  const there = items ?? [];
  if (there.length < remote) throw conflict(lostMessage);
  const merged = ours.slice(0, local);
  const others = new Set<string>();
  let next = local;
  for (const item of there.slice(remote)) {
    const mark = from === nothingAcked ? digestOf(item) : '';
    const isAlike = mark && mark === digestOf(ours[next] ?? {});
    const op = `${tagOf(item).op}`;
    const isOwn = op.startsWith(prefix);
    if (isOwn && op !== prefix + own++) throw conflict(lostMessage);
    // An op from before some discard that arrived after all; its item is in the acknowledged part of our tail.
    if (!isAlike && former.some((uid) => op.startsWith(uid))) continue;
    // One that we have not got was said before a backup of this store was put back, or a power cut.
    if (isAlike || (isOwn && next < count)) merged.push(ours[next++] as object);
    else {
      merged.push(copyJson(item));
      others.add(mark);
    }
    local++;
  }
  // Else a duplicate.
  if (ours.slice(next).some((item) => others.has(digestOf(item)))) throw conflict('the remote has another order');
  const tail = items || from ? { local, remote: there.length, own } : null;
  return { ours, merged: [...merged, ...ours.slice(next)], tail, isForeign: others.size > 0 };
}

type StatusNews = Pick<SyncState, 'status' | 'known'> & {
  /** The remote's, where it takes the place of ours. */
  readonly taken?: TaskStatus | undefined;
};

/** `own`: how many of our messages it has. */
function reconcileStatus(
  ours: TaskStatus,
  theirs: TaskStatus,
  { status, known = [] }: SyncState,
  own: number,
): StatusNews {
  const print = fingerprintOf(theirs);
  // One with a message has arrived when its message has.
  const shown = known.findLast((known) => known.print === print && (known.own ?? -1) < own);
  const mine = digestOf(ours);
  const isSettled = status === mine;
  const lead = Date.parse(theirs.timestamp as string) - Date.parse(ours.timestamp as string);
  // Where both sides have changed it: a finished one wins, then the later; the remote's of two that are alike.
  const isFinished = finishedStates.has(theirs.state);
  const isWinner = isFinished === finishedStates.has(ours.state) ? lead >= 0 : isFinished;
  // Another device may go back to a status that was there before: unlike a late duplicate it is later than ours.
  if (shown && !(isSettled && lead + Number(isWinner) > 0)) return { status: shown.mark, known };
  const isSame = print === fingerprintOf(ours);
  const taken = !isSame && (isSettled || isWinner) ? theirs : undefined;
  const mark = isSame ? mine : taken ? digestOf(taken) : '';
  return { status: mark, known: rememberStatus(known, { print, mark }), taken };
}
