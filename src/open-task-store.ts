/** Opening a store: which backend it gets and why. Never a weaker one than asked for, unless that was asked for too. */
import type { Backend, BackendFactory, BackendKind, Durability } from './backends/backend.ts';
import { memory } from './backends/memory.ts';
import { invalidArgument, TaskStoreError } from './core/errors.ts';
import { defaultEnvironment, type Environment } from './environment.ts';
import { LocalTaskStore } from './local-task-store.ts';
import type { SyncAdapter } from './store-port.ts';

export interface OpenOptions {
  /** The database's name, or the file's (`<name>.json` in the working directory). @default 'holdfast' */
  readonly name?: string;
  /**
   * `'auto'`: IndexedDB wherever it is usable, else a JSON file where there is a file system. Or a kind by name, or a
   * backend of your own.
   * @default 'auto'
   */
  readonly backend?: 'auto' | BackendKind | BackendFactory;
  /** Where the JSON file lies; may be relative, its folder is created. @default `<name>.json` */
  readonly path?: string;
  /**
   * `'strict'`: an acknowledged change survives a power cut; `'relaxed'`: it survives a killed process or tab.
   * @default 'strict' for a JSON file, 'relaxed' for IndexedDB
   */
  readonly durability?: Durability;
  /** `'memory'`: keep tasks in memory where nothing durable can be had, instead of rejecting. */
  readonly fallback?: 'memory';
  /** How long the storage may take to answer, in milliseconds. @default 10000 */
  readonly timeoutMs?: number;
  /** Pushes every change to a remote: `elkarSync({ … })` of `holdfast/sync`. */
  readonly sync?: SyncAdapter;
  /** Clock and ids, for tests. */
  readonly environment?: Partial<Environment>;
}

export type OpenTaskStore = (options?: OpenOptions) => Promise<LocalTaskStore>;

/** An `openTaskStore` that knows these backends and, with `'auto'`, tries them in this order. */
export function createOpenTaskStore(factories: readonly BackendFactory[]): OpenTaskStore {
  return async (options = {}) => {
    const environment = { ...defaultEnvironment(), ...options.environment };
    const { backend, reason } = await openBackend(factories, options);
    return new LocalTaskStore(backend, reason, environment, options.sync);
  };
}

async function openBackend(
  factories: readonly BackendFactory[],
  options: OpenOptions,
): Promise<{ backend: Backend; reason: string }> {
  const { name = 'holdfast', backend = 'auto', path, durability, timeoutMs = 10_000 } = options;
  checkOptions(name, durability, timeoutMs);
  const context = { name, path, durability, timeoutMs };
  const candidates = candidatesFor(backend, factories);
  const refusals: string[] = [];
  const causes: unknown[] = [];
  for (const factory of candidates) {
    const refusal = factory.unsuitable();
    if (refusal === undefined) {
      try {
        const reason = backend === 'auto' ? [...refusals, `${factory.kind}: usable here`].join('; ') : 'asked for';
        return { backend: await factory.open(context), reason };
      } catch (error) {
        if (!(error instanceof TaskStoreError) || error.code !== 'STORE_UNAVAILABLE') throw error;
        refusals.push(`${factory.kind}: ${error.message}`);
        causes.push(error);
        // Storage that should be here and is denied must not turn into storage somewhere else unnoticed.
        break;
      }
    }
    refusals.push(`${factory.kind}: ${refusal}`);
  }
  if (options.fallback === 'memory') {
    return { backend: await memory().open(context), reason: [...refusals, 'memory: asked for as fallback'].join('; ') };
  }
  const message = `no storage is usable here (${refusals.join('; ')})`;
  throw new TaskStoreError('STORE_UNAVAILABLE', message, { operation: 'openTaskStore', cause: causes[0] });
}

function candidatesFor(
  backend: 'auto' | BackendKind | BackendFactory,
  factories: readonly BackendFactory[],
): readonly BackendFactory[] {
  if (typeof backend === 'object') return [backend];
  // Memory is never picked by itself: it keeps nothing.
  if (backend === 'auto') return factories.filter(({ kind }) => kind !== 'memory');
  const named = factories.find(({ kind }) => kind === backend);
  if (named) return [named];
  const known = factories.map(({ kind }) => kind).join(', ');
  throw new TaskStoreError(
    'STORE_UNAVAILABLE',
    `no backend ${JSON.stringify(backend)} in this build, which has: ${known}`,
    {
      operation: 'openTaskStore',
    },
  );
}

function checkOptions(name: unknown, durability: unknown, timeoutMs: unknown): void {
  const issues = [
    { path: ['name'], ok: typeof name === 'string' && name !== '', message: 'expected a text that is not empty' },
    {
      path: ['durability'],
      ok: [undefined, 'strict', 'relaxed'].includes(durability as string),
      message: 'expected strict or relaxed',
    },
    { path: ['timeoutMs'], ok: typeof timeoutMs === 'number' && timeoutMs > 0, message: 'expected a number over 0' },
  ].filter(({ ok }) => !ok);
  if (issues.length > 0) throw invalidArgument(issues, { operation: 'openTaskStore' });
}
