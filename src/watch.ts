/** One `watch`: the task as it is, then each time it has changed. Holds no backlog, only the knowledge that there is news. */

import type { Backend } from './backends/backend.ts';
import type { ChangeHub } from './change-hub.ts';
import { onAbort } from './core/abort.ts';
import type { TaskKey } from './core/head.ts';
import { selectView, toStoredTask } from './core/record.ts';
import type { StoredTask } from './core/task.ts';
import type { ReadOptions } from './task-store.ts';

export function watchTask(
  backend: Pick<Backend, 'read'>,
  hub: ChangeHub,
  key: TaskKey,
  options: ReadOptions,
): AsyncIterableIterator<StoredTask> {
  const { signal } = options;
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
  const off = hub.onWake(key, (gone) => {
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
      const record = await backend.read(key, selectView(options)).catch((error: unknown) => {
        // Whoever has ended it waits for nothing more, not even an error.
        if (ended) return undefined;
        end();
        throw error;
      });
      if (ended) break;
      const version = record && `${record.id} ${record.head.revision}`;
      if (version === seen) continue;
      seen = version;
      if (record) return { done: false, value: toStoredTask(record, options) };
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
