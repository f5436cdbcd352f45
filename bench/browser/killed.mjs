/** What is left after Chromium was killed in the middle of a write: it may delete an origin's databases two starts later. */
import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { chromium } from 'playwright';
import { launchOptions } from '../../scripts/find-browser.mjs';
import { appendToLogs } from '../../scripts/half-a-record.mjs';

const COUNT = 50;

/** Long enough for what a store does when it is opened, short for a user. */
const OPEN_MS = 1_000;

/**
 * Each of these goes on with a task in two sessions of a browser, both of which end with a crash; the first leaves half a
 * record in the log, as a kill in the middle of a write does. Each has an origin of its own.
 * @param {string[]} names
 * @param {() => Promise<{ url: string, close: () => void }>} serve an origin that has the page
 * @param {string} profile
 * @returns {Promise<Map<string, number>>} the share of the messages that is there in the third session, in percent
 */
export async function keptByName(names, serve, profile) {
  const sites = await Promise.all(names.map(serve));
  /** Answers how many messages each has; ends with a crash, but for the last. */
  const session = async (count) => {
    const context = await chromium.launchPersistentContext(profile, await launchOptions());
    const lengths = [];
    for (const [i, name] of names.entries()) {
      const page = await context.newPage();
      await page.goto(sites[i].url);
      await page.waitForFunction(() => 'goOn' in globalThis);
      lengths.push(await page.evaluate((args) => globalThis.goOn(...args), [name, count]));
    }
    await delay(OPEN_MS);
    if (count === 0) {
      await context.close();
      return lengths;
    }
    const gone = new Promise((resolve) => context.once('close', resolve));
    const browser = await context.newCDPSession(context.pages()[0]);
    browser.send('Browser.crash').catch(() => {});
    await gone;
    return lengths;
  };
  try {
    await session(COUNT);
    appendToLogs(profile);
    await session(COUNT);
    const lengths = await session(0);
    return new Map(names.map((name, i) => [name, (lengths[i] / (2 * COUNT)) * 100]));
  } finally {
    for (const { close } of sites) close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
