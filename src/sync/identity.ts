/** Whose changes a store holds, and which of its tasks are from a time before sync. Settled whenever a context takes the lead. */
import type { TaskHead } from '../core/head.ts';
import { oldestFirst, SYNC_META } from '../store-port.ts';
import type { SyncContext } from './context.ts';
import type { SyncOptions } from './options.ts';
import { type Note, note, type SyncState, stateOf } from './state.ts';

interface Meta {
  readonly identity: string;
  /** Of the last leader. */
  readonly term: number;
  /** The tasks that were here before sync are marked as pending. */
  readonly isAdopted: boolean;
}

/** So many tasks are written at a time. */
const BATCH = 500;

/** The part of the base URL that says where it leads, without credentials that somebody put into it. */
export function identityOf({ baseUrl, identity = '' }: SyncOptions): string {
  const { origin, pathname } = new URL(baseUrl);
  return `${origin}${pathname.replace(/\/+$/, '')}#${identity}`;
}

/**
 * Answers the term of this leader: over every earlier one where leaders follow each other (`isElected`). What has been
 * pending since before `openedAt` was made under the identity that the store knows; so was what is from a time yet to come,
 * by a clock that was set back.
 */
export async function settleIdentity(
  { port, identity }: SyncContext,
  isElected: boolean,
  openedAt: number,
): Promise<number> {
  const meta = ((await port.getMeta(SYNC_META)) ?? {}) as Partial<Meta>;
  const { isAdopted = false, identity: before = identity, term: last = 0 } = meta;
  const isSettled = isAdopted && before === identity;
  const term = last + Number(isElected);
  if (!isSettled || isElected) await port.setMeta(SYNC_META, { identity: before, term, isAdopted });
  if (isSettled) return term;

  const settle = (state: SyncState, { sync, pendingSince }: TaskHead): Note | false => {
    if (!isAdopted && !sync && pendingSince === undefined) return [{ ...state, unsure: true }, port.environment.now()];
    // Where nothing is pending, neither holds.
    const isOld = (pendingSince as number) < openedAt || (pendingSince as number) > port.environment.now();
    return before !== identity && state.identity === undefined && isOld && [{ ...state, identity: before }];
  };
  // Gathered first and noted together, so that a failure is heard at once.
  const heads: TaskHead[] = [];
  const noteAll = () => Promise.all(heads.splice(0).map(({ key }) => note(port, key, settle)));
  for await (const head of oldestFirst(port, {})) {
    if (settle(stateOf(head), head)) heads.push(head);
    if (heads.length === BATCH) await noteAll();
  }
  await noteAll();
  await port.setMeta(SYNC_META, { identity, term, isAdopted: true });
  return term;
}
