/**
 * What an answer of the remote means for a task: which of our items it holds, and what others wrote. Pure.
 *
 * Evidence, not trust: an item is acknowledged when the remote shows its op at its place. So it does not matter which
 * request an item came with, nor whether the answer is that of a push, or of a GET after a lost one.
 */
import type { TaskHead } from '../core/head.ts';
import { copyJson } from '../core/json.ts';
import type { TaskRecord } from '../core/record.ts';
import type { Command } from '../core/reduce.ts';
import { finishedStates, type Message, type Part, type Task, type TaskStatus } from '../core/task.ts';
import { type RemoteTask, tagOf } from '../elkar/wire.ts';
import {
  advance,
  conflict,
  hasPending,
  itemsOf,
  markOf,
  opOf,
  printOf,
  progressOf,
  remember,
  type SyncState,
  start,
  stateOf,
  type Tail,
} from './state.ts';

/** What was sent, where the answer is that of a push. */
export interface Sent {
  /** How many items. */
  readonly items: number;
  /** The head whose unsent items were read to be sent, and when: what is left after all of those was made later. */
  readonly head: TaskHead;
  readonly at: number;
}

/**
 * The command that brings an answer in; undefined: nothing is new; `'read'`: that takes the whole task as it is now
 * (`full`).
 */
export function absorb(
  head: TaskHead,
  remote: RemoteTask,
  now: number,
  sent: Sent | undefined,
  full: TaskRecord | undefined,
): Command | 'read' | undefined {
  const before = stateOf(head);
  const record = full?.head.revision === head.revision ? full : undefined;
  if (before.unsure && !record) return 'read';
  assertRow(before, remote);
  const { headers, theirs } = bySlot(head, remote.task);
  const ours = theirs.map((_, n) => (record ? itemsOf(record, n) : []));
  const from = theirs.map((items, n) => (before.unsure && items ? adopt(ours[n], items) : (before.tails[n] ?? start)));
  const tails = [...before.tails];
  const news = theirs.map((items, n) => {
    if (!items) return [];
    const read = readTail(items, from[n] as Tail, opOf(before.uid, n, ''));
    tails[n] = read.tail;
    return read.news;
  });
  const { taken, ...status } = settleStatus(head.body.status, remote.task.status, before, tails[0]?.own ?? 0);
  const state = advance({
    ...before,
    ...status,
    rowId: remote.rowId,
    tails,
    target: undefined,
    unsure: undefined,
    unseen: sent ? before.target?.unseen : before.unseen,
  });
  if (sent && progressOf(state, sent.items) === progressOf(before, sent.items)) throw conflict(lost);

  const since = head.pendingSince ?? now;
  if (!taken && headers.length === (head.artifacts?.length ?? 0) && news.flat().every((item) => item === undefined)) {
    if (JSON.stringify({ ...state, seq: before.seq }) === JSON.stringify(before)) return undefined;
    const left = sent && !hasPending(sent.head, state) ? Math.max(since, sent.at) : since;
    return { type: 'note', sync: state, pendingSince: hasPending(head, state) ? left : undefined };
  }

  if (!record) return 'read';
  const woven = ours.map((items, n) => weave(items, from[n]?.local ?? 0, news[n] ?? []));
  // Others' items may stand before ones of ours; then the tails are written anew.
  const whole = ours.some((items, n) => items.some((item, i) => item !== woven[n]?.[i]));
  const [messages, ...parts] = whole ? woven : woven.map((items, n) => items.slice(ours[n]?.length));
  const body = taken ? { ...head.body, status: copyJson(taken) } : head.body;
  const artifacts = headers.map((header, slot) => ({ header, partCount: woven[slot + 1]?.length ?? 0 }));
  const after = { ...head, body, messageCount: woven[0]?.length ?? 0, artifacts };
  return {
    type: 'pull',
    body,
    whole,
    messages: messages as Message[],
    artifacts: headers
      .map((header, slot) => ({ slot, header, parts: parts[slot] as Part[] }))
      .filter(({ slot, parts }) => whole || parts.length > 0 || !head.artifacts?.[slot]),
    sync: state,
    pendingSince: hasPending(after, state) ? since : undefined,
  };
}

