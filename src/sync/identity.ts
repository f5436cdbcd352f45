/** Whose changes a store holds, and which of its tasks are from a time before sync. Determined anew by every leader. */
import type { Tracking } from '../core/reduce.ts';
import { oldestFirst, SYNC_META } from '../store-port.ts';
import type { SyncContext } from './context.ts';
import type { SyncOptions } from './options.ts';
import { type DecideUpdate, updateState } from './state.ts';

interface Meta extends Tracking {
  /** Of the last leader. */
  readonly term: number;
  /** The tasks that were here before sync are marked as pending. */
  readonly isAdopted: boolean;
}

export function identityOf({ baseUrl, identity = '' }: SyncOptions): string {
  return `${new URL(baseUrl).href.replace(/\/+$/, '')}#${identity}`;
}

/**
 * Answers the term of this leader: over every earlier one where leaders follow each other (`isElected`). Changes carry
 * their identity themselves; those made by a store without sync carry this leader's from here on.
 */
export async function beginTerm(context: SyncContext, isElected: boolean): Promise<number> {
  const { backend, identity, now } = context;
  const meta = (await backend.getMeta(SYNC_META)) as Partial<Meta> | undefined;
  const { isAdopted = false, identity: before, term: last = 0 } = meta ?? {};
  const term = last + Number(isElected);
  if (before !== identity || isElected) await backend.setMeta(SYNC_META, { identity, term, isAdopted });
  if (isAdopted) return term;

  const adopt: DecideUpdate = (state, { sync, pendingSince }) =>
    !sync && pendingSince === undefined && [{ ...state, identity, unsure: true }, now()];
  for await (const heads of oldestFirst(backend, {})) {
    await Promise.all(heads.map(({ key }) => updateState(context, key, adopt)));
  }
  await backend.setMeta(SYNC_META, { identity, term, isAdopted: true });
  return term;
}
