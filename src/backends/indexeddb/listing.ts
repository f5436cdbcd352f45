/** Lists by the indexes over heads: one range of an index for each scope and state asked for, merged by time. */
import { encodeScope, type TaskHead } from '../../core/head.ts';
import { compareNewest, type HeadQuery, type Listed, matches } from '../../core/query.ts';
import { answerOf } from './connection.ts';
import type { TaskRow } from './schema.ts';

interface Found extends Listed {
  readonly head: TaskHead;
}

export async function listHeads(tx: IDBTransaction, query: HeadQuery): Promise<TaskHead[]> {
  const store = tx.objectStore('tasks');
  const scopes = query.scope ? [encodeScope(query.scope)] : await allScopes(store);
  const prefixes = scopes.flatMap((scope) => (query.states ? query.states.map((state) => [scope, state]) : [[scope]]));
  const found = await Promise.all(prefixes.map((prefix) => listRange(store, prefix, query)));
  const direction = query.order === 'newest' ? 1 : -1;
  return found
    .flat()
    .sort((a, b) => compareNewest(a, b) * direction)
    .slice(0, query.limit)
    .map(({ head }) => head);
}

/** Every scope there is, by leaps through the index: one step each, however many tasks they hold. */
async function allScopes(store: IDBObjectStore): Promise<string[]> {
  const scopes: string[] = [];
  let after: IDBKeyRange | undefined;
  for (;;) {
    const cursor = await answerOf(store.index('age').openKeyCursor(after));
    if (!cursor) return scopes;
    const [scope] = cursor.key as [string, number];
    scopes.push(scope);
    // An array sorts after every number.
    after = IDBKeyRange.lowerBound([scope, []]);
  }
}

/** The first tasks of one range that match, in the query's order. */
async function listRange(store: IDBObjectStore, prefix: string[], query: HeadQuery): Promise<Found[]> {
  const { after, limit, updatedAfter } = query;
  const index = store.index(prefix.length === 1 ? 'age' : 'state');
  const forward = query.order === 'newest';
  const ending = updatedAfter === undefined ? [] : -Date.parse(updatedAfter);
  const found: Found[] = [];
  const take = (rows: TaskRow[]) => {
    for (const { key, scope, head } of rows) {
      const { status, sessionId } = head.body;
      const listed = { key, scope, updatedAt: head.updatedAt, state: status.state, sessionId, head };
      if (matches(listed, query)) found.push(listed);
    }
  };
  let last = after && { age: -Date.parse(after.updatedAt), key: after.key };
  while (found.length < limit) {
    const place = last && [...prefix, last.age];
    if (last && place) {
      // Rows of one age stand by key; those beside the last one seen are not told apart by the index's range.
      const { key } = last;
      const beside = await answerOf<TaskRow[]>(index.getAll(IDBKeyRange.only(place)));
      take(forward ? beside.filter((row) => row.key > key) : beside.reverse().filter((row) => row.key < key));
    }
    const low = (forward && place) || prefix;
    const high = (!forward && place) || [...prefix, ending];
    const rows = await getRows(index, IDBKeyRange.bound(low, high, low === place, true), forward, limit);
    take(rows);
    last = rows.at(-1);
    if (rows.length < limit) break;
  }
  return found.slice(0, limit);
}

/** The first rows of a range, from either end; backwards by the newest call where there is one, else by a cursor. */
async function getRows(index: IDBIndex, range: IDBKeyRange, forward: boolean, limit: number): Promise<TaskRow[]> {
  if (forward) return answerOf<TaskRow[]>(index.getAll(range, limit));
  const rows: TaskRow[] = [];
  const request = index.openCursor(range, 'prev');
  for (let cursor = await answerOf(request); cursor && rows.length < limit; ) {
    rows.push(cursor.value);
    cursor.continue();
    cursor = await answerOf(request);
  }
  return rows;
}
