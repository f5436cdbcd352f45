/** The examples of the A2A SDK over a store, cut off in the middle: a page that is reloaded, a process that is killed. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { chromium } from 'playwright';
import { expect, onTestFinished, test } from 'vitest';
import { launchOptions } from '../../scripts/find-browser.mjs';
import { openTaskStore } from '../../src/json-file.ts';
import type { TaskStore } from '../../src/task-store.ts';
import { newFolder } from '../support/places.ts';

const root = new URL('../../', import.meta.url).pathname;
const numbers = Array.from({ length: 100 }, (_, i) => String(i + 1));

/** A module of the project as one script, with the sources of Holdfast in it. */
async function bundle(module: string, platform: 'browser' | 'node'): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [`${root}${module}`],
    bundle: true,
    write: false,
    format: 'esm',
    platform,
    target: platform === 'node' ? 'node20' : 'es2022',
    alias: { holdfast: `${root}src/index.${platform}.ts`, 'holdfast/a2a': `${root}src/a2a.ts` },
  });
  return outputFiles[0]?.text ?? '';
}

/** Serves the scripts, and a page that runs the first of them. */
async function serve(scripts: Readonly<Record<string, string>>): Promise<string> {
  const [first] = Object.keys(scripts);
  const server = createServer(({ url = '' }, response) => {
    const script = scripts[url];
    response.setHeader('content-type', script === undefined ? 'text/html' : 'text/javascript');
    response.end(script ?? `<!doctype html><body><script type="module" src="${first}"></script>`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** The texts of the one task's one artifact. */
const countedIn = async (store: TaskStore) => {
  const { tasks } = await store.listTasks();
  const stored = tasks.length === 1 ? await store.getTask(tasks[0]?.id ?? '') : undefined;
  const parts = stored?.task.artifacts?.[0]?.parts ?? [];
  return { state: tasks[0]?.status.state, counted: parts.map((part) => part.text) };
};

test('a page that is reloaded while it streams goes on where it was', async () => {
  const url = await serve({
    '/script.js': await bundle('demo/snippets/a2a-browser.ts', 'browser'),
    '/store.js': await bundle('src/indexeddb.ts', 'browser'),
  });
  const browser = await chromium.launch(await launchOptions());
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  const failures: unknown[] = [];
  page.on('pageerror', (error) => failures.push(error));
  // What is shown is taken down as the page goes: a look from here would miss what comes between it and the reload.
  await page.addInitScript(`addEventListener('pagehide', () => {
    const lines = [...document.querySelectorAll('p')].map((line) => line.textContent);
    sessionStorage.setItem('shown', JSON.stringify(lines));
  })`);
  await page.goto(url);
  const shown = () => page.locator('p').allTextContents();

  const seen: string[] = [];
  for (const until of ['17', '60']) {
    await page.getByText(until, { exact: true }).waitFor();
    await page.reload();
    await page.locator('p').first().waitFor();
    const [first, ...lines] = JSON.parse(await page.evaluate("sessionStorage.getItem('shown')")) as string[];
    seen.push(...lines);
    expect((await shown())[0]).toBe(first?.replace('began', 'going on with'));
  }
  await page.getByText('done', { exact: true }).waitFor();
  const [, ...last] = await shown();
  // What was shown was stored; at most the chunk under way at each reload was stored and not shown.
  const shownOnce = [...seen, ...last.slice(0, -1)];
  expect(shownOnce).toEqual([...new Set(shownOnce)]);
  expect(shownOnce.length).toBeGreaterThanOrEqual(98);
  expect(failures).toEqual([]);

  const stored = await page.evaluate(`(async () => {
    const { openTaskStore } = await import('/store.js');
    return (${countedIn})(await openTaskStore({ name: 'a2a-counter' }));
  })()`);
  expect(stored).toEqual({ state: 'completed', counted: numbers });
});

test('a process that is killed while it streams goes on where it was', async () => {
  const folder = newFolder();
  const script = join(folder, 'agent.mjs');
  const path = join(folder, 'tasks.json');
  writeFileSync(script, await bundle('demo/snippets/a2a-node.ts', 'node'));

  /** Runs the example until it says this, or to its end; answers what it said. */
  async function run(until?: string): Promise<string[]> {
    const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const said: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      said.push(line);
      // What it says before it is dead counts, too.
      if (line === until) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once('exit', resolve));
    return said;
  }

  const [began, ...first] = await run('25');
  const [again, ...second] = await run('70');
  const [, ...third] = await run();
  expect(again).toBe(began?.replace('began', 'going on with'));
  expect(third.at(-1)).toBe('done');
  const said = [...first, ...second, ...third.slice(0, -1)];
  expect(said).toEqual([...new Set(said)]);
  expect(said.length).toBeGreaterThanOrEqual(98);

  await using store = await openTaskStore({ path });
  expect(await countedIn(store)).toEqual({ state: 'completed', counted: numbers });
});
