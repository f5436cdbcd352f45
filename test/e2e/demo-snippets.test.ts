/** The snippets for browsers, bundled as their readers would bundle them. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { openTaskStore, type TaskStore } from '../../src/memory.ts';
import { apiKeys, createElkarHandler } from '../../src/server.ts';
import { launchBrowser, root } from '../support/demo.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser.close());

async function bundle(name: string): Promise<string> {
  const entryPoints = [`${root}demo/snippets/${name}`];
  const { outputFiles } = await build({ entryPoints, bundle: true, write: false, format: 'esm', target: 'es2022' });
  return outputFiles[0]?.text ?? '';
}

interface Asked {
  readonly code?: number;
  readonly events: readonly { artifact?: { parts: { text: string }[] }; final?: boolean }[];
}

/** A script of its own: what a test hands to the page may not import. */
const caller = (path: string) => `import { ask } from '${path}';
  globalThis.ask = async (id, text) => {
    const events = [];
    const { code } = await ask(id, text, (event) => events.push(event)).catch((error) => error);
    return { code, events };
  };`;

/** Serves a snippet beside an empty page and an endpoint, and opens the page. `before` is run before the snippet is. */
async function serve(name: string, before = ''): Promise<{ readonly page: Page; readonly store: TaskStore }> {
  const script = `${before}${await bundle(name)}`;
  const store = await openTaskStore();
  const api = getRequestListener(createElkarHandler({ store, authorize: apiKeys({ secret: 'agent' }) }));
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/api')) return api(request, response);
    if (request.url === '/key') return response.end('secret');
    const isScript = request.url === `/${name}`;
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    return response.end(isScript ? script : '<!doctype html><title>Empty</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const context = await browser.newContext();
  onTestFinished(async () => {
    await context.close();
    server.closeAllConnections();
    server.close();
    await store.close();
  });
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return { page, store };
}

test('an agent in the page streams, and has its task after a reload', async () => {
  const { page } = await serve('browser-agent.js');
  const ask = async (text: string): Promise<Asked> => {
    await page.addScriptTag({ type: 'module', content: caller('/browser-agent.js') });
    await page.waitForFunction('globalThis.ask');
    return page.evaluate(`ask('t1', ${JSON.stringify(text)})`);
  };
  const { events } = await ask('one two three');
  const parts = events.flatMap(({ artifact }) => artifact?.parts ?? []);
  expect(parts.map(({ text }) => text).join('')).toBe('one two three');
  expect(events.at(-1)?.final).toBe(true);
  await page.reload();
  // The task is still known, and finished: it takes no more messages.
  expect((await ask('more')).code).toBe(-32004);
});

/** Tells the page how many times the worker has asked to be kept awake. */
const countWaits = `
  let waits = 0;
  const { waitUntil } = ExtendableEvent.prototype;
  ExtendableEvent.prototype.waitUntil = function (work) {
    waits++;
    waitUntil.call(this, work);
  };
  const { postMessage } = MessagePort.prototype;
  MessagePort.prototype.postMessage = function (answer) {
    postMessage.call(this, { ...answer, waits });
  };
`;

test('a service worker keeps what it is handed, and stays awake until the remote has it', async () => {
  const { page, store } = await serve('service-worker.js', countWaits);
  const answers = await page.evaluate(async () => {
    const registration = await navigator.serviceWorker.register('/service-worker.js', { type: 'module' });
    await navigator.serviceWorker.ready;
    const send = (text: string) =>
      new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = ({ data }) => resolve(data);
        const message = { role: 'user', parts: [{ type: 'text', text }] };
        registration.active?.postMessage({ id: 't1', message }, [port2]);
      });
    return [await send('a'), await send('b')];
  });
  expect(answers).toEqual([
    { messages: 1, waits: 1 },
    { messages: 2, waits: 2 },
  ]);
  const { tasks } = await store.listTasks({ allCallers: true });
  expect(tasks).toMatchObject([{ id: 't1', messageCount: 2 }]);
});
