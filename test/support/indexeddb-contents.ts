/** All that a store shows, by which two that must be equal are compared. */
import { expect } from 'vitest';
import type { TaskStore } from '../../src/index.browser.ts';
import { insisted } from './indexeddb-calls.ts';
import { messagesOf } from './indexeddb-ledger.ts';

/** The tasks as they are listed, each of them whole; it is read in part first, which may be less of it than is in memory. */
export async function contentsOf(store: TaskStore): Promise<unknown[]> {
  const { tasks } = await insisted(() => store.listTasks({ limit: 100 }));
  const contents: unknown[] = [];
  for (const { id, taskType } of tasks) {
    const read = (options = {}) =>
      insisted(async () =>
        taskType === 'outgoing' ? await store.getTaskForClient(id, options) : await store.getTask(id, options),
      );
    const [last, whole] = [await read({ historyLength: 7 }), await read()];
    expect(messagesOf(last), 'the last messages are those of all').toEqual(messagesOf(whole).slice(-7));
    contents.push({ id, taskType, whole });
  }
  return contents;
}
