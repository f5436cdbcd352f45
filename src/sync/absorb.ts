/**
 * What an answer of the remote means for a task: which of our items it holds, and what others wrote. Pure.
 *
 * Evidence, not trust: an item is acknowledged when the remote shows its op at its place. So it does not matter which
 * request an item came with, nor whether the answer is that of a push, or of a GET after a lost one.
 */
import { TaskStoreError } from '../core/errors.ts';
import type { TaskBody, TaskHead } from '../core/head.ts';
import { copyJson } from '../core/json.ts';
import type { TaskRecord } from '../core/record.ts';
import type { ArtifactExtension, Command } from '../core/reduce.ts';
import { finishedStates, type Message, type Part, type Task, type TaskStatus } from '../core/task.ts';
import type { RemoteTask, Tagged } from '../elkar/wire.ts';
import { opOf } from './plan.ts';
import {
  advance,
  hasPending,
  markOf,
  printOf,
  type SyncState,
  stateOf,
  type Tail,
  type Target,
  tailOf,
} from './state.ts';

/** What stands in the remote's tail past what was known: an item of ours that waits, or one that others wrote. */
type News<T> = readonly ({ readonly own: true } | { readonly own: false; readonly item: T })[];

interface TailNews<T> {
  readonly tail: Tail;
  readonly news: News<T>;
}

export interface Absorbed {
  readonly state: SyncState;
  /** Undefined: nothing of the task changes for its readers. */
  readonly body: TaskBody | undefined;
  readonly messages: News<Message>;
  readonly artifacts: readonly { readonly slot: number; readonly header: Header; readonly news: News<Part> }[];
  /** Others' items stand before ones of ours, so the tails must be written anew. */
  readonly whole: boolean;
}

type Header = ArtifactExtension['header'];

/** `answered`: this is the 200 of that very request. */
export function absorb(head: TaskHead, remote: RemoteTask, answered?: Target): Absorbed {
  const state = stateOf(head);
  if (state.rowId !== undefined && state.rowId !== remote.rowId) {
    throw new TaskStoreError('CONFLICT', 'the remote answered with another task of the same id');
  }
  const uid = state.uid ?? '';
  const history = readTail(remote.messages, state.messages, opOf(uid, 'm', ''));
  const { artifacts, parts } = readArtifacts(head, state, remote, uid);
  const status = settleStatus(head, state, remote, history, answered !== undefined);
  const next = advance(state, {
    rowId: remote.rowId,
    messages: history.tail,
    parts,
    status: status.mark,
    remoteStatus: printOf(remote.task.status),
    sent: state.target?.status ? [...(state.sent ?? []).slice(-7), state.target.status] : state.sent,
    target: undefined,
    unsure: undefined,
    ...(answered && { metadata: answered.metadata, push: answered.push ?? state.push }),
  });
  const isForeign = [history, ...artifacts].some(({ news }) => news.some(({ own }) => !own));
  const isNew = artifacts.some(({ slot }) => slot >= (head.artifacts?.length ?? 0));
  const body = status.taken ? { ...head.body, status: copyJson(status.taken) } : head.body;
  return {
    state: next,
    body: status.taken || isForeign || isNew ? body : undefined,
    messages: history.news,
    artifacts,
    whole:
      !isAppend(history.news, (head.messageCount ?? 0) - state.messages.local) ||
      artifacts.some(
        ({ slot, news }) => !isAppend(news, (head.artifacts?.[slot]?.partCount ?? 0) - tailOf(state, slot).local),
      ),
  };
}

/** The first of each op counts; what a late duplicate doubled is as if it were not there. */
function withoutDoubles<T>(items: readonly Tagged<T>[]): readonly Tagged<T>[] {
  const seen = new Set<string>();
  return items.filter(({ op }) => op === undefined || (!seen.has(op) && seen.add(op)));
}

function readTail<T>(items: readonly Tagged<T>[], tail: Tail, prefix: string): TailNews<T> {
  const once = withoutDoubles(items);
  if (once.length < tail.remote) {
    throw new TaskStoreError('CONFLICT', 'the remote no longer holds what it had taken');
  }
  const news: ({ own: true } | { own: false; item: T })[] = [];
  let { own } = tail;
  for (const { item, op } of once.slice(tail.remote)) {
    const number = op?.startsWith(prefix) ? Number(op.slice(prefix.length)) : undefined;
    if (number === undefined) news.push({ own: false, item });
    else if (number === own) {
      news.push({ own: true });
      own++;
    } else if (number > own) throw new TaskStoreError('CONFLICT', 'the remote holds items of this side out of order');
    // Else it was discarded here, arrived all the same, and stands in the acknowledged part of this side's tail.
  }
  return { news, tail: { local: tail.local + news.length, remote: once.length, own } };
}

