/** Whole stores on the move: export, import, and pruning what is finished. All go through the port, task by task. */
import { inCall, type TaskStoreError, toTaskStoreError } from './core/errors.ts';
import { keyOf, type TaskHead } from './core/head.ts';
import { copyJson } from './core/json.ts';
import { selectAll, toStoredTask } from './core/record.ts';
import { check, is, list, object, optional } from './core/shape.ts';
import { finishedStates, type StoredTask } from './core/task.ts';
import { checkStoredTask, stateShape } from './core/task-shapes.ts';
import { oldestFirst, type StorePort } from './store-port.ts';
import type { ExportOptions, ImportOptions, ImportResult, ImportSource, PruneOptions } from './task-store.ts';

/** Lines of so many characters are imported at a time; each task counts a little itself. */
const BATCH_LENGTH = 4_000_000;
const TASK_LENGTH = 4_000;

export async function* exportTasks(port: StorePort, { callerId, ...options }: ExportOptions): AsyncGenerator<string> {
  const list: StorePort['backend']['list'] = (query) =>
    port.run('exportTasks', undefined, () => port.backend.list(query), options);
  for await (const heads of oldestFirst({ list }, {})) {
    for (const { key } of heads) {
      if (callerId !== undefined && key.callerId !== callerId) continue;
      const record = await port.run('exportTasks', key.taskId, () => port.backend.read(key, selectAll), options);
      if (record) yield `${JSON.stringify(toStoredTask(record, {}))}\n`;
    }
  }
}

const sourceShape = is(
  (source) => Symbol.iterator in Object(source) || Symbol.asyncIterator in Object(source),
  'text or lines',
);

export async function importTasks(
  port: StorePort,
  source: ImportSource,
  { onConflict, signal }: ImportOptions,
): Promise<ImportResult> {
  check(sourceShape, source);
  let imported = 0;
  let skipped = 0;
  let line = 0;
  const failed: { line: number; error: TaskStoreError }[] = [];

  const take = async (stored: StoredTask) => {
    const { decision } = await port.transact(keyOf(stored.id, stored), (head) => {
      const kept = head && (onConflict !== 'replace' || head.pendingSince !== undefined);
      return kept ? undefined : { type: 'restore', stored };
    });
    decision ? imported++ : skipped++;
  };

  // Gathered first and begun together: a failure is heard at once, however long the source takes over what comes next.
  const batch: StoredTask[] = [];
  let length = 0;
  const flush = async () => {
    // Who has given it up is not to find more of it later.
    signal?.throwIfAborted();
    length = 0;
    await together(batch.splice(0), take);
  };
  for await (const item of linesOf(source)) {
    signal?.throwIfAborted();
    line++;
    // Also of the mark that some editors put before the first line.
    const given = typeof item === 'string' ? item.trim() : item;
    if (given === '') continue;
    try {
      // Copied at once: a source may fill one object again and again.
      const stored: StoredTask = copyJson(typeof given === 'string' ? JSON.parse(given) : given);
      checkStoredTask(stored);
      batch.push(stored);
      length += TASK_LENGTH + (typeof given === 'string' ? given.length : 0);
    } catch (error) {
      const why = toTaskStoreError(error, 'INVALID_ARGUMENT', `line ${line} is not JSON in UTF-8`);
      failed.push({ line, error: inCall(why, 'importTasks') as TaskStoreError });
    }
    if (length > BATCH_LENGTH) await flush();
  }
  await flush();
  return { imported, skipped, failed };
}

const NEWLINE = 10;

/**
 * Lines of text, however they were cut; what comes as an object is handed on. A decoder alone would put readable characters
 * in the place of bytes that are not UTF-8; here their line gets one that JSON does not allow, so that it is refused, and so does
 * a line that is longer than a text may be.
 */
export async function* linesOf(source: ImportSource): AsyncGenerator<string | StoredTask> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  const add = (piece?: string | Uint8Array, options?: TextDecodeOptions) => {
    try {
      rest += typeof piece === 'string' ? piece : decoder.decode(piece, options);
    } catch {
      rest = '\0';
    }
  };
  // Bytes would come as numbers. Those of a frame, or of Node under jsdom, are of another `Uint8Array`.
  for await (const piece of ArrayBuffer.isView(source) || typeof source === 'string' ? [source] : source) {
    // What came before is not looked through again: a line may be long and come in many pieces.
    if (typeof piece === 'string') {
      const [end, ...lines] = piece.split('\n');
      add(end);
      for (const line of lines) {
        yield rest;
        rest = line;
      }
    } else if (ArrayBuffer.isView(piece)) {
      let bytes = piece;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE)) {
        add(bytes.subarray(0, end));
        yield rest;
        rest = '';
        bytes = bytes.subarray(end + 1);
      }
      add(bytes, { stream: true });
    } else yield piece;
  }
  add();
  if (rest) yield rest;
}

const pruneShape = object({
  olderThan: is((time) => !Number.isNaN(+new Date(time as string)), 'a time'),
  states: optional(list(stateShape)),
});

export async function prune(port: StorePort, options: PruneOptions): Promise<number> {
  check(pruneShape, options);
  const { olderThan, states, signal } = options;
  // As a number: after the year 9999 the order of texts is not that of times.
  const limit = +new Date(olderThan);
  const prunable = [...finishedStates].filter((state) => !states || states.includes(state));
  const isOld = ({ updatedAt }: TaskHead) => Date.parse(updatedAt) < limit;
  const isPrunable = (head: TaskHead) =>
    isOld(head) && head.pendingSince === undefined && prunable.includes(head.body.status.state);

  let pruned = 0;
  for await (const heads of oldestFirst(port.backend, { states: prunable })) {
    signal?.throwIfAborted();
    await together(heads.filter(isPrunable), async ({ key }) => {
      const { decision } = await port.transact(key, (head) => (head && isPrunable(head) ? 'remove' : undefined));
      if (decision) pruned++;
    });
    if (!heads.every(isOld)) break;
  }
  return pruned;
}

/**
 * Begun together, they share transactions. All of them have ended when one's failure is told: nothing is changed behind the
 * caller's back.
 */
async function together<T>(items: readonly T[], take: (item: T) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(items.map(take));
  for (const result of results) if ('reason' in result) throw result.reason;
}
