/** A site whose pages have the store with sync, and an imitation of Elkar's server on the same origin. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type ElkarImitation, elkarImitation } from './elkar-imitation.ts';
import { serveRequests } from './http.ts';

export interface SyncSite {
  /** An origin that no other site has: what a browser keeps for it is its own. */
  readonly url: string;
  readonly elkar: ElkarImitation;
  /** Requests get to the remote when this has come, and `delayMs` after it; what they meet halfway is up to the test. */
  gate: Promise<void>;
  delayMs: number;
  /** So many requests are on their way to the remote. */
  readonly underWay: number;
  close(): Promise<void>;
}

let script: Promise<string> | undefined;

/** Made once for each file of tests. */
function bundled(): Promise<string> {
  script ??= bundle();
  return script;
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
  const script = await bundled();
  const elkar = elkarImitation();
  const served = await serveRequests(async (request) => {
    const { pathname } = new URL(request.url);
    const content = (type: string, body: string) => new Response(body, { headers: { 'content-type': type } });
    if (pathname === '/') return content('text/html', '<!doctype html><script src="/holdfast.js"></script>');
    if (pathname === '/holdfast.js') return content('text/javascript', script);
    if (!pathname.startsWith('/api/')) return new Response('', { status: 404 });
    site.underWay++;
    await site.gate;
    await new Promise((resolve) => setTimeout(resolve, site.delayMs));
    site.underWay--;
    return elkar.handle(request);
  });
  const site = {
    url: `${served.origin}/`,
    elkar,
    gate: Promise.resolve(),
    delayMs: 0,
    underWay: 0,
    close: () => served.close(),
  };
  return site;
}
