/** A site whose pages have the store with sync, an imitation of Elkar's server on the same origin, and a Chromium. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type BrowserContext, chromium, type Page } from 'playwright';
import { launchOptions } from '../../scripts/find-browser.mjs';
import { type ElkarImitation, elkarImitation } from './elkar-imitation.ts';
import { serveRequests } from './http.ts';

export interface SyncSite {
  readonly url: string;
  readonly elkar: ElkarImitation;
  /** How long the remote takes to answer, in ms; what a request meets halfway is up to the test. */
  delayMs: number;
  /** So many requests are kept waiting for that long now. */
  waiting: number;
  visit(profile: string): Promise<BrowserContext>;
  close(): Promise<void>;
}

async function bundle(): Promise<string> {
  const source = (name: string) => fileURLToPath(new URL(`../../src/${name}`, import.meta.url));
  const { outputFiles } = await build({
    stdin: {
      contents: `export * from ${JSON.stringify(source('index.browser.ts'))}; export { elkarSync } from ${JSON.stringify(source('sync.ts'))};`,
      resolveDir: fileURLToPath(new URL('../..', import.meta.url)),
    },
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'Holdfast',
  });
  return outputFiles[0]?.text ?? '';
}

export async function startSyncSite(): Promise<SyncSite> {
  const script = await bundle();
  const elkar = elkarImitation();
  const contexts: BrowserContext[] = [];
  const served = await serveRequests(async (request) => {
    const { pathname } = new URL(request.url);
    const content = (type: string, body: string) => new Response(body, { headers: { 'content-type': type } });
    if (pathname === '/') return content('text/html', '<!doctype html><script src="/holdfast.js"></script>');
    if (pathname === '/holdfast.js') return content('text/javascript', script);
    if (!pathname.startsWith('/api/')) return new Response('', { status: 404 });
    site.waiting++;
    await new Promise((resolve) => setTimeout(resolve, site.delayMs));
    site.waiting--;
    return elkar.handle(request);
  });
  const site: SyncSite = {
    url: `${served.origin}/`,
    elkar,
    delayMs: 0,
    waiting: 0,
    async visit(profile) {
      const context = await chromium.launchPersistentContext(profile, await launchOptions());
      contexts.push(context);
      return context;
    },
    async close() {
      for (const context of contexts) await context.close();
      await served.close();
    },
  };
  return site;
}

export async function openPage(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  return page;
}
