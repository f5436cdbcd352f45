/** Stores whose file is an earlier one that was put back, or a copy of another device's. */
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openTaskStore } from '../src/index.node.ts';
import { elkarSync } from '../src/sync.ts';
import type { Handle } from './support/remote-world.ts';
import { remotes, says, textOf } from './support/sync-play.ts';

const baseUrl = 'http://remote.test/api';
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-'));
});

afterEach(() => rm(folder, { recursive: true }));

describe.each(Object.keys(remotes))('against %s', (remote) => {
  let handle: Handle;
  let isOffline: boolean;

  beforeEach(async () => {
    handle = await (remotes[remote] as () => Promise<Handle>)();
    isOffline = false;
  });

  function open(name: string) {
    const send = (async (url: string, init: RequestInit) => {
      if (isOffline) throw new TypeError('no network');
      return handle(new Request(url, init));
    }) as typeof fetch;
    const sync = elkarSync({ baseUrl, apiKey: 'secret', fetch: send, gatherMs: 0 });
    return openTaskStore({ path: join(folder, name), sync });
  }

  type Store = Awaited<ReturnType<typeof open>>;

  async function say(store: Store, ...texts: string[]): Promise<void> {
    for (const text of texts) await store.upsertTask({ id: 't', message: says(text) });
  }

  async function textsIn(store: Store): Promise<string[] | undefined> {
    return (await store.getTask('t'))?.task.history?.map(textOf);
  }

  async function textsThere(): Promise<string[]> {
    const headers = { 'x-api-key': 'secret' };
    const answer = await handle(new Request(`${baseUrl}/tasks/t?caller_id=holdfast`, { headers }));
    return (await answer.json()).a2a_task.history.map(textOf);
  }

  async function tell(name: string, ...texts: string[]): Promise<void> {
    const store = await open(name);
    await say(store, ...texts);
    await store.sync.flush();
    await store.close();
  }

  test.each([{ news: ['5'] }, { news: ['5', '6'] }, { news: ['5', '6', '7'] }, { news: [] }])(
    'a backup that is put back gets what was told since, and its own news ($news.length) go up',
    async ({ news }) => {
      await tell('tasks.json', '1', '2');
      await copyFile(join(folder, 'tasks.json'), join(folder, 'backup.json'));
      await tell('tasks.json', '3', '4');
      await copyFile(join(folder, 'backup.json'), join(folder, 'tasks.json'));
      const store = await open('tasks.json');
      await say(store, ...news);
      await store.sync.flush();
      await store.sync.pull('t');
      const all = ['1', '2', '3', '4', ...news];
      expect(await textsThere()).toEqual(all);
      expect(await textsIn(store)).toEqual(all);
      await store.close();
    },
  );

  test('a backup of a moment without a network, put back, gets what was told since, and goes on', async () => {
    await tell('tasks.json', '1');
    isOffline = true;
    const offline = await open('tasks.json');
    await say(offline, '2');
    await expect.poll(() => offline.sync.status.state).toBe('offline');
    await offline.close();
    isOffline = false;
    await copyFile(join(folder, 'tasks.json'), join(folder, 'backup.json'));
    const online = await open('tasks.json');
    await say(online, '3', '4');
    await online.sync.flush();
    await online.close();
    await copyFile(join(folder, 'backup.json'), join(folder, 'tasks.json'));
    const store = await open('tasks.json');
    await store.sync.flush();
    await say(store, '5', '6');
    await store.sync.flush();
    const all = ['1', '2', '3', '4', '5', '6'];
    expect(await textsThere()).toEqual(all);
    expect(await textsIn(store)).toEqual(all);
    await store.close();
  });

  test.each([{ isPulled: true }, { isPulled: false }])(
    'a copy on another device and the store it is of share a task, pulled first: $isPulled',
    async ({ isPulled }) => {
      await tell('laptop.json', '1', '2');
      await copyFile(join(folder, 'laptop.json'), join(folder, 'desktop.json'));
      await tell('laptop.json', 'from the laptop');
      const desktop = await open('desktop.json');
      desktop.sync.pause();
      await say(desktop, 'from the desktop');
      if (isPulled) await desktop.sync.pull('t');
      desktop.sync.resume();
      await desktop.sync.flush();
      const laptop = await open('laptop.json');
      await laptop.sync.pull('t');
      const all = ['1', '2', 'from the laptop', 'from the desktop'];
      expect(await textsThere()).toEqual(all);
      for (const store of [laptop, desktop]) {
        expect(await textsIn(store)).toEqual(all);
        await store.close();
      }
    },
  );
});
