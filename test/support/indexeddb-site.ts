/** A site whose pages and workers have the store, and a Chromium with its profile on disk to visit it. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type BrowserContext, chromium, type Page } from 'playwright';
import { launchOptions } from '../../scripts/find-browser.mjs';

/** Served as `/holdfast.js`, which sets `Holdfast`. */
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
  readonly url: string;
  /** Starts the browser, on a profile in this folder. */
  visit(profile: string): Promise<BrowserContext>;
  close(): Promise<void>;
}

export async function startSite(): Promise<Site> {
  const pages: Record<string, [type: string, content: string]> = {
    '/': ['text/html', '<!doctype html><script src="/holdfast.js"></script>'],
    '/sandbox': ['text/html', '<!doctype html><iframe sandbox="allow-scripts" src="/"></iframe>'],
    '/holdfast.js': ['text/javascript', await bundle()],
    '/worker.js': ['text/javascript', worker],
  };
  const server = createServer(({ url = '/' }, response) => {
    const [type, content] = pages[url] ?? ['text/plain', ''];
    response.writeHead(pages[url] ? 200 : 404, { 'content-type': type }).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const contexts: BrowserContext[] = [];
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async visit(profile) {
      const context = await chromium.launchPersistentContext(profile, await launchOptions());
      contexts.push(context);
      return context;
    },
    async close() {
      for (const context of contexts) await context.close();
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
