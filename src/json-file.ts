/** `holdfast/json-file`: the store with nothing but a JSON file under it. */
import { type JsonFileOptions, jsonFile } from './backends/json-file.ts';
import { createOpenTaskStore, type OpenTaskStore } from './open-task-store.ts';

export * from './public.ts';
export { type JsonFileOptions, jsonFile };

/** Opens a store in a JSON file. */
export const openTaskStore: OpenTaskStore = (options) => createOpenTaskStore([jsonFile()])(options);
