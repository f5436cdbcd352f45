import type { BackendFactory } from './backend.ts';

export function indexedDb(): BackendFactory {
  return { kind: 'indexeddb', unsuitable: () => 'not built yet', open: () => Promise.reject(new Error()) };
}
