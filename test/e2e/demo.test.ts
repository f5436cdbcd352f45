/** The demo page, used as a visitor would: what it is told is kept, goes on, and reaches the remote once. */
import { join } from 'node:path';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { summarise, toSentences } from '../../demo/page/agent/analysis.ts';
import { plainText } from '../../demo/page/agent/next-change.ts';
import { sampleText } from '../../demo/page/agent/sample-text.ts';
import type { StoredTask } from '../../src/index.ts';
import {
  answer,
  type DemoServer,
  expectEqualSides,
  expectState,
  give,
  launchBrowser,
  newVisitor,
  readRaw,
  rows,
  saved,
  setPace,
  startDemoServer,
  toggle,
} from '../support/demo.ts';
import { newFolder } from '../support/places.ts';

let browser: Browser;
let server: DemoServer;
let store: string;

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser.close());
beforeEach(async () => {
  store = join(newFolder(), 'endpoint.json');
  server = await startDemoServer(store);
  onTestFinished(() => server.stop());
});

const summaryOf = (length: number) => summarise(toSentences(sampleText), length).join(' ');

/** Every step of the agent is there once, and the summary is the one that was asked for. */
function expectWhole({ task }: StoredTask, length: number): void {
  expect(task.status.state).toBe('completed');
  const steps = task.history?.map(({ role, metadata }) => (role === 'agent' ? metadata?.step : 'user'));
  expect(steps).toEqual(['user', 'read', 'question', 'user', 'answer', 'done']);
  const [terms, summary, report] = task.artifacts ?? [];
  expect(terms?.parts).toHaveLength(1);
  expect(plainText({ parts: summary?.parts ?? [] })).toBe(summaryOf(length));
  expect(report?.parts).toHaveLength(1);
}

async function summaryHasBegun(page: Page): Promise<void> {
  await page
    .locator('.artifact', { hasText: 'Summary' })
    .getByText(/[2-9] parts, growing/)
    .waitFor();
}

test('a text becomes a summary, through a question', async () => {
  const page = await (await newVisitor(browser, server.url)).open();
  await setPace(page, 'fast');
  await give(page);
  await expectState(page, 'Asks you');
  await answer(page, 'no idea');
  await page.getByText('I did not understand.').waitFor();
  await answer(page, '3 sentences');
  await expectState(page, 'Completed');
  const summary = page.locator('.artifact', { hasText: 'Summary' }).locator('.artifact-body');
  expect(await summary.textContent()).toBe(summaryOf(3));
  const report = await saved(page, () => page.getByRole('button', { name: 'Download report.md' }).click());
  expect(report).toContain(summaryOf(3));
  expect(report).toContain('- keeper (7)');
  await expectEqualSides(page);
});

test('a file is read, one that is no text is refused, and several tasks run side by side', async () => {
  const page = await (await newVisitor(browser, server.url)).open();
  await setPace(page, 'normal');
  const choose = (name: string, buffer: Buffer) =>
    page.locator('#file').setInputFiles({ name, mimeType: 'text/plain', buffer });
  await choose('story.txt', Buffer.from(sampleText));
  await page.getByRole('heading', { name: 'story.txt' }).waitFor();
  await choose('noise.bin', Buffer.from([0xff, 0xfe, 0x00, 0x80]));
  await expectState(page, 'Failed');
  await page.getByText('it is not UTF-8').waitFor();
  await give(page, 'Ships sail. Ships return with the tide.');
  await rows(page).filter({ hasText: 'Asks you' }).nth(1).waitFor();
  await rows(page).filter({ hasText: 'story.txt' }).click();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expectState(page, 'Cancelled');
  await page.getByLabel('State', { exact: true }).selectOption('Asks you');
  await expect.poll(() => rows(page).filter({ hasText: 'Ships sail' }).count()).toBe(1);
  await page.getByText('1 of 3 tasks').waitFor();
});