function readArtifacts(head: TaskHead, state: SyncState, remote: RemoteTask, uid: string) {
  const slots = (head.artifacts ?? []).map(({ header }) => header.index);
  const parts = [...state.parts];
  const artifacts = remote.artifacts.map((artifact, i) => {
    const { index } = artifact;
    const known = slots.indexOf(index);
    const slot = known < 0 ? slots.push(index) - 1 : known;
    const { tail, news } = readTail(artifact.parts, tailOf(state, slot), opOf(uid, index, ''));
    for (let gap = parts.length; gap < slot; gap++) parts[gap] = null;
    parts[slot] = tail;
    const { parts: _, ...theirs } = remote.task.artifacts?.[i] ?? { parts: [] };
    // Our own header stays: of later chunks the remote may have kept nothing.
    const header: Header = head.artifacts?.[slot]?.header ?? copyJson({ ...theirs, index });
    return { slot, header, news };
  });
  return { artifacts, parts };
}

/** Whether the tail, in its new order, is the old one with items after it. */
function isAppend(news: News<unknown>, unsent: number): boolean {
  const own = news.findIndex((item) => !item.own);
  return own < 0 || (own === unsent && news.slice(own).every((item) => !item.own));
}

interface StatusNews {
  readonly mark: string | undefined;
  /** The remote's, where it takes the place of ours. */
  readonly taken?: TaskStatus;
}

function settleStatus(
  head: TaskHead,
  state: SyncState,
  remote: RemoteTask,
  history: TailNews<Message>,
  isAnswer: boolean,
): StatusNews {
  const { target } = state;
  const ours = head.body.status;
  const theirs = remote.task.status;
  const print = printOf(theirs);
  const sent = target?.status;
  const isFirstSight = state.remoteStatus === undefined;
  const isPrinted = print === sent?.print;
  // A status with a message has arrived when its message has; a later one of others may have taken its place since.
  const hasArrived = sent && (sent.own === undefined ? isPrinted || isAnswer : history.tail.own > sent.own);
  const mark = hasArrived ? sent.mark : state.status;
  // A task that we have just created is shown as submitted, whatever we are about to make of it.
  const isCreated = isFirstSight && history.tail.own > 0 && theirs.state === 'submitted';
  const isTheirs = !(isFirstSight ? isCreated : print === state.remoteStatus) && !(hasArrived && isPrinted);
  // Created by a request that was given up on: the status it began with is there, and sent again would lose its message.
  if (isCreated && !mark && isAlike(theirs, ours)) return { mark: markOf(ours) };
  if (!isTheirs) return { mark };
  if (isFirstSight && print === printOf(ours)) return { mark: markOf(ours) };
  // Our own from before, arrived late: ours of now goes again.
  if (state.sent?.some((sent) => sent.print === print)) return { mark: undefined };
  if (mark === markOf(ours) || winsOver(theirs, ours)) return { mark: markOf(theirs), taken: theirs };
  return { mark };
}

/** Whether two statuses differ in nothing but the time. */
function isAlike(a: TaskStatus, b: TaskStatus): boolean {
  return a.state === b.state && markOf(a.message) === markOf(b.message);
}

/** Where both sides have changed the status: a finished one wins, then the later; the remote's of two that are alike. */
function winsOver(theirs: TaskStatus, ours: TaskStatus): boolean {
  const isFinished = finishedStates.has(theirs.state);
  if (isFinished !== finishedStates.has(ours.state)) return isFinished;
  return Date.parse(theirs.timestamp ?? '') >= Date.parse(ours.timestamp ?? '');
}

/**
 * The command that brings in what was absorbed. Where tails must be written anew it needs the whole task as it is now
 * (`full`), and answers undefined for want of it.
 */
