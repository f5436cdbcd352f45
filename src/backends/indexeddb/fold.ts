/**
 * Folding: what the first records of the journal changed is written to the rows of the tasks, as they are now, and the
 * records are deleted. Where a crash, or another context, leaves a row that is ahead of the journal, what is in both is the
 * same, so nothing is doubled.
 */
import { getRow, promisifyRequest } from './connection.ts';
import type { KnownTask } from './known-task.ts';
import { FOLDED, isFence, NOTHING, type RecordHeader, type TaskRow } from './schema.ts';
import type { Unfolded, View } from './view.ts';

/** So many tasks are written in one transaction, so that a change that comes meanwhile does not wait for long. */
const SLICE = 64;

/** The view must know all records. Answers those that are folded when the transaction is complete. */
export async function fold(tx: IDBTransaction, view: View): Promise<readonly Unfolded[]> {
  const { log, known } = view;
  const [journal, tasks, segments] = [tx.objectStore('journal'), tx.objectStore('tasks'), tx.objectStore('segments')];
  const done: RecordHeader = (await promisifyRequest(journal.get(FOLDED))) ?? NOTHING;
  const folded: Unfolded[] = [];
  const names = new Set<string>();
  const missing = new Set<IDBValidKey>();
  for (const each of log) {
    if (names.size >= SLICE) break;
    folded.push(each);
    // What another context has folded needs no more than to be struck off.
    if (each.header[0] <= done[0]) continue;
    missing.add(each.header[0]);
    for (const name of each.names) names.add(name);
  }
  const last = folded.at(-1)?.header;
  if (!last || last[0] <= done[0]) return folded;
  // A record that is gone was of a task that another context has erased, and that must not come back.
  for (const position of await promisifyRequest(journal.getAllKeys(IDBKeyRange.bound(done[0], last[0], true))))
    missing.delete(position);
  if (missing.size > 0) throw new Error('gone');
  const write = async (name: string) => {
    // All that stands in the log is known.
    const task = known.get(name) as KnownTask | null;
    if (!task?.isRowKnown) {
      const row = await getRow(tx, name);
      if (row && row.id !== task?.id) deleteSegments(tx, row);
      task?.setRow(row);
    }
    if (!task) return tasks.delete(name);
    for (const segment of task.seal()) segments.put(...segment);
    return tasks.put(task.toRow());
  };
  await Promise.all(Array.from(names, write));
  if (!view.isSwept && done[0] > 0) await sweep(journal, done[0]);
  view.isSwept = true;
  journal.delete(IDBKeyRange.bound(done[0], last[0], isFence(done)));
  for (const { header } of folded) if (header === last || isFence(header)) journal.put(header, header[0]);
  journal.put(last, FOLDED);
  return folded;
}

/** Deletes the fences that contexts left that may be gone; once for each context, since it may take long. */
async function sweep(journal: IDBObjectStore, end: number): Promise<void> {
  const fences = await promisifyRequest<RecordHeader[]>(journal.getAll(IDBKeyRange.bound(FOLDED, end, true, true)));
  for (const header of fences) if (!isFence(header)) journal.delete(header[0]);
}

/** For a full disk, which has no room for a record: removes a task by deleting alone. Answers whether that was possible. */
export async function erase(tx: IDBTransaction, { log, last }: View, name: string): Promise<boolean> {
  const records = log.filter(({ names }) => names.includes(name));
  const [done]: RecordHeader = (await promisifyRequest(tx.objectStore('journal').get(FOLDED))) ?? NOTHING;
  // What others build on, or need to see, has to stay.
  const mustStay = ({ header, names }: Unfolded) =>
    names.length > 1 || header[3] > 0 || header[0] === last[0] || header[0] <= done;
  if (records.some(mustStay)) return false;
  const tasks = tx.objectStore('tasks');
  const row = await getRow(tx, name);
  if (row) deleteSegments(tx, row);
  tasks.delete(name);
  for (const { header } of records) tx.objectStore('journal').delete(header[0]);
  return true;
}

function deleteSegments(tx: IDBTransaction, { id }: TaskRow): void {
  tx.objectStore('segments').delete(IDBKeyRange.bound([id], [id, []]));
}
