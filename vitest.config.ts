import { existsSync } from 'node:fs';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig, type TestProjectConfiguration } from 'vitest/config';
import { BaseSequencer, type BrowserProviderOption, type TestSpecification } from 'vitest/node';
import { launchOptions } from './scripts/find-browser.mjs';
import { smallLimits } from './test/setup/small-limits.ts';
import { findWebKitGtk, webkitGtk } from './test/setup/webkitgtk.ts';

/** Long campaigns of the same tests: thousands of kills, schedules and fuzz cases instead of dozens. */
const long = process.env.HOLDFAST_LONG === '1';
const env = { HOLDFAST_LONG: long ? '1' : '' };
// What waits for something fails late: a slow machine must not make a test fail.
const patience = { testTimeout: long ? 900_000 : 120_000, expect: { poll: { timeout: 20_000 } } };

// These two run where they are installed; a Chromium there must be.
const firefox = process.env.FIREFOX_PATH ?? '/usr/bin/firefox-esr';
const webkit = findWebKitGtk();

/** The recorded agent runs lie beside the project, be it by a link. */
const server = { fs: { strict: false } };

type Browser = 'chromium' | 'firefox' | 'webkit';

function inBrowser(browser: Browser, provider: BrowserProviderOption): TestProjectConfiguration {
  return {
    server,
    // A page has no environment of its own.
    define: { 'import.meta.env.HOLDFAST_LONG': JSON.stringify(env.HOLDFAST_LONG) },
    optimizeDeps: {
      include: [
        'idb',
        'zod/mini',
        'fast-check',
        'vitest',
        'hono',
        'hono/cors',
        '@a2a-js/sdk/server',
        'a2a-sdk-03/server',
      ],
    },
    test: {
      name: browser,
      env,
      ...patience,
      include: ['test/**/*.browser.test.ts'],
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        provider,
        instances: [{ browser }],
      },
    },
  };
}

/** Files that wait for a browser are begun first, then the long ones that are short to read: none is left for the end alone. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) => Number(/\/(conformance|runs|model)\/|\.small\./.test(moduleId));
    const waits = ({ moduleId }: TestSpecification) => Number(moduleId.includes('/e2e/'));
    return sorted.sort((a, b) => waits(b) - waits(a) || isLong(b) - isLong(a));
  }
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
    projects: [
      {
        test: {
          name: 'node',
          env,
          ...patience,
          include: ['test/**/*.test.ts'],
          exclude: ['browser', 'happy', 'small'].map((kind) => `test/**/*.${kind}.test.ts`).concat('test/e2e/**'),
        },
      },
      {
        server,
        test: {
          name: 'happy-dom',
          env,
          ...patience,
          environment: 'happy-dom',
          setupFiles: ['test/setup/fake-indexeddb.ts'],
          include: ['test/**/*.happy.test.ts'],
        },
      },
      {
        plugins: [smallLimits()],
        test: {
          name: 'small-limits',
          env,
          ...patience,
          setupFiles: ['test/setup/fake-indexeddb.ts'],
          include: ['test/**/*.small.test.ts'],
        },
      },
      inBrowser('chromium', playwright({ launchOptions: await launchOptions() })),
      ...(existsSync(firefox)
        ? [inBrowser('firefox', playwright({ launchOptions: { channel: 'moz-firefox', executablePath: firefox } }))]
        : []),
      ...(webkit ? [inBrowser('webkit', webkitGtk(webkit))] : []),
      {
        test: { name: 'e2e', env, ...patience, include: ['test/e2e/**/*.test.ts'] },
      },
    ],
  },
});
