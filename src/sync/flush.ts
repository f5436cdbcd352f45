/** Waiting until the remote has what was stored when the wait began. Holds no state: the store itself knows what is pending. */
import { TaskStoreError } from '../core/errors.ts';
import type { TaskHead, TaskKey } from '../core/head.ts';
import { selectNothing } from '../core/record.ts';
import type { StorePort } from '../store-port.ts';
import { errorOf } from './set-aside.ts';

/** What a wait sees of sync. */
export interface Progress {
  readonly port: StorePort;
  readonly identity: string;
  readonly isStopped: () => boolean;
  /** Whether it is worth looking for what is still pending of all tasks. */
  readonly isDrained: () => boolean;
  /** Why nothing will reach the remote before somebody does something about it. */
  readonly refusal: () => TaskStoreError | undefined;
  /** Resolves when something may have changed. */
  readonly nextChange: (signal: AbortSignal | undefined) => Promise<void>;
}

interface FlushOptions {
  /** Absent: all tasks. */
  readonly key: TaskKey | undefined;
  readonly since: number;
  readonly signal: AbortSignal | undefined;
  /** The error to end with, once the time is up. */
  readonly lateness: () => TaskStoreError | undefined;
}

export async function flush(progress: Progress, { key, since, signal, lateness }: FlushOptions): Promise<void> {
  for (;;) {
    signal?.throwIfAborted();
    if (progress.isStopped()) throw new TaskStoreError('STORE_CLOSED', 'sync has ended', { operation: 'flush' });
    const change = progress.nextChange(signal);
    if (key ? await hasReached(progress, key, since) : await haveAllReached(progress, since)) return;
    const error = progress.refusal() ?? lateness();
    if (error) throw error;
    await change;
  }
}

async function hasReached({ port, identity }: Progress, key: TaskKey, since: number): Promise<boolean> {
  const head = (await port.read(key, selectNothing))?.head;
  return !head || isThrough(head, since, identity);
}

async function haveAllReached({ port, identity, isDrained }: Progress, since: number): Promise<boolean> {
  if (!isDrained()) return false;
  const [oldest] = await port.pending(1);
  if (!oldest || (oldest.pendingSince as number) > since) return true;
  // Tasks that were set aside keep nobody waiting while others are on their way.
  const heads = await port.pending(1000);
  if (heads.some((head) => !errorOf(head, identity) && (head.pendingSince as number) <= since)) return false;
  return isThrough(oldest, since, identity);
}

/** Throws the error of a task that was set aside. */
function isThrough(head: TaskHead, since: number, identity: string): boolean {
  const error = errorOf(head, identity);
  if (error) throw error;
  return head.pendingSince === undefined || head.pendingSince > since;
}
