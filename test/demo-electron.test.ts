/** The Electron demo without Electron: both ends of its bridge against each other, the preload script between them. */
import { join } from 'node:path';
import { openTaskStore } from 'holdfast/json-file';
import { expect, onTestFinished, test } from 'vitest';
import { serveStore } from '../demo/electron/store-ipc.mjs';
import { BridgedStore } from '../demo/page/bridged-store.ts';
import { SimulatedElectron } from './support/electron.ts';
import { newFolder } from './support/places.ts';

const url = 'holdfast://page/';
const say = (text: string) => ({ role: 'user' as const, parts: [{ type: 'text' as const, text }] });

async function setUp() {
  const electron = new SimulatedElectron();
  const path = join(newFolder(), 'tasks.json');
  const store = await openTaskStore({ path });
  onTestFinished(() => store.close());
  const isOurs = ({ senderFrame }: { senderFrame: { url: string } }) => senderFrame.url.startsWith(url);
  const stop = serveStore({ store, ipcMain: electron.ipcMain, isOurs, windows: () => electron.windows() });
  return { electron, store, stop, path };
}

test('a page works with the store of the main process, and every window hears of it', async () => {
  const { electron, store, path } = await setUp();
  const page = new BridgedStore(electron.openPage(url));
  const other = new BridgedStore(electron.openPage(url));
  expect(page.backend).toMatchObject({ kind: 'json-file', location: path });
  const heard: string[] = [];
  other.subscribe(({ type, taskId }) => heard.push(`${type} ${taskId}`));
  await page.upsertTask({ id: 't1', message: say('Hi') });
  await page.updateTask('t1', { status: { state: 'working', message: { ...say('Yes'), role: 'agent' } } });
  expect(heard).toEqual(['created t1', 'updated t1']);
  expect(await other.getTask('t1')).toEqual(JSON.parse(JSON.stringify(await store.getTask('t1'))));
  expect((await other.listTasks({ state: 'working' })).tasks).toMatchObject([{ id: 't1', messageCount: 2 }]);
  await page.upsertTaskForClient({ id: 'o1', status: { state: 'submitted' } }, 'http://agent');
  expect(await other.getTaskForClient('o1')).toMatchObject({ taskType: 'outgoing', agentUrl: 'http://agent' });
  expect(await page.deleteTask('t1')).toBe(true);
  expect(await page.getTask('t1')).toBeUndefined();
});

test('watching shows the task, each change, and ends with it', async () => {
  const { electron } = await setUp();
  const page = new BridgedStore(electron.openPage(url));
  const seen: (string | number | undefined)[] = [];
  const done = (async () => {
    for await (const { task } of page.watch('t1')) {
      seen.push(task.history?.length);
      if (task.history?.length === 2) await page.deleteTask('t1');
    }
  })();
  await page.upsertTask({ id: 't1', message: say('a') });
  await expect.poll(() => seen.at(-1)).toBe(1);
  await page.upsertTask({ id: 't1', message: say('b') });
  await done;
  expect([...new Set(seen)]).toEqual([1, 2]);
  const abort = new AbortController();
  const aborted = page.watch('t2', { signal: abort.signal }).next();
  abort.abort();
  expect(await aborted).toMatchObject({ done: true });
});

test('export and import cross, too', async () => {
  const { electron } = await setUp();
  const page = new BridgedStore(electron.openPage(url));
  for (const id of ['a', 'b']) await page.upsertTask({ id, message: say(id) }, { callerId: 'ann' });
  const lines: string[] = [];
  for await (const line of page.exportTasks()) lines.push(line);
  // Of one millisecond, they may come either way round.
  expect(lines.map((line) => JSON.parse(line).id).sort()).toEqual(['a', 'b']);
  await page.deleteTask('a', { callerId: 'ann' });
  const bytes = new TextEncoder().encode(lines.join(''));
  const pieces = (async function* () {
    yield bytes.slice(0, 100);
    yield bytes.slice(100);
  })();
  expect(await page.importTasks(pieces)).toMatchObject({ imported: 1, skipped: 1, failed: [] });
});

test('errors keep their code; other calls, and other pages, are refused', async () => {
  const { electron, store, stop } = await setUp();
  const bridge = electron.openPage(url);
  const page = new BridgedStore(bridge);
  await expect(page.updateTask('none', { status: { state: 'working' } })).rejects.toMatchObject({
    code: 'TASK_NOT_FOUND',
  });
  await expect(page.getTask('')).rejects.toMatchObject({ name: 'TaskStoreError', code: 'INVALID_ARGUMENT' });
  for (const method of ['close', 'constructor', '__proto__', 'exportTasks']) {
    expect(await bridge.call(method, [])).toMatchObject({ error: { code: 'UNSUPPORTED' } });
  }
  const stranger = electron.openPage('https://elsewhere.example/');
  expect(stranger.backend).toBeUndefined();
  expect(await stranger.call('listTasks', [{}])).toMatchObject({ error: { code: 'UNSUPPORTED' } });
  stop();
  const heard: unknown[] = [];
  page.subscribe((change) => heard.push(change));
  await store.upsertTask({ id: 't', message: say('x') });
  expect(heard).toEqual([]);
});
