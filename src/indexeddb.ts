/** `holdfast/indexeddb`: the store with nothing but IndexedDB under it. */
import { indexedDb } from './backends/indexeddb.ts';
import { createOpenTaskStore, type OpenTaskStore } from './open-task-store.ts';

export * from './public.ts';
export { indexedDb };

/** Opens a store in IndexedDB; rejects where it is not usable. */
export const openTaskStore: OpenTaskStore = (options) => createOpenTaskStore([indexedDb()])(options);
