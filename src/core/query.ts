/** Answering a `HeadQuery` over heads that come in the query's order already. */
import type { TaskHead } from './head.ts';
import { encodeKey, encodeScope } from './head.ts';
import type { TaskState, TaskType } from './task.ts';

/** A place in a list: after this task. Lists go by `updatedAt`; tasks of the same time go by encoded key. */
export interface ListPosition {
  readonly updatedAt: string;
  readonly key: string;
}

export interface HeadQuery {
  /** Absent: every caller's tasks (for the store's owner, never on a caller's behalf). */
  readonly scope?: { readonly callerId: string | undefined; readonly taskType: TaskType } | undefined;
  readonly states?: readonly TaskState[] | undefined;
  readonly sessionId?: string | undefined;
  /** Only tasks changed after this time, itself excluded. */
  readonly updatedAfter?: string | undefined;
  /** `newest`: times descend, keys of the same time ascend. `oldest`: exactly the other way round. */
  readonly order: 'newest' | 'oldest';
  readonly limit: number;
  readonly after?: ListPosition | undefined;
}

/** What a query looks at; a head has it all, an index entry may too. */
export interface Listed {
  readonly key: string;
  readonly scope: string;
  readonly updatedAt: string;
  readonly state: TaskState;
  readonly sessionId: string | undefined;
}

export interface ListedHead extends Listed {
  readonly head: TaskHead;
}

export function toListed(head: TaskHead): ListedHead {
  const { key, updatedAt, body } = head;
  const { status, sessionId } = body;
  return { key: encodeKey(key), scope: encodeScope(key), updatedAt, state: status.state, sessionId, head };
}

/** Where a task stands in a list. */
export function positionOf({ updatedAt, key }: TaskHead): ListPosition {
  return { updatedAt, key: encodeKey(key) };
}

/** Negative where `a` stands before `b` when the newest come first. */
export function compareNewest(a: ListPosition, b: ListPosition): number {
  if (a.updatedAt !== b.updatedAt) return a.updatedAt > b.updatedAt ? -1 : 1;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

/** Tells whether a task is one that the query asks for, its place in the list and the limit left aside. */
export function matcher({ scope, states, sessionId, updatedAfter }: HeadQuery): (listed: Listed) => boolean {
  const wanted = scope && encodeScope(scope);
  return (listed) =>
    (wanted === undefined || listed.scope === wanted) &&
    (!states || states.includes(listed.state)) &&
    (sessionId === undefined || listed.sessionId === sessionId) &&
    (updatedAfter === undefined || listed.updatedAt > updatedAfter);
}

/** The page that a query asks for, from everything in the query's order. */
export function takePage<L extends Listed>(ordered: Iterable<L>, query: HeadQuery): L[] {
  const { after, order, limit, updatedAfter } = query;
  const direction = order === 'newest' ? 1 : -1;
  const isWanted = matcher(query);
  const page: L[] = [];
  for (const listed of ordered) {
    if (page.length >= limit) break;
    if (order === 'newest' && updatedAfter !== undefined && listed.updatedAt <= updatedAfter) break;
    if (after && compareNewest(listed, after) * direction <= 0) continue;
    if (isWanted(listed)) page.push(listed);
  }
  return page;
}

/** The same, from all that there is with the newest first, whichever order the query has. */
export function takeHeads(newestFirst: readonly ListedHead[], query: HeadQuery): ListedHead[] {
  return takePage(query.order === 'newest' ? newestFirst : [...newestFirst].reverse(), query);
}

/** Those of these with something pending, the oldest first. */
export function takePending(heads: readonly TaskHead[], limit: number): TaskHead[] {
  return heads
    .filter(({ pendingSince }) => pendingSince !== undefined)
    .sort((a, b) => (a.pendingSince as number) - (b.pendingSince as number))
    .slice(0, limit);
}
