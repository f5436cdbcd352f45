/** A site whose pages and workers have the store, and a Chromium with its profile on disk to visit it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type BrowserContext, chromium, type Page } from 'playwright';
import { launchOptions } from '../../scripts/find-browser.mjs';

let script: Promise<string> | undefined;

/** Served as `/holdfast.js`, which sets `Holdfast`. Made once for each file of tests. */
function bundled(): Promise<string> {
  script ??= bundle();
  return script;
}

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../../src/index.browser.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'Holdfast',
  });
  return outputFiles[0]?.text ?? '';
}

/** Appends what it is told to, in a worker or a service worker, and answers how that went. */
const worker = `
  importScripts('/holdfast.js');
  const store = Holdfast.openTaskStore({ name: 'site' });
  self.onmessage = async ({ data: { taskId, texts }, source, ports }) => {
    const answer = await store
      .then((store) => Promise.all(texts.map((text) => store.upsertTask({ id: taskId, message: { role: 'user', parts: [{ type: 'text', text }] } }))))
      .then((answers) => answers.length, (error) => String(error));
    (ports[0] ?? self).postMessage(answer);
  };
`;

export interface Site {
  /** An origin that no other site has: what a browser keeps for it is its own. */
  readonly url: string;
  close(): Promise<void>;
}

/** Starts a browser, on a profile in this folder. */
export async function startBrowser(profile: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(profile, await launchOptions());
}

export async function startSite(): Promise<Site> {
  const pages: Record<string, [type: string, content: string]> = {
    '/': ['text/html', '<!doctype html><script src="/holdfast.js"></script>'],
    '/sandbox': ['text/html', '<!doctype html><iframe sandbox="allow-scripts" src="/"></iframe>'],
    '/holdfast.js': ['text/javascript', await bundled()],
    '/worker.js': ['text/javascript', worker],
  };
  const server = createServer(({ url = '/' }, response) => {
    const [type, content] = pages[url] ?? ['text/plain', ''];
    response.writeHead(pages[url] ? 200 : 404, { 'content-type': type }).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export async function openPage(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/** Leaves the browser running, and the page it began with. */
export async function closePages(context: BrowserContext): Promise<void> {
  for (const page of context.pages().slice(1)) await page.close();
}
