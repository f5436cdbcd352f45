/** `holdfast/sync`: every change to an Elkar endpoint, exactly once, whenever there is a network. */
import { check } from './core/shape.ts';
import type { SyncAdapter } from './store-port.ts';
import { identityOf } from './sync/identity.ts';
import { optionsShape, type SyncOptions } from './sync/options.ts';
import { ElkarSync } from './sync/sync.ts';

export type { Later } from './core/deadline.ts';
export type { SyncAdapter } from './store-port.ts';
export type { LockRequest, Locks } from './sync/leader.ts';
export type { Channel, SyncOptions, SyncPlatform } from './sync/options.ts';
export type { BlockedTask, FlushOptions, SyncStatus, SyncTaskOptions, TaskSync } from './task-store.ts';

/**
 * Keeps a remote up to date with a store. Everything works offline at once; changes go up when they can.
 *
 * @throws TaskStoreError `INVALID_ARGUMENT`
 * @example
 * const store = await openTaskStore({ name: 'my-agent', sync: elkarSync({ baseUrl: 'https://host/api', apiKey }) });
 * await store.updateTask('t1', { status: { state: 'completed' } }, { until: 'remote' });
 */
export function elkarSync(options: SyncOptions): SyncAdapter {
  // The caller's own may be changed, to open another store with.
  const kept = { ...options };
  check(optionsShape, kept);
  return { identity: identityOf(kept), start: (port) => new ElkarSync(port, kept) };
}
