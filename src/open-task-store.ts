/** Opening a store: which backend it gets and why. Never a weaker one than asked for, unless that was asked for too. */
import type { Backend, BackendFactory, BackendKind, Durability } from './backends/backend.ts';
import { memory } from './backends/memory.ts';
import { inCall, TaskStoreError } from './core/errors.ts';
import { callable, check, duration, id, object, oneOf, optional } from './core/shape.ts';
import { defaultEnvironment, type Environment } from './environment.ts';
import { LocalTaskStore } from './local-task-store.ts';
import type { SyncAdapter } from './store-port.ts';
import type { TaskSync } from './task-store.ts';

export interface OpenOptions {
  /** The database's name, or the file's (`<name>.json` in the working directory). @default 'holdfast' */
  readonly name?: string | undefined;
  /**
   * `'auto'`: IndexedDB wherever it is usable, else a JSON file where there is a file system. Or a kind by name, or a
   * backend of your own.
   * @default 'auto'
   */
  readonly backend?: 'auto' | BackendKind | BackendFactory | undefined;
  /** Where the JSON file lies; may be relative, its folder is created. @default `<name>.json` */
  readonly path?: string | undefined;
  /**
   * `'strict'`: an acknowledged change survives a power cut; `'relaxed'`: it survives a killed process or tab.
   * @default 'strict' for a JSON file, 'relaxed' for IndexedDB
   */
  readonly durability?: Durability | undefined;
  /** `'memory'`: keep tasks in memory where nothing durable can be had, instead of rejecting with `STORE_UNAVAILABLE`. */
  readonly fallback?: 'memory' | undefined;
  /** How long the storage may take to answer, in milliseconds. @default 10000 */
  readonly timeoutMs?: number | undefined;
  /** Pushes every change to a remote: `elkarSync({ … })` of `holdfast/sync`. */
  readonly sync?: SyncAdapter | undefined;
  /** Clock and ids, for tests. */
  readonly environment?: Partial<Environment> | undefined;
}

/** A store that was opened with sync. */
export type SyncedTaskStore = LocalTaskStore & { readonly sync: TaskSync };

export interface OpenTaskStore {
  (options: OpenOptions & { readonly sync: SyncAdapter }): Promise<SyncedTaskStore>;
  (options?: OpenOptions): Promise<LocalTaskStore>;
}

const optionsShape = object({
  name: optional(id),
  durability: optional(oneOf('strict', 'relaxed')),
  timeoutMs: optional(duration),
  sync: optional(object({ start: callable })),
  fallback: optional(oneOf('memory')),
});

/** An `openTaskStore` that knows these backends and, with `'auto'`, tries them in this order. */
export function createOpenTaskStore(factories: readonly BackendFactory[]) {
  // Typed as what the first way to call it gives; `OpenTaskStore` says when.
  return async (options: OpenOptions = {}): Promise<SyncedTaskStore> => {
    try {
      check(optionsShape, options);
      const { backend, reason } = await openBackend(factories, options);
      const environment = { ...defaultEnvironment(), ...options.environment };
      return new LocalTaskStore(backend, reason, environment, options.sync) as SyncedTaskStore;
    } catch (error) {
      throw inCall(error, 'openTaskStore');
    }
  };
}

async function openBackend(
  factories: readonly BackendFactory[],
  { name = 'holdfast', backend = 'auto', path, durability, timeoutMs = 10_000, fallback }: OpenOptions,
): Promise<{ backend: Backend; reason: string }> {
  const context = { name, path, durability, timeoutMs };
  const refusals: string[] = [];
  let cause: unknown;
  for (const factory of candidatesFor(backend, factories)) {
    let refusal = factory.unsuitable();
    if (refusal === undefined) {
      try {
        return {
          backend: await factory.open(context),
          reason: backend === 'auto' ? [...refusals, `${factory.kind}: usable here`].join('; ') : 'asked for',
        };
      } catch (error) {
        if (!(error instanceof TaskStoreError) || error.code !== 'STORE_UNAVAILABLE') throw error;
        refusal = error.message;
        cause = error;
      }
    }
    refusals.push(`${factory.kind}: ${refusal}`);
    // Storage that should be here and is denied must not turn into storage somewhere else unnoticed.
    if (cause) break;
  }
  const reasons = refusals.join('; ');
  if (fallback) return { backend: await memory().open(context), reason: `${reasons}; memory: as fallback` };
  throw new TaskStoreError('STORE_UNAVAILABLE', `no storage is usable (${reasons})`, { cause });
}

/** With `'auto'` memory is never picked by itself: it keeps nothing. */
function candidatesFor(
  backend: 'auto' | BackendKind | BackendFactory,
  factories: readonly BackendFactory[],
): readonly BackendFactory[] {
  if (typeof backend === 'object' && backend) return [backend];
  const found = factories.filter(({ kind }) => (backend === 'auto' ? kind !== 'memory' : kind === backend));
  if (found.length > 0) return found;
  throw new TaskStoreError(
    'STORE_UNAVAILABLE',
    `no backend "${backend}" in this build, only ${factories.map(({ kind }) => kind)}`,
  );
}
