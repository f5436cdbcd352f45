import type { BackendFactory } from './backend.ts';

export function jsonFile(): BackendFactory {
  return { kind: 'json-file', unsuitable: () => 'not built yet', open: () => Promise.reject(new Error()) };
}
