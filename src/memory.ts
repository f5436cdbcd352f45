/** `holdfast/memory`: the store with nothing but memory under it. */
import { memory } from './backends/memory.ts';
import { createOpenTaskStore, type OpenTaskStore } from './open-task-store.ts';

export * from './public.ts';
export { memory };

/** Opens a store in memory, whatever else this place offers. */
export const openTaskStore: OpenTaskStore = (options) =>
  createOpenTaskStore([memory()])({ backend: 'memory', ...options });
