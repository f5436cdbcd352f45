/** The demo as its visitors meet it: served by `npm start`'s script, in a real browser. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
} from 'playwright';
import { expect, onTestFinished } from 'vitest';
import { sampleText } from '../../demo/page/agent/sample-text.ts';
import { launchOptions } from '../../scripts/find-browser.mjs';
import type { StoredTask } from '../../src/index.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface DemoServer {
  readonly url: string;
  readonly port: number;
  /** As `kill -9`: nothing is finished. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export async function startDemoServer(store: string, port = 0): Promise<DemoServer> {
  const child = spawn(process.execPath, ['scripts/start.mjs', '--no-build', '--port', String(port), '--store', store], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await exited;
  };
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
      const found = /http:\S+/.exec(said)?.[0];
      if (found) resolve(found);
    });
    exited.then(([code]) => reject(new Error(`npm start ended with ${code}: ${said}`)));
  });
  return { url, port: Number(new URL(url).port), kill: () => end('SIGKILL'), stop: () => end('SIGTERM') };
}

export async function launchBrowser(): Promise<Browser> {
  return chromium.launch(await launchOptions());
}

/** A visitor: a browser profile of their own. Fails the test where the page throws or asks anybody else for anything. */
export async function newVisitor(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<{ readonly context: BrowserContext; open(hash?: string): Promise<Page> }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(60_000);
  const wrong: string[] = [];
  context.on('request', (request) => {
    const to = request.url();
    if (!to.startsWith(url) && !to.startsWith('blob:')) wrong.push(`asked for ${to}`);
  });
  context.on('weberror', (error) => wrong.push(String(error.error().stack)));
  onTestFinished(async () => {
    await context.close();
    expect(wrong).toEqual([]);
  });
  return {
    context,
    async open(hash = '') {
      const page = await context.newPage();
      await page.goto(url + hash);
      await page.getByRole('heading', { name: 'Holdfast' }).waitFor();
      return page;
    },
  };
}

export async function setPace(page: Page, pace: 'slow' | 'normal' | 'fast' | 'at once'): Promise<void> {
  await page.getByLabel('Pace').selectOption(pace);
}

/** Gives the agent a text; the task's page is open then. */
export async function give(page: Page, text = sampleText): Promise<void> {
  const before = page.url();
  await page.getByLabel('The text').fill(text);
  await page.getByRole('button', { name: 'Analyse' }).click();
  await page.waitForURL((url) => url.href !== before);
}

/** The rows of the list of tasks. */
export function rows(page: Page): Locator {
  return page.getByRole('listbox', { name: 'Tasks, newest first' }).getByRole('option');
}

export async function answer(page: Page, text: string): Promise<void> {
  await page.getByLabel('Your answer').fill(text);
  await page.getByRole('button', { name: 'Answer', exact: true }).click();
}

export async function expectState(page: Page, state: string): Promise<void> {
  await page.locator('.task-page .badge', { hasText: state }).waitFor();
}

/** Both sides hold the same, item for item. */
export async function expectEqualSides(page: Page): Promise<void> {
  await page.getByRole('tab', { name: 'Both sides' }).click();
  await page.getByText('Both sides are equal, item for item').waitFor();
}

/** The chosen task as the page downloads it. */
export async function readRaw(page: Page): Promise<StoredTask> {
  await page.getByRole('tab', { name: 'Raw JSON' }).click();
  return JSON.parse(await saved(page, () => page.getByRole('button', { name: 'Download JSON' }).click()));
}

/** What a click hands to the visitor as a file. */
export async function saved(page: Page, click: () => Promise<void>): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent('download'), click()]);
  return readFileSync(await download.path(), 'utf8');
}

export async function toggle(page: Page, name: string, isOn: boolean): Promise<void> {
  await page.getByRole('switch', { name }).setChecked(isOn);
}
