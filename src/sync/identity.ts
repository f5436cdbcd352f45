/** Whose changes a store holds, and which of its tasks are from a time before sync. Settled whenever a context takes the lead. */
import { encodeKey, type TaskHead } from '../core/head.ts';
import type { HeadQuery } from '../core/query.ts';
import { type StorePort, SYNC_META } from '../store-port.ts';
import { advance, type SyncState, stateOf } from './state.ts';

interface Meta {
  readonly identity: string;
  /** Of the last leader. */
  readonly term: number;
  /** The tasks that were here before sync are marked as pending. */
  readonly isAdopted: boolean;
}

const PAGE = 500;

/** The part of the base URL that says where it leads, without credentials that somebody put into it. */
export function identityOf(baseUrl: string, identity = ''): string {
  const { origin, pathname } = new URL(baseUrl);
  return `${origin}${pathname.replace(/\/+$/, '')}#${identity}`;
}

/**
 * Answers the term of this leader: over every earlier one where contexts share the storage, else 0. What has been pending
 * since before `openedAt` was made under the identity that the store knows.
 */
export async function settleIdentity(
  port: StorePort,
  identity: string,
  isShared: boolean,
  openedAt: number,
): Promise<number> {
  const meta = (await port.getMeta(SYNC_META)) as Meta | undefined;
  const term = isShared ? (meta?.term ?? 0) + 1 : 0;
  if (meta?.isAdopted && meta.identity === identity && !isShared) return term;
  const isAdopted = meta?.isAdopted === true;
  await port.setMeta(SYNC_META, { identity: meta?.identity ?? identity, term, isAdopted });
  if (!isAdopted) await forEachHead(port, markExisting);
  if (meta && meta.identity !== identity) {
    await forEachHead(port, ({ pendingSince = openedAt }, { identity: own }) =>
      pendingSince < openedAt && own === undefined ? { identity: meta.identity } : undefined,
    );
  }
  await port.setMeta(SYNC_META, { identity, term, isAdopted: true });
  return term;
}

type Settle = (head: TaskHead, state: SyncState) => Partial<SyncState> | undefined;

function markExisting(head: TaskHead): Partial<SyncState> | undefined {
  return head.sync || head.pendingSince !== undefined ? undefined : { unsure: true };
}

async function forEachHead(port: StorePort, settle: Settle): Promise<void> {
  let after: HeadQuery['after'];
  for (;;) {
    const heads = await port.list({ order: 'oldest', limit: PAGE, ...(after && { after }) });
    const last = heads.at(-1);
    if (!last) return;
    after = { updatedAt: last.updatedAt, key: encodeKey(last.key) };
    const found = heads.filter((head) => settle(head, stateOf(head)));
    await Promise.all(found.map(({ key }) => write(port, key, settle)));
  }
}

function write(port: StorePort, key: TaskHead['key'], settle: Settle): Promise<unknown> {
  return port.transact(key, (head) => {
    const fields = head && settle(head, stateOf(head));
    if (!fields) return undefined;
    const sync = { ...advance(stateOf(head), fields) };
    return { type: 'note', sync, pendingSince: head.pendingSince ?? port.environment.now() };
  });
}
