/** Pulling every task that is not finished and that the remote has. */
import { encodeKey, type TaskKey } from '../core/head.ts';
import type { HeadQuery } from '../core/query.ts';
import type { TaskState } from '../core/task.ts';
import type { StorePort } from '../store-port.ts';
import { stateOf } from './state.ts';

const unfinished: readonly TaskState[] = ['submitted', 'working', 'input-required', 'auth-required', 'unknown'];

/** `pull` answers false where it is to go no further. */
export async function pullUnfinished(port: StorePort, pull: (key: TaskKey) => Promise<boolean>): Promise<void> {
  let after: HeadQuery['after'];
  for (;;) {
    const heads = await port.list({ states: unfinished, order: 'oldest', limit: 100, ...(after && { after }) });
    const last = heads.at(-1);
    if (!last) return;
    after = { updatedAt: last.updatedAt, key: encodeKey(last.key) };
    for (const head of heads) {
      if (stateOf(head).rowId !== undefined && !(await pull(head.key))) return;
    }
  }
}
