import { TaskStoreError } from '../core/errors.ts';
import type { StorePort } from '../store-port.ts';
import type { TaskStore } from '../task-store.ts';

/** The SDK writes whole tasks, which only a store with its own transaction can turn into appends. */
export function requirePort(store: TaskStore, operation: string): StorePort {
  const { port } = store as TaskStore & { readonly port?: StorePort };
  if (port) return port;
  throw new TaskStoreError('UNSUPPORTED', 'needs a local store, such as openTaskStore gives', {
    operation,
  });
}
