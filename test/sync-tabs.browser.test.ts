/** Several contexts on one storage, of which one pushes: with the browser's own locks and channels. */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Message } from '../src/core/task.ts';
import { openTaskStore } from '../src/indexeddb.ts';
import type { LocalTaskStore } from '../src/local-task-store.ts';
import { openTaskStore as openInMemory } from '../src/memory.ts';
import { apiKeys, createElkarHandler } from '../src/server.ts';
import { elkarSync, type SyncOptions, type TaskSync } from '../src/sync.ts';

type Tab = LocalTaskStore & { readonly sync: TaskSync };

const says = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }] });

/** A remote whose agents are `ann` and `bob`, each with a key of that name, and tabs on a database that is theirs alone. */
async function place() {
  const name = crypto.randomUUID();
  const store = await openInMemory();
  const handle = createElkarHandler({ store, authorize: apiKeys({ ann: 'ann', bob: 'bob' }) });
  /** `reached` is called with each request before it arrives. */
  const remote = { store, isDown: false, reached: async (_: Request) => {} };
  const reach: typeof fetch = async (url, init) => {
    if (remote.isDown) throw new TypeError('network');
    const request = new Request(url, init);
    await remote.reached(request);
    return handle(request);
  };
  const tabs: Tab[] = [];
  const openTab = async (apiKey: SyncOptions['apiKey'], options: Partial<SyncOptions> = {}) => {
    const sync = elkarSync({ baseUrl: 'http://remote.test/api', apiKey, fetch: reach, gatherMs: 5, ...options });
    const tab = (await openTaskStore({ name, sync })) as Tab;
    tabs.push(tab);
    const isFirst = tabs.length === 1;
    await vi.waitFor(() => expect(tab.sync.status.leader).toBe(isFirst));
    return tab;
  };
  onTestFinished(async () => {
    for (const tab of tabs) await tab.close();
    indexedDB.deleteDatabase(name);
  });
  return { remote, openTab };
}

describe('a tab that does not push', () => {
  it('hears why nothing is pushed, as an error of ours, and its flush ends with it', async () => {
    const { openTab } = await place();
    await openTab('refused');
    const other = await openTab('ann');
    await other.upsertTask({ id: 't', message: says('1') });
    await vi.waitFor(() => expect(other.sync.status).toMatchObject({ state: 'paused', leader: false }));
    expect(other.sync.status.lastError).toMatchObject({ name: 'TaskStoreError', code: 'UNAUTHORIZED' });
    await expect(other.sync.flush()).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    await expect(other.updateTask('t', {}, { until: 'remote' })).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  });

  it('hears why the one that pushes has no key, whatever its function for it has thrown', async () => {
    const { openTab } = await place();
    await openTab(() => Promise.reject({ notToBeCloned() {} }));
    const other = await openTab('ann');
    await other.upsertTask({ id: 't', message: says('1') });
    await vi.waitFor(() => expect(other.sync.status).toMatchObject({ state: 'offline', leader: false }));
    expect(other.sync.status.lastError).toMatchObject({ name: 'TaskStoreError', code: 'UNAUTHORIZED' });
  });

  it('takes the lead when it resumes with a key that may be newer', async () => {
    const { remote, openTab } = await place();
    const first = await openTab('refused');
    const other = await openTab('ann');
    await first.upsertTask({ id: 't', message: says('1') });
    await vi.waitFor(() => expect(other.sync.status.state).toBe('paused'));
    other.sync.resume();
    await other.sync.flush({ timeoutMs: 10_000 });
    expect(other.sync.status).toMatchObject({ state: 'idle', leader: true, lastError: undefined });
    await vi.waitFor(() => expect(first.sync.status).toMatchObject({ state: 'idle', leader: false }));
    expect((await remote.store.listTasks({ allCallers: true })).tasks).toHaveLength(1);
  });

  it('that comes while the other is paused is paused too, also when it leads', async () => {
    const { remote, openTab } = await place();
    const first = await openTab('ann');
    first.sync.pause();
    await first.upsertTask({ id: 't', message: says('1') });
    await vi.waitFor(() => expect(first.sync.status.pendingTasks).toBe(1));
    const other = await openTab('ann');
    await vi.waitFor(() => expect(other.sync.status).toMatchObject({ state: 'paused', pendingTasks: 1 }));
    await first.close();
    await vi.waitFor(() => expect(other.sync.status).toMatchObject({ state: 'paused', leader: true }));
    await other.updateTask('t', { newMessages: [says('2')] });
    await expect(other.sync.flush({ timeoutMs: 100 })).rejects.toMatchObject({ code: 'REMOTE_UNREACHABLE' });
    expect((await remote.store.listTasks({ allCallers: true })).tasks).toEqual([]);
    other.sync.resume();
    await other.sync.flush();
    expect((await remote.store.listTasks({ allCallers: true })).tasks).toMatchObject([{ messageCount: 2 }]);
  });

  it('pulls by itself where the remote is down, and says so', async () => {
    const { remote, openTab } = await place();
    const first = await openTab('ann');
    const other = await openTab('ann');
    await other.upsertTask({ id: 't', message: says('1') });
    await other.sync.flush();
    remote.isDown = true;
    await first.updateTask('t', { newMessages: [says('2')] });
    await vi.waitFor(() => expect(other.sync.status.state).toBe('offline'));
    await expect(other.sync.pull('t')).rejects.toMatchObject({ code: 'REMOTE_UNREACHABLE' });
  });

  it('pulls what another is just changing, without having that sent twice', async () => {
    const { remote, openTab } = await place();
    const first = await openTab('ann');
    const other = await openTab('ann');
    await first.upsertTask({ id: 't', message: says('1') });
    await first.sync.flush();
    let arrive = () => {};
    const held = new Promise<void>((reached) => {
      remote.reached = async ({ method }) => {
        if (method !== 'PUT') return;
        remote.reached = async () => {};
        reached();
        await new Promise<void>((resolve) => {
          arrive = resolve;
        });
      };
    });
    await first.updateTask('t', { newMessages: [says('2')] });
    await held;
    await other.sync.pull('t');
    arrive();
    await other.sync.flush();
    const [summary] = (await remote.store.listTasks({ allCallers: true })).tasks;
    expect(summary?.messageCount).toBe(2);
    expect((await other.getTask('t'))?.task.history).toHaveLength(2);
  });

  it('makes changes of its own identity, which the one that pushes leaves alone', async () => {
    const { remote, openTab } = await place();
    const ann = await openTab('ann', { identity: 'ann' });
    const bob = await openTab('bob', { identity: 'bob' });
    await bob.upsertTask({ id: 'of-bob', message: says('1') });
    await ann.upsertTask({ id: 'of-ann', message: says('1') });
    await expect(ann.sync.flush()).rejects.toMatchObject({ code: 'CONFLICT', taskId: 'of-bob' });
    const { tasks } = await remote.store.listTasks({ allCallers: true });
    expect(tasks.map(({ id }) => id)).toEqual(['of-ann']);
    await ann.close();
    await vi.waitFor(() => expect(bob.sync.status.leader).toBe(true));
    await bob.sync.flush();
    expect((await remote.store.listTasks({ allCallers: true })).tasks).toHaveLength(2);
  });
});
