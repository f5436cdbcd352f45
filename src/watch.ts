/** One `watch`: the task as it is, then each time it has changed. Holds no backlog, only the knowledge that there is news. */

import type { Wake } from './change-hub.ts';
import { onAbort } from './core/abort.ts';
import type { TaskRecord } from './core/record.ts';
import type { StoredTask } from './core/task.ts';

interface WatchSource {
  read(): Promise<TaskRecord | undefined>;
  toStoredTask(record: TaskRecord): StoredTask;
  onWake(wake: Wake): () => void;
}

export function watchTask(source: WatchSource, signal: AbortSignal | undefined): AsyncIterableIterator<StoredTask> {
  let news = true;
  let ended = false;
  let seen: string | undefined;
  let notify = () => {};
  let ignore: (() => void) | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const end = () => {
    ended = true;
    off();
    ignore?.();
    notify();
  };
  const off = source.onWake((gone) => {
    news = true;
    gone ? end() : notify();
  });
  if (signal?.aborted) end();
  else ignore = signal && onAbort(signal, end);

  const step = async (): Promise<IteratorResult<StoredTask>> => {
    while (!ended) {
      if (!news) {
        await new Promise<void>((resolve) => {
          notify = resolve;
        });
        continue;
      }
      news = false;
      const record = await source.read().catch((error: unknown) => {
        // Whoever has ended it waits for nothing more, not even an error.
        if (ended) return undefined;
        end();
        throw error;
      });
      if (ended) break;
      const version = record && `${record.id} ${record.head.revision}`;
      if (version === seen) continue;
      seen = version;
      if (record) return { done: false, value: source.toStoredTask(record) };
      end();
    }
    return { done: true, value: undefined };
  };

  return {
    // Calls of next that overlap are answered in turn.
    next() {
      const result = turn.then(step);
      turn = result.catch(() => {});
      return result;
    },
    return() {
      end();
      return step();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