test('cancelling in the middle of the summary ends it there', async () => {
  const page = await (await newVisitor(browser, server.url)).open();
  await give(page);
  await answer(page, 'long');
  await summaryHasBegun(page);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expectState(page, 'Cancelled');
  const { task } = await readRaw(page);
  expect(task.artifacts?.[1]?.lastChunk).toBe(false);
  expect(plainText({ parts: task.artifacts?.[1]?.parts ?? [] }).length).toBeLessThan(summaryOf(7).length);
});

test('a reload in the middle goes on behind the last stored step', async () => {
  const page = await (await newVisitor(browser, server.url)).open();
  await setPace(page, 'normal');
  await give(page);
  await page.getByText('I have read it').waitFor();
  await page.reload();
  await answer(page, 'medium');
  await summaryHasBegun(page);
  await page.reload();
  await setPace(page, 'fast');
  await expectState(page, 'Completed');
  expectWhole(await readRaw(page), 4);
  await expectEqualSides(page);
});

test('two tabs show the same, and when the one that works is closed the other goes on', async () => {
  const visitor = await newVisitor(browser, server.url);
  const first = await visitor.open();
  await first.getByText('Tab A, this one, pushes').waitFor();
  await setPace(first, 'normal');
  await give(first);
  const second = await visitor.open(new URL(first.url()).hash);
  await second.getByText('Tab B, this one').waitFor();
  await second.getByText('Tab A, pushes').waitFor();
  await first.getByText('Tab B', { exact: true }).waitFor();
  // The question is asked in one tab and answered in the other.
  await answer(second, 'long');
  await summaryHasBegun(first);
  await summaryHasBegun(second);
  await second.close({ runBeforeUnload: false });
  await setPace(first, 'fast');
  await expectState(first, 'Completed');
  expectWhole(await readRaw(first), 7);
  await expectEqualSides(first);
});

test('a tab that works and pushes and crashes is succeeded in both', async () => {
  const visitor = await newVisitor(browser, server.url);
  const first = await visitor.open();
  const second = await visitor.open();
  await second.getByText('Tab A, pushes').waitFor();
  await setPace(first, 'normal');
  await give(first);
  await answer(first, 'medium');
  await summaryHasBegun(first);
  await rows(second).first().click();
  const session = await visitor.context.newCDPSession(first);
  session.send('Page.crash').catch(() => {});
  await second.getByText('Tab B, this one, pushes').waitFor();
  await setPace(second, 'fast');
  await expectState(second, 'Completed');
  expectWhole(await readRaw(second), 4);
  await expectEqualSides(second);
});

test('offline, everything works and goes up later', async () => {
  const visitor = await newVisitor(browser, server.url);
  const page = await visitor.open();
  await setPace(page, 'at once');
  await toggle(page, 'Go offline', true);
  await give(page);
  await answer(page, 'short');
  await expectState(page, 'Completed');
  await page.locator('.sync-panel .badge', { hasText: 'Offline' }).waitFor();
  await page.getByText('1 task with changes that the remote has not got').waitFor();
  await page.getByText('not sent').first().waitFor();
  await page.getByRole('tab', { name: 'Both sides' }).click();
  await page.getByText(/items pending/).waitFor();
  await toggle(page, 'Go offline', false);
  await expectEqualSides(page);
  await page.getByText('The remote has everything.').waitFor();
  const requests = await page.locator('.outcome[data-outcome=good]').count();
  expect(requests).toBeLessThan(10);
  // The browser's own switch.
  await visitor.context.setOffline(true);
  await give(page, 'A ship sails. It returns.');
  await answer(page, 'short');
  await expectState(page, 'Completed');
  await visitor.context.setOffline(false);
  await expectEqualSides(page);
});

test('with every third answer lost, both sides end the same', async () => {
  const page = await (await newVisitor(browser, server.url)).open();
  await toggle(page, 'Lose every third answer', true);
  await setPace(page, 'fast');
  await give(page);
  await answer(page, 'medium');
  await expectState(page, 'Completed');
  await expectEqualSides(page);
  expect(await page.getByText('answer lost: 200').count()).toBeGreaterThan(2);
  expectWhole(await readRaw(page), 4);
});

