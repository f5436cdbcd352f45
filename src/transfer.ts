/** Whole stores on the move: export, import, and pruning what is finished. All go through the port, task by task. */
import { invalidArgument, type TaskStoreError, toTaskStoreError } from './core/errors.ts';
import { keyOf, type TaskHead } from './core/head.ts';
import { selectAll, toStoredTask } from './core/record.ts';
import { validate } from './core/shape.ts';
import { finishedStates, type StoredTask, storedTaskShape } from './core/task.ts';
import { oldestFirst, type StorePort } from './store-port.ts';
import type { ExportOptions, ImportOptions, ImportResult, ImportSource, PruneOptions } from './task-store.ts';

/** So many imports are under way at a time. */
const BATCH = 500;

type Line = readonly [item: string | StoredTask, at: number];

export async function* exportTasks(port: StorePort, { callerId, signal }: ExportOptions): AsyncGenerator<string> {
  for await (const { key } of oldestFirst(port, {})) {
    signal?.throwIfAborted();
    if (callerId !== undefined && key.callerId !== callerId) continue;
    const record = await port.read(key, selectAll);
    if (record) yield `${JSON.stringify(toStoredTask(record, {}))}\n`;
  }
}

export async function importTasks(
  port: StorePort,
  source: ImportSource,
  options: ImportOptions,
): Promise<ImportResult> {
  let imported = 0;
  let skipped = 0;
  let line = 0;
  const failed: { line: number; error: TaskStoreError }[] = [];

  const take = async ([item, at]: Line) => {
    let stored: StoredTask;
    try {
      stored = validate<StoredTask>(storedTaskShape, typeof item === 'string' ? JSON.parse(item) : item);
    } catch (error) {
      const details = { operation: 'importTasks' };
      failed.push({ line: at, error: toTaskStoreError(error, 'INVALID_ARGUMENT', `line ${at} is not JSON`, details) });
      return;
    }
    const { decision } = await port.transact(keyOf(stored.id, stored), (head) => {
      const kept = head && (options.onConflict !== 'replace' || head.pendingSince !== undefined);
      return kept ? undefined : { type: 'restore', stored };
    });
    decision ? imported++ : skipped++;
  };

  // Gathered first and begun together: a failure is heard at once, however long the source takes over what comes next.
  const batch: Line[] = [];
  const flush = () => Promise.all(batch.splice(0).map(take));
  for await (const item of linesOf(source)) {
    options.signal?.throwIfAborted();
    line++;
    if (typeof item === 'string' && item.trim() === '') continue;
    batch.push([item, line]);
    if (batch.length === BATCH) await flush();
  }
  await flush();
  return { imported, skipped, failed };
}

/** Lines of text, however they were cut; what comes as an object is handed on. */
export async function* linesOf(source: ImportSource): AsyncGenerator<string | StoredTask> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of typeof source === 'string' ? [source] : source) {
    if (typeof piece !== 'string' && !(piece instanceof Uint8Array)) {
      yield piece;
      continue;
    }
    const lines = (typeof piece === 'string' ? piece : decoder.decode(piece, { stream: true })).split('\n');
    // What was there is not looked through again: a line may come in thousands of pieces.
    lines[0] = rest + lines[0];
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest) yield rest;
}

export async function prune(port: StorePort, { olderThan, states, signal }: PruneOptions): Promise<number> {
  const before = new Date(olderThan);
  if (Number.isNaN(before.getTime())) throw invalidArgument([{ path: ['olderThan'], message: 'expected a time' }]);
  const limit = before.toISOString();
  const prunable = [...finishedStates].filter((state) => !states || states.includes(state));
  const isPrunable = ({ updatedAt, pendingSince, body }: TaskHead) =>
    updatedAt < limit && pendingSince === undefined && prunable.includes(body.status.state);

  let pruned = 0;
  for await (const { key, updatedAt } of oldestFirst(port, { states: prunable })) {
    signal?.throwIfAborted();
    if (updatedAt >= limit) break;
    const { decision } = await port.transact(key, (head) => (head && isPrunable(head) ? 'remove' : undefined));
    if (decision) pruned++;
  }
  return pruned;
}
