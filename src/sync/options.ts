/** What `elkarSync` takes, and what it takes for granted. */
import { type Later, later } from '../core/deadline.ts';
import { amount, count, id, object, optional } from '../core/shape.ts';
import { type ElkarTransportOptions, transportShape } from '../elkar/wire-request.ts';
import type { Locks } from './leader.ts';

export interface SyncOptions extends ElkarTransportOptions {
  /**
   * Whose tasks these are: the account or tenant that the key belongs to. Changes made under one identity (this and
   * `baseUrl`) are never pushed under another.
   * @default ''
   */
  readonly identity?: string | undefined;
  /** Stands on the server for "no caller"; as the client's. @default 'holdfast' */
  readonly defaultCallerId?: string | undefined;
  /** How many tasks are pushed side by side. @default 4 */
  readonly concurrency?: number | undefined;
  /** How large one request may get, in bytes. Keep it under the server's limit of 2 MB. @default 1500000 */
  readonly maxRequestBytes?: number | undefined;
  /** How long changes are gathered before they are pushed, in ms. @default 50 */
  readonly gatherMs?: number | undefined;
  /** The longest wait after failures, also of one that the server asks for, in ms. @default 300000 */
  readonly maxBackoffMs?: number | undefined;
  /** Pull tasks that are not finished every so many ms; at most once a second. @default never */
  readonly pollMs?: number | undefined;
  /**
   * A tab that leads and does not answer is succeeded once a change has been pending for so long, in ms, or at once when
   * another becomes visible.
   * @default 5000
   */
  readonly patienceMs?: number | undefined;
  /** Timers, randomness and locks, for tests. @default the platform's */
  readonly platform?: Partial<SyncPlatform> | undefined;
}

export interface SyncPlatform {
  /**
   * Calls `then` after so many ms, unless the returned function is called before. Only where somebody waits for it
   * (`isWaitedFor`) does it keep the process from ending.
   */
  readonly later: Later;
  /** From 0 to under 1. */
  readonly random: () => number;
  /** `null`: there are none. */
  readonly locks: Locks | null;
  /** Speaks to other contexts on the same storage. `null`: there is no such thing. */
  readonly openChannel: ((name: string) => Channel) | null;
  /** Calls `wake` when the network comes back or the page is seen again. Ends with the returned function. */
  readonly onWake: (wake: () => void) => () => void;
}

/** What sync needs of a `BroadcastChannel`. */
export interface Channel {
  /** Called with an event whose `data` is what another posted. */
  onmessage: unknown;
  postMessage(message: unknown): void;
  close(): void;
}

type Defaulted = 'concurrency' | 'maxRequestBytes' | 'gatherMs' | 'maxBackoffMs' | 'patienceMs' | 'timeoutMs';

/** Every option, as given or by default; the platform's among them. */
export type Settings = SyncPlatform &
  Omit<SyncOptions, 'identity'> & { readonly [K in Defaulted]: number } & { readonly defaultCallerId: string };

/** What this place offers is looked up now. */
export function settingsOf(options: SyncOptions): Settings {
  const { navigator, BroadcastChannel } = globalThis as Partial<typeof globalThis>;
  const given = Object.entries({ ...options, ...options.platform }).filter(([, value]) => value !== undefined);
  return {
    concurrency: 4,
    maxRequestBytes: 1_500_000,
    gatherMs: 50,
    maxBackoffMs: 300_000,
    patienceMs: 5000,
    timeoutMs: 30_000,
    defaultCallerId: 'holdfast',
    later,
    random: Math.random,
    locks: navigator?.locks ?? null,
    openChannel: BroadcastChannel ? (name) => new BroadcastChannel(name) : null,
    onWake: listenToPage,
    ...(Object.fromEntries(given) as unknown as Pick<SyncOptions, 'baseUrl' | 'apiKey'>),
  };
}

function listenToPage(wake: () => void): () => void {
  const here = globalThis as Partial<typeof globalThis>;
  const end = new AbortController();
  // As options it gives its signal.
  here.addEventListener?.('online', wake, end);
  here.addEventListener?.('visibilitychange', () => document.hidden || wake(), end);
  return () => end.abort();
}

const time = optional(count);

export const optionsShape = object(
  {
    concurrency: optional(amount),
    maxRequestBytes: optional(amount),
    gatherMs: time,
    maxBackoffMs: time,
    pollMs: time,
    patienceMs: time,
    defaultCallerId: optional(id),
  },
  transportShape,
);
