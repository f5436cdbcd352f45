/** Sync in a real browser: tabs that share a store are opened, closed, crashed, frozen and reloaded; the remote ends exact. */
import type { BrowserContext, Page } from 'playwright';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ElkarTransport } from '../../src/elkar/transport.ts';
import type * as Entry from '../../src/index.browser.ts';
import type { elkarSync } from '../../src/sync.ts';
import { newFolder } from '../support/places.ts';
import { openPage, type SyncSite, startSyncSite } from '../support/sync-site.ts';

declare const Holdfast: typeof Entry & { elkarSync: typeof elkarSync };

/** Of code that runs in pages. */
declare const window: { store: Awaited<ReturnType<typeof Entry.openTaskStore>> };

const TASKS = 4;
let site: SyncSite;
let context: BrowserContext;

beforeEach(async () => {
  site = await startSyncSite();
  context = await site.visit(newFolder());
});

afterEach(() => site.close());

async function openTab(): Promise<Page> {
  const page = await openPage(context, site.url);
  await page.evaluate(async () => {
    const sync = Holdfast.elkarSync({
      baseUrl: `${location.origin}/api`,
      apiKey: 'secret',
      gatherMs: 0,
      maxBackoffMs: 200,
      patienceMs: 300,
    });
    window.store = await Holdfast.openTaskStore({ name: 'site', sync });
  });
  return page;
}

/** Adds to every task, from this tab. */
function write(page: Page, who: string, count: number): Promise<void> {
  return page.evaluate(
    async ([who, count, tasks]) => {
      const say = (text: string) => ({ role: 'agent' as const, parts: [{ type: 'text' as const, text }] });
      for (let i = 0; i < count; i++) {
        const id = `t${i % tasks}`;
        await window.store.upsertTask({ id, message: say(`${who} ${i}`) });
        await window.store.updateTask(id, {
          status: { state: 'working', message: say(`${who} ${i} status`) },
          artifactsUpdates: [{ index: 0, parts: [{ type: 'text', text: `${who} ${i}` }] }],
        });
      }
    },
    [who, count, TASKS] as const,
  );
}

const isLeader = (page: Page) => page.evaluate(() => window.store.sync?.status.leader === true);

/** The tab that leads, once there is one. */
async function leaderOf(tabs: readonly Page[], withinMs = 5000): Promise<Page> {
  for (const end = Date.now() + withinMs; Date.now() < end; ) {
    for (const tab of tabs) if (await isLeader(tab)) return tab;
  }
  throw new Error(`no tab leads within ${withinMs} ms`);
}

const textsOf = (task: Entry.Task | undefined) => (task?.history ?? []).map(({ parts }) => String(parts[0]?.text));

/** Waits until nothing is pending, then compares every task with the remote's. `written`: how often each tab wrote. */
async function expectExact(page: Page, written: { readonly [who: string]: number }): Promise<void> {
  await page.evaluate(() => window.store.sync?.flush({ timeoutMs: 20_000 }));
  expect(await page.evaluate(() => window.store.sync?.blocked())).toEqual([]);
  const direct = new ElkarTransport({ baseUrl: `${site.url}api`, apiKey: 'secret' });
  const texts: string[] = [];
  for (let i = 0; i < TASKS; i++) {
    const local = await page.evaluate(async (id) => (await window.store.getTask(id))?.task, `t${i}`);
    const { task } = await direct.getTask(`t${i}`, { callerId: 'holdfast' });
    expect(textsOf(task)).toEqual(textsOf(local));
    expect(task.history).toEqual(local?.history);
    expect(task.artifacts).toEqual(local?.artifacts);
    expect(task.status.message).toEqual(local?.status.message);
    texts.push(...textsOf(task));
  }
  for (const [who, count] of Object.entries(written)) {
    const own = texts.filter((text) => text.startsWith(`${who} `) && !text.endsWith('status'));
    expect(own).toHaveLength(count);
    expect(new Set(own).size).toBe(count);
  }
  expect(site.elkar.misdeeds).toEqual([]);
}

it('five tabs write to one store; one pushes, and is succeeded when closed and when crashed', async () => {
  const tabs = await Promise.all(Array.from({ length: 5 }, openTab));
  await Promise.all(tabs.map((tab, i) => write(tab, `a${i}`, 12)));
  const closed = await leaderOf(tabs);
  const leaders = await Promise.all(tabs.map(isLeader));
  expect(leaders.filter(Boolean)).toHaveLength(1);

  site.delayMs = 30;
  const left = tabs.filter((tab) => tab !== closed);
  const writing = left.map((tab, i) => write(tab, `b${i}`, 12));
  await closed.close();
  const crashed = await leaderOf(left, 2000);
  await Promise.all(writing);

  const survivors = left.filter((tab) => tab !== crashed);
  const onward = survivors.map((tab, i) => write(tab, `c${i}`, 12));
  const cdp = await context.newCDPSession(crashed);
  void cdp.send('Page.crash').catch(() => {});
  await leaderOf(survivors, 2000);
  await Promise.all(onward);
  await expectExact(survivors[0] as Page, { a0: 12, a4: 12, b0: 12, b3: 12, c0: 12, c1: 12, c2: 12 });
});

it('a frozen leader is noticed and succeeded; thawed, it does no harm', async () => {
  const tabs = [await openTab(), await openTab()] as const;
  const frozen = await leaderOf(tabs);
  const other = tabs[0] === frozen ? tabs[1] : tabs[0];
  site.delayMs = 1500;
  const cdp = await context.newCDPSession(frozen);
  await cdp.send('Debugger.enable');
  await write(frozen, 'before', 8);
  // All its requests are out, and no transaction of its database is open: that would stop the other tab, too.
  await expect.poll(() => site.waiting, { timeout: 5000, interval: 10 }).toBe(TASKS);
  await cdp.send('Debugger.pause');
  await write(other, 'after', 8);
  await leaderOf([other], 10_000);
  await other.evaluate(() => window.store.sync?.flush({ timeoutMs: 20_000 }));
  site.delayMs = 20;
  await cdp.send('Debugger.disable');
  await write(frozen, 'thawed', 8);
  await expectExact(other, { before: 8, after: 8, thawed: 8 });
  expect(await isLeader(frozen)).toBe(false);
});

it('what was written offline goes up when the network is back', async () => {
  const tab = await openTab();
  await write(tab, 'on', 4);
  await context.setOffline(true);
  await write(tab, 'off', 40);
  await tab.waitForFunction(() => window.store.sync?.status.state === 'offline');
  const before = site.elkar.requests.length;
  await context.setOffline(false);
  await expectExact(tab, { on: 4, off: 40 });
  expect(site.elkar.requests.length - before).toBeLessThan(TASKS * 8);
});

it('a reload in the middle of a push loses and doubles nothing', async () => {
  site.delayMs = 100;
  const tab = await openTab();
  await write(tab, 'w', 20);
  await tab.waitForFunction(() => window.store.sync?.status.state === 'pushing');
  await tab.close();
  const next = await openTab();
  await write(next, 'x', 20);
  await next.reload();
  const last = await openTab();
  await expectExact(last, { w: 20, x: 20 });
});