/** An outgoing task as the remote has it, in place of ours, unless ours has changes to push. */
export function takeWhole(head: TaskHead | undefined, { task, rowId }: RemoteTask): Command | undefined {
  const seen = markOf(task);
  if (!head || head.pendingSince !== undefined || stateOf(head).status === seen) return undefined;
  const { history = [], artifacts = [], ...body } = copyJson(task);
  return {
    type: 'pull',
    body,
    whole: true,
    messages: history,
    artifacts: artifacts.map(({ parts, ...header }, slot) => ({ slot, header, parts })),
    sync: advance({ ...stateOf(head), rowId, status: seen }),
    pendingSince: undefined,
  };
}

/** Elkar takes any row with a task's id. */
export function assertRow(state: SyncState, { rowId }: RemoteTask): void {
  if ((state.rowId ?? rowId) !== rowId) throw conflict('the remote answered with another task of the same id');
}

const lost = 'the remote does not show what it has taken';

/** The remote's tails in the order of ours, new ones last; undefined: the remote has no such artifact. */
function bySlot({ artifacts = [] }: TaskHead, task: Task) {
  // Our own header stays: of later chunks the remote may have kept nothing.
  const headers = artifacts.map(({ header }) => header);
  const theirs: (readonly unknown[] | undefined)[] = [task.history ?? [], ...headers.map(() => undefined)];
  for (const { parts, index = 0, ...header } of task.artifacts ?? []) {
    const slot = headers.findIndex((header) => header.index === index);
    theirs[slot < 0 ? headers.push({ ...copyJson(header), index }) : slot + 1] = parts;
  }
  return { headers, theirs };
}

/** What stands there past what was known: what others wrote, and undefined for each item of ours that waits for it. */
function readTail(items: readonly unknown[], { local, remote, own }: Tail, prefix: string) {
  if (items.length < remote) throw conflict(lost);
  const news: unknown[] = [];
  let next = own;
  for (const item of items.slice(remote)) {
    const op = `${tagOf(item).op}`;
    const number = Number(op.slice(prefix.length));
    if (!op.startsWith(prefix)) news.push(item);
    else if (number > next) throw conflict(lost);
    // One before was discarded here, arrived all the same, and stands in the acknowledged part of this side's tail.
    else if (number === next) next = news.push(undefined) && number + 1;
  }
  return { news, tail: { local: local + news.length, remote: items.length, own: next } };
}

/** The acknowledged items, then the remote's order, then what the remote has not got. */
function weave(items: readonly unknown[], from: number, news: readonly unknown[]): readonly unknown[] {
  let next = from;
  const woven = news.map((item) => (item === undefined ? items[next++] : copyJson(item)));
  return [...items.slice(0, from), ...woven, ...items.slice(next)];
}

/** Of a task that may be on the remote already: what both begin with is the same, without ops to tell. */
function adopt(ours: readonly unknown[] = [], theirs: readonly unknown[]): Tail {
  const end = ours.findIndex((item, i) => i >= theirs.length || markOf(item) !== markOf(theirs[i]));
  const count = end < 0 ? ours.length : end;
  return { local: count, remote: count, own: 0 };
}

type StatusNews = Pick<SyncState, 'status' | 'known'> & {
  /** The remote's, where it takes the place of ours. */
  readonly taken?: TaskStatus | undefined;
};

/** `own`: so many messages of ours are there. */
function settleStatus(
  ours: TaskStatus,
  theirs: TaskStatus,
  { status, known = [] }: SyncState,
  own: number,
): StatusNews {
  const print = printOf(theirs);
  // One with a message has arrived when its message has; a later one of others may have taken its place since.
  const arrived = known.filter((known) => (known.own ?? -1) < own);
  const shown = arrived.findLast((known) => known.print === print);
  if (shown) return { status: shown.mark, known };
  const mine = markOf(ours);
  const isSame = print === printOf(ours);
  const isThrough = status === mine || arrived.some(({ mark, own }) => own !== undefined && mark === mine);
  const taken = !isSame && (isThrough || winsOver(theirs, ours)) ? theirs : undefined;
  const mark = isSame ? mine : taken ? markOf(taken) : '';
  return { status: mark, known: remember(known, { print, mark }), taken };
}

/** Where both sides have changed the status: a finished one wins, then the later; the remote's of two that are alike. */
function winsOver(theirs: TaskStatus, ours: TaskStatus): boolean {
  const isFinished = finishedStates.has(theirs.state);
  if (isFinished !== finishedStates.has(ours.state)) return isFinished;
  return Date.parse(theirs.timestamp ?? '') >= Date.parse(ours.timestamp ?? '');
}
