/** `holdfast` in Node, Bun, Deno and Electron: IndexedDB where there is one (a renderer), else a JSON file. */
import { indexedDb } from './backends/indexeddb.ts';
import { jsonFile } from './backends/json-file.ts';
import { memory } from './backends/memory.ts';
import { createOpenTaskStore, type OpenTaskStore } from './open-task-store.ts';

export * from './public.ts';

/** See the same name in `index.browser.ts`. */
export const openTaskStore: OpenTaskStore = (options) =>
  createOpenTaskStore([indexedDb(), jsonFile(), memory()])(options);
