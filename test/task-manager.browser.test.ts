import { expect, onTestFinished, test } from 'vitest';
import { openTaskStore } from '../src/indexeddb.ts';
import type { TaskStore } from '../src/task-store.ts';
import { ask, brief, chunk, collect, gate, openManager } from './support/agent.ts';

/** Two stores on one database, as two tabs have them. */
async function openTabs() {
  const name = `task-manager-${crypto.randomUUID()}`;
  const tabs = [await openTaskStore({ name }), await openTaskStore({ name })] as const;
  onTestFinished(async () => {
    for (const tab of tabs) await tab.close();
    indexedDB.deleteDatabase(name);
  });
  return tabs;
}

test('a reader in one tab follows the agent in another: nothing missing, nothing twice', async () => {
  const [here, there] = await openTabs();
  const hold = gate();
  const { manager } = await openManager({
    store: here,
    sendTaskHandler: async (task) => {
      await task.upsertArtifacts([chunk('0,')]);
      await hold.opened;
      for (let i = 1; i < 50; i++) await task.upsertArtifacts([chunk(`${i},`)]);
      await task.setStatus('completed');
    },
  });
  const { manager: other } = await openManager({ store: there });
  const own = manager.sendTaskStreaming(ask('t1'));
  await own.next();
  await own.next();
  const reader = other.resubscribeToTask({ id: 't1' });
  await reader.ready;
  hold.open();
  const late = collect(other.resubscribeToTask({ id: 't1' }));
  const expected = Array.from({ length: 50 }, (_, i) => `${i},`).join('');
  for (const events of await Promise.all([collect(reader), late])) {
    expect(
      brief(events.filter((event) => 'artifact' in event))
        .join('')
        .replace(/0\+?:/g, ''),
    ).toBe(expected);
    expect(brief(events).at(-1)).toBe('completed!');
  }
});

test('cancelled in one tab, the agent in another stops', async () => {
  const [here, there] = await openTabs();
  const started = gate();
  const { manager } = await openManager({
    store: here,
    sendTaskHandler: async (task) => {
      await task.setStatus('working');
      started.open();
      await new Promise<void>((resolve) => task.signal.addEventListener('abort', () => resolve()));
      await task.setStatus('completed');
    },
  });
  const { manager: other } = await openManager({ store: there });
  const sent = manager.sendTask(ask('t1'));
  await started.opened;
  await other.cancelTask({ id: 't1' });
  expect((await sent).status.state).toBe('canceled');
  await expect(manager.sendTask(ask('t1', 'More'))).rejects.toMatchObject({ code: -32004 });
});

/** Resolves when this tab has heard that another deleted a task. */
const deletedElsewhere = (store: TaskStore) =>
  new Promise<void>((resolve) => {
    const stop = store.subscribe(({ type, source }) => {
      if (type !== 'deleted' || source === 'local') return;
      stop();
      resolve();
    });
  });

test('a task made anew here goes on, though another tab’s deletion of the one before is heard of late', async () => {
  const [here, there] = await openTabs();
  await there.upsertTask(ask('t1'));
  await here.getTask('t1');
  const deleted = deletedElsewhere(here);
  const { manager } = await openManager({
    store: here,
    sendTaskHandler: async (task) => {
      await task.setStatus('working');
      await deleted;
      await task.upsertArtifacts([chunk('0,')]);
      await task.setStatus('completed');
    },
  });
  // A tab that is busy tells of what it did only now and then.
  const busy = Array.from({ length: 100 }, (_, i) => i).reduce(
    (before, i) => before.then(() => there.upsertTask(ask(`busy${i}`))),
    Promise.resolve<unknown>(undefined),
  );
  await there.deleteTask('t1');
  expect(brief(await collect(manager.sendTaskStreaming(ask('t1'))))).toEqual([
    'submitted',
    'working',
    '0:0,',
    'completed!',
  ]);
  await busy;
});

test('a task that is made here and deleted in another tab stops the agent', async () => {
  const [here, there] = await openTabs();
  const started = gate();
  const { manager } = await openManager({
    store: here,
    sendTaskHandler: async (task) => {
      await task.setStatus('working');
      started.open();
      await new Promise<void>((resolve) => task.signal.addEventListener('abort', () => resolve()));
    },
  });
  const events = collect(manager.sendTaskStreaming(ask('t1')));
  await started.opened;
  await there.deleteTask('t1');
  expect(brief(await events)).toEqual(['submitted', 'working']);
});
