/** What sync works with in one context. */
import type { TaskStoreError } from '../core/errors.ts';
import { WireRequests } from '../elkar/wire-request.ts';
import type { StorePort } from '../store-port.ts';
import { identityOf } from './identity.ts';
import { type Settings, type SyncOptions, settingsOf } from './options.ts';

export interface SyncContext extends Settings, StorePort {
  readonly wire: WireRequests;
  /** See `identityOf`. */
  readonly identity: string;
  /** Of this context; unique. */
  readonly id: string;
  /** Whether other contexts may have the same storage open. */
  readonly isShared: boolean;
  /** How long a request claims its task for this context, in ms; 0 where no other context can push. */
  readonly claimMs: number;
  /** The key was refused, or the user said so. */
  readonly pause: { by?: TaskStoreError | 'user' | undefined };
  readonly onChange: () => void;
  /** The remote has answered as Elkar does. */
  readonly onAnswer: () => void;
  /** Of this leader, over those of leaders before it; undefined: it pulls, and does not push. */
  readonly term?: number;
  readonly signal?: AbortSignal | undefined;
}

export function contextOf(
  port: StorePort,
  options: SyncOptions,
  on: Pick<SyncContext, 'onChange' | 'onAnswer'>,
): SyncContext {
  const settings = settingsOf(options);
  // Files have one owner, memory one context; databases of browsers are open to every tab.
  const isShared = port.backend.info.kind === 'indexeddb';
  return {
    ...settings,
    ...port,
    wire: new WireRequests(options),
    identity: identityOf(options),
    id: port.newId(),
    isShared,
    claimMs: isShared && !settings.locks ? settings.timeoutMs * 2 : 0,
    pause: {},
    ...on,
  };
}