export function toCommand(
  head: TaskHead,
  { state, body, messages, artifacts, whole }: Absorbed,
  pendingSince: number | undefined,
  full: TaskRecord | undefined,
): Command | undefined {
  const sync = { ...state };
  if (!body) return { type: 'note', sync, pendingSince };
  const rest = { type: 'pull', body, whole, sync, pendingSince } as const;
  if (!whole) {
    const added = artifacts
      .map(({ slot, header, news }) => ({ slot, header, parts: foreign(news) }))
      .filter(({ slot, parts }) => parts.length > 0 || slot >= (head.artifacts?.length ?? 0));
    return { ...rest, messages: foreign(messages), artifacts: added };
  }
  if (full?.head.revision !== head.revision) return undefined;
  const before = stateOf(head);
  const newsOf = new Map(artifacts.map((artifact) => [artifact.slot, artifact]));
  const slots = Math.max(head.artifacts?.length ?? 0, ...artifacts.map(({ slot }) => slot + 1));
  return {
    ...rest,
    messages: weave(full.messages(), before.messages.local, messages),
    artifacts: Array.from({ length: slots }, (_, slot) => ({
      slot,
      header: (head.artifacts?.[slot]?.header ?? newsOf.get(slot)?.header) as Header,
      parts: weave(full.parts(slot), tailOf(before, slot).local, newsOf.get(slot)?.news ?? []),
    })),
  };
}

function foreign<T>(news: News<T>): T[] {
  return news.flatMap((item) => (item.own ? [] : [copyJson(item.item)]));
}

/** The acknowledged items, then the remote's order, then what the remote has not got. */
function weave<T>(items: readonly T[], from: number, news: News<T>): T[] {
  let next = from;
  const woven = news.map((item) => (item.own ? (items[next++] as T) : copyJson(item.item)));
  return [...items.slice(0, from), ...woven, ...items.slice(next)];
}

/**
 * `pendingSince` once the answer is brought in. `read`: the head whose unsent items were read to be sent, and when: what
 * is left after all of those was made later.
 */
export function pendingAfter(
  head: TaskHead,
  { state, body, messages, artifacts }: Absorbed,
  now: number,
  read?: { readonly head: TaskHead; readonly at: number },
): number | undefined {
  const after = [...(head.artifacts ?? [])];
  for (const { slot, header, news } of artifacts) {
    after[slot] = { header, partCount: (after[slot]?.partCount ?? 0) + foreign(news).length };
  }
  const messageCount = (head.messageCount ?? 0) + foreign(messages).length;
  if (!hasPending({ ...head, body: body ?? head.body, messageCount, artifacts: after }, state)) return undefined;
  const since = head.pendingSince ?? now;
  if (!body && read && !hasPending(read.head, state)) return Math.max(since, read.at);
  return since;
}

/** An outgoing task as the remote has it, in place of ours, unless ours has changes to push. */
export function takeWhole(head: TaskHead | undefined, task: Task, rowId: string): Command | undefined {
  const seen = markOf(task);
  if (!head || head.pendingSince !== undefined || stateOf(head).remoteStatus === seen) return undefined;
  const { history = [], artifacts = [], ...body } = copyJson(task);
  return {
    type: 'pull',
    body,
    messages: history,
    artifacts: artifacts.map(({ parts, ...header }, slot) => ({ slot, header, parts })),
    whole: true,
    sync: { ...advance(stateOf(head), { rowId, remoteStatus: seen }) },
    pendingSince: undefined,
  };
}

/** `record` is of a task that may be on the remote already: what both begin with is the same, without ops to tell. */
export function adopt({ head, messages, parts }: TaskRecord, remote: RemoteTask): SyncState {
  const state = stateOf(head);
  const slots = head.artifacts ?? [];
  const same = <T>(items: readonly T[], theirs: readonly Tagged<T>[]): Tail => {
    const once = withoutDoubles(theirs);
    const length = items.findIndex((item, i) => i >= once.length || !isSame(item, once[i]?.item));
    const count = length < 0 ? items.length : length;
    return { local: count, remote: count, own: 0 };
  };
  return advance(state, {
    messages: same(messages(), remote.messages),
    parts: slots.map(({ header }, slot) => {
      const artifact = remote.artifacts.find(({ index }) => index === header.index);
      return artifact ? same(parts(slot), artifact.parts) : null;
    }),
  });
}

function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const keys = Object.keys(a);
  const other = b as Record<string, unknown>;
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isSame((a as Record<string, unknown>)[key], other[key]))
  );
}
