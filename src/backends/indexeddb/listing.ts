/**
 * Lists, by the index that has the tasks of each scope and state with the newest first: a page takes the first rows of each
 * such stretch that the query touches, and merges them, and the tasks that have changed since their rows were written. Rows
 * are never walked with a cursor, which costs several times as much.
 */
import { encodeScope, type TaskHead } from '../../core/head.ts';
import { compareNewest, type HeadQuery, takeHeads, takePending, toListed } from '../../core/query.ts';
import { answerOf } from './connection.ts';
import { headOf, type TaskRow } from './schema.ts';
import type { Overlay } from './view.ts';

type Stretch = readonly [scope: string, state: string];

/** Sorts after every number and text, and so ends what begins with the same fields. */
const END: IDBValidKey = [];

export async function listHeads(tx: IDBTransaction, query: HeadQuery, overlay: Promise<Overlay>): Promise<TaskHead[]> {
  const { sessionId, limit } = query;
  const tasks = tx.objectStore('tasks');
  const place = tasks.index('place');
  const pages =
    sessionId === undefined
      ? (await stretchesOf(place, query)).map((stretch) =>
          currentHeads(overlay, limit, (limit) => pageOf(place, stretch, { ...query, limit })),
        )
      : // A session has few tasks.
        [currentHeads(overlay, Number.POSITIVE_INFINITY, () => answerOf(tasks.index('session').getAll(sessionId)))];
  const heads = (await Promise.all(pages)).flat();
  const current = takeHeads((await overlay).newestFirst, query);
  const listed = [...heads.map(toListed), ...current].sort(compareNewest);
  return takeHeads(listed, query).map(({ head }) => head);
}

/** Those with something pending, the oldest first. */
export async function pendingHeads(tx: IDBTransaction, limit: number, overlay: Promise<Overlay>): Promise<TaskHead[]> {
  const index = tx.objectStore('tasks').index('pending');
  const heads = await currentHeads(overlay, limit, (limit) => answerOf(index.getAll(null, limit)));
  return takePending([...heads, ...(await overlay).newestFirst.map(({ head }) => head)], limit);
}

/** The heads of the first rows, but for those that are out of date; more are asked for where too many are. */
async function currentHeads(
  overlay: Promise<Overlay>,
  limit: number,
  rowsOf: (limit: number) => Promise<TaskRow[]>,
): Promise<TaskHead[]> {
  for (let more = 0; ; more = more * 8 + 8) {
    const rows = await rowsOf(limit + more);
    const { names } = await overlay;
    const found = rows.filter(({ key }) => !names.has(key));
    if (found.length >= limit || rows.length < limit + more) return found.map(headOf);
  }
}

/** What there is of the scopes and states asked for: a leap each, from the first entry of one to that of the next. */
async function stretchesOf(place: IDBIndex, { scope, states }: HeadQuery): Promise<Stretch[]> {
  const name = scope && encodeScope(scope);
  if (name !== undefined && states) return [...new Set(states)].map((state) => [name, state]);
  const found: Stretch[] = [];
  const request = place.openKeyCursor(name === undefined ? null : IDBKeyRange.bound([name], [name, END]));
  for (let cursor = await answerOf(request); cursor; cursor = await answerOf(request)) {
    const [scope, state] = cursor.key as [string, string];
    if (!states || (states as readonly string[]).includes(state)) found.push([scope, state]);
    cursor.continue([scope, state, END]);
  }
  return found;
}

async function pageOf(place: IDBIndex, stretch: Stretch, query: HeadQuery): Promise<TaskRow[]> {
  const { order, limit, after, updatedAfter } = query;
  let lower: IDBValidKey = [...stretch];
  let upper: IDBValidKey = [...stretch, updatedAfter === undefined ? END : -Date.parse(updatedAfter)];
  if (after) {
    const position = [...stretch, -Date.parse(after.updatedAt), after.key];
    if (order === 'newest') lower = [...position, END];
    else if (indexedDB.cmp(position, upper) < 0) upper = position;
  }
  if (indexedDB.cmp(lower, upper) >= 0) return [];
  const all = IDBKeyRange.bound(lower, upper, true, true);
  if (order === 'newest') return answerOf<TaskRow[]>(place.getAll(all, limit));
  // The last rows of a stretch cannot be asked for; where they begin is found by one leap from the end.
  const request = place.openKeyCursor(all, 'prev');
  let cursor = await answerOf(request);
  if (cursor && limit > 1) {
    cursor.advance(limit - 1);
    cursor = await answerOf(request);
  }
  return answerOf<TaskRow[]>(place.getAll(cursor ? IDBKeyRange.bound(cursor.key, upper, false, true) : all));
}
