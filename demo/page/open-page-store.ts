/** The page's store: of the program around it where there is one, else this browser's, pushed to the server it came from. */
import { openTaskStore, type TaskStore } from 'holdfast';
import { ElkarClientStore } from 'holdfast/elkar';
import { elkarSync } from 'holdfast/sync';
import { type Bridge, BridgedStore } from './bridged-store.ts';
import { faultyFetch } from './sync/faulty-fetch.ts';
import type { RequestLog } from './sync/request-log.ts';
import type { SwitchBoard } from './sync/switches.ts';

export interface PageStore {
  readonly store: TaskStore;
  /** To look at the remote beside sync; absent where there is none. */
  readonly remote?: TaskStore;
}

export async function openPageStore(switches: SwitchBoard, log: RequestLog): Promise<PageStore> {
  const bridge = (globalThis as { readonly holdfastBridge?: Bridge }).holdfastBridge;
  if (bridge) return { store: new BridgedStore(bridge) };
  const baseUrl = new URL('/api', location.href).href;
  const sync = elkarSync({
    baseUrl,
    apiKey: askKey,
    maxBackoffMs: 5_000,
    fetch: faultyFetch({
      switches: () => switches.switches,
      onAttempt: (attempt) => log.add(attempt),
      fetch: (...args) => fetch(...args),
      now: () => Date.now(),
    }),
  });
  const store = await openTaskStore({ name: 'holdfast-demo', sync });
  return { store, remote: new ElkarClientStore({ baseUrl, apiKey: askKey, server: 'holdfast' }) };
}

/** While the server is away there is no key; the request with this one fails as it would with the right one. */
async function askKey(): Promise<string> {
  try {
    const { key } = await (await fetch('/demo/key')).json();
    return key;
  } catch {
    return 'none';
  }
}
