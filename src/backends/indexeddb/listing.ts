/**
 * Lists, by the index that has the tasks of each scope and state with the newest first: a page takes the first rows of each
 * such prefix that the query touches, and merges them, and the tasks that have changed since their rows were written. Rows
 * are never walked with a cursor, which costs several times as much.
 */
import { encodeScope, type TaskHead } from '../../core/head.ts';
import { compareNewest, type HeadQuery, takeHeads, takePending, toListed } from '../../core/query.ts';
import { promisifyRequest } from './connection.ts';
import { headOf, type TaskRow } from './schema.ts';
import { overlayOf, type Pages, TASK_WEIGHT, type View } from './view.ts';

type IndexPrefix = readonly [scope: string, state: string];

/** Sorts after every number and text, and so ends what begins with the same fields. */
const END: IDBValidKey = [];

/** What a list works with: rows are asked for at once, while it is learned which of them are out of date. */
export interface ListContext {
  readonly tx: IDBTransaction;
  /** As they were when it began. */
  readonly pages: View['pages'];
  /** Resolves when all is known that is in the journal. */
  readonly view: Promise<View>;
}

export async function listHeads(context: ListContext, query: HeadQuery): Promise<TaskHead[]> {
  const heads = await currentHeads(context, query.limit, (limit) => recall(context, { ...query, limit }));
  // There may be far more of them than are asked for.
  const unfolded = takeHeads(overlayOf(await context.view).newestFirst, query);
  const listed = [...heads.map(toListed), ...unfolded].sort(compareNewest);
  return takeHeads(listed, query).map(({ head }) => head);
}

/** Those with something pending, the oldest first. */
export async function pendingHeads(context: ListContext, limit: number): Promise<TaskHead[]> {
  const index = context.tx.objectStore('tasks').index('pending');
  const heads = await currentHeads(context, limit, async (limit) => [
    await promisifyRequest<TaskRow[]>(index.getAll(null, limit)),
  ]);
  return takePending([...heads, ...overlayOf(await context.view).newestFirst.map(({ head }) => head)], limit);
}

/** The heads of the first rows, but for those that are out of date; more are asked for where too many are. */
async function currentHeads(
  { view }: ListContext,
  limit: number,
  pagesOf: (limit: number) => Promise<Pages>,
): Promise<TaskHead[]> {
  for (let more = 0; ; more = more * 8 + 8) {
    const pages = await pagesOf(limit + more);
    const { names } = overlayOf(await view);
    const current = pages.map((rows) => rows.filter(({ key }) => !names.has(key)));
    const isEnough = (rows: Pages[number], i: number) =>
      rows.length >= limit || (pages[i] as typeof rows).length < limit + more;
    // Parsed anew each time, since they are the caller's own.
    if (current.every(isEnough)) return current.flat().map(headOf);
  }
}

/** What was asked for before is not read again while nothing was folded. */
async function recall({ tx, pages, view }: ListContext, query: HeadQuery): Promise<Pages> {
  const name = JSON.stringify(query);
  const kept = pages.get(name);
  if (kept && (await view).pages === pages) return kept;
  const found = (await rowsOf(tx.objectStore('tasks'), query)).map((rows) =>
    rows.map(({ key, head }) => ({ key, head })),
  );
  const now = await view;
  now.pages.set(name, found);
  now.weight += found.flat().reduce((weight, { head }) => weight + head.length, TASK_WEIGHT);
  return found;
}

async function rowsOf(tasks: IDBObjectStore, query: HeadQuery): Promise<TaskRow[][]> {
  // A session has few tasks.
  if (query.sessionId !== undefined) return [await promisifyRequest(tasks.index('session').getAll(query.sessionId))];
  const place = tasks.index('place');
  const prefixes = await prefixesOf(place, query);
  return Promise.all(prefixes.map((prefix) => pageOf(place, prefix, query)));
}

/** What there is of the scopes and states asked for: a leap each, from the first entry of one to that of the next. */
async function prefixesOf(place: IDBIndex, { scope, states }: HeadQuery): Promise<IndexPrefix[]> {
  const name = scope && encodeScope(scope);
  if (name !== undefined && states) return [...new Set(states)].map((state) => [name, state]);
  const found: IndexPrefix[] = [];
  const request = place.openKeyCursor(name === undefined ? null : IDBKeyRange.bound([name], [name, END]));
  for (let cursor = await promisifyRequest(request); cursor; cursor = await promisifyRequest(request)) {
    const [scope, state] = cursor.key as [string, string];
    if (!states || (states as readonly string[]).includes(state)) found.push([scope, state]);
    cursor.continue([scope, state, END]);
  }
  return found;
}

async function pageOf(place: IDBIndex, prefix: IndexPrefix, query: HeadQuery): Promise<TaskRow[]> {
  const { order, limit, after, updatedAfter } = query;
  let lower: IDBValidKey = [...prefix];
  let upper: IDBValidKey = [...prefix, updatedAfter === undefined ? END : -Date.parse(updatedAfter)];
  if (after) {
    const position = [...prefix, -Date.parse(after.updatedAt), after.key];
    if (order === 'newest') lower = position;
    else if (indexedDB.cmp(position, upper) < 0) upper = position;
  }
  if (indexedDB.cmp(lower, upper) >= 0) return [];
  const all = IDBKeyRange.bound(lower, upper, true, true);
  if (order === 'newest') return promisifyRequest<TaskRow[]>(place.getAll(all, limit));
  // The last rows of a prefix cannot be asked for; where they begin is found by one leap from the end.
  const request = place.openKeyCursor(all, 'prev');
  let cursor = await promisifyRequest(request);
  if (cursor && limit > 1) {
    cursor.advance(limit - 1);
    cursor = await promisifyRequest(request);
  }
  return promisifyRequest<TaskRow[]>(place.getAll(cursor ? IDBKeyRange.bound(cursor.key, upper, false, true) : all));
}
