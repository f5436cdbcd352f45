/** `holdfast` in browsers and their workers: IndexedDB, or memory where asked for. */
import { indexedDb } from './backends/indexeddb.ts';
import { memory } from './backends/memory.ts';
import { createOpenTaskStore, type OpenTaskStore } from './open-task-store.ts';

export * from './public.ts';

/**
 * Opens a store: IndexedDB in browsers, a JSON file in Node, memory where asked for.
 * @throws TaskStoreError `STORE_UNAVAILABLE`, with the reasons, where nothing durable can be had
 * @example const store = await openTaskStore({ name: 'my-agent' });
 */
export const openTaskStore: OpenTaskStore = (options) => createOpenTaskStore([indexedDb(), memory()])(options);