test('a killed server finds everything when it is back', async () => {
  const page = await (await newVisitor(browser, server.url)).open();
  await setPace(page, 'fast');
  await give(page);
  await expectState(page, 'Asks you');
  await server.kill();
  await answer(page, 'medium');
  await expectState(page, 'Completed');
  await page.locator('.sync-panel .badge', { hasText: 'Offline' }).waitFor();
  server = await startDemoServer(store, server.port);
  await expectEqualSides(page);
  expectWhole(await readRaw(page), 4);
});

test('a server that cuts connections, and one that refuses the key, delay and lose nothing', async () => {
  const page = await (await newVisitor(browser, server.url)).open();
  await setPace(page, 'fast');
  await toggle(page, 'Server down', true);
  await give(page);
  await answer(page, 'medium');
  await page.locator('.sync-panel .badge', { hasText: 'Offline' }).waitFor();
  await toggle(page, 'Key revoked', true);
  await toggle(page, 'Server down', false);
  await page.locator('.sync-panel .badge', { hasText: 'Paused' }).waitFor();
  await page.getByText('The remote refuses the key. Nothing is lost').waitFor();
  await expectState(page, 'Completed');
  await toggle(page, 'Key revoked', false);
  await expectEqualSides(page);

  // Started anew, it knows nothing of the key that was revoked; the page finds out when somebody comes back to it.
  await toggle(page, 'Key revoked', true);
  await server.kill();
  server = await startDemoServer(store, server.port);
  await page.evaluate(() => window.dispatchEvent(new Event('focus')));
  await expect.poll(() => page.getByRole('switch', { name: 'Key revoked' }).isChecked()).toBe(false);
});

test('what is exported, deleted and imported again is the same', async () => {
  const page = await (await newVisitor(browser, server.url)).open();
  await setPace(page, 'at once');
  await give(page);
  await answer(page, 'short');
  await expectState(page, 'Completed');
  await expectEqualSides(page);
  const before = await readRaw(page);
  const lines = await saved(page, () => page.getByRole('button', { name: 'Export' }).click());
  expect(lines.split('\n')).toHaveLength(2);
  page.once('dialog', (dialog) => dialog.accept());
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByText('No tasks yet.').waitFor();
  const file = { name: 'export.jsonl', mimeType: 'application/x-ndjson', buffer: Buffer.from(`${lines}nonsense\n`) };
  await page.locator('#import').setInputFiles(file);
  await page
    .getByText('Imported: 1 task; 0 were here already; 1 line could not be read, the first is line 2.')
    .waitFor();
  await rows(page).first().click();
  expect(await readRaw(page)).toEqual(before);
});

test('a task that the remote refuses is set aside, blocks no other, and is retried or discarded', async () => {
  const page = await (await newVisitor(browser, server.url)).open();
  await setPace(page, 'at once');
  // More than the endpoint takes in one request, in one message that cannot be divided.
  await give(page, 'a'.repeat(2_200_000));
  const aside = page.getByRole('list', { name: 'Tasks set aside' }).getByRole('listitem');
  await aside.waitFor();
  expect(await aside.textContent()).toContain('413');
  await give(page, 'A ship sails. It returns.');
  await answer(page, 'short');
  await expectState(page, 'Completed');
  await expectEqualSides(page);
  const refused = page.locator('.outcome', { hasText: '413' });
  const before = await refused.count();
  await aside.getByRole('button', { name: /^Retry/ }).click();
  await expect.poll(() => refused.count()).toBeGreaterThan(before);
  await aside.getByRole('button', { name: /^Discard/ }).click();
  await aside.waitFor({ state: 'detached' });
  await page.getByText('The remote has everything.').waitFor();
  await expect.poll(() => rows(page).count()).toBe(2);
});
