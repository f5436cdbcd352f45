/**
 * Serves the demo: the page, an Elkar endpoint on a JSON file under `/api`, and the switches with which a visitor takes the
 * endpoint down or revokes its key.
 */
import { randomBytes } from 'node:crypto';
import { createReadStream, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { pipeline } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { openTaskStore } from 'holdfast/json-file';
import { apiKeys, createElkarHandler } from 'holdfast/server';

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
};

/**
 * @param {{ port?: number, host?: string, storePath: string, folder: string }} options `folder` holds the built page; port 0
 *   takes a free one
 * @returns {Promise<{ url: string, close(): Promise<void> }>}
 */
export async function startDemo({ port = 0, host = '127.0.0.1', storePath, folder }) {
  // A fresh key at each start: pages ask for it again when the old one is refused.
  const key = randomBytes(18).toString('base64url');
  const faults = { down: false, revoked: false };
  const store = await openTaskStore({ path: storePath });
  const known = apiKeys({ [key]: 'demo' });
  const authorize = (given) => (faults.revoked ? undefined : known(given));
  const answerApi = getRequestListener(createElkarHandler({ store, authorize, onError: console.error }));
  const answerControl = control(key, faults);
  const answerFile = files(folder);

  const server = createServer((request, response) => {
    // Not by `new URL`, which throws at what anybody may send, such as `//`.
    const [pathname] = (request.url ?? '/').split('?', 1);
    if (pathname.startsWith('/api/')) return faults.down ? request.socket.destroy() : answerApi(request, response);
    if (pathname.startsWith('/demo/')) return answerControl(pathname, request, response);
    return answerFile(pathname, response);
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  }).catch(async (error) => {
    await store.close();
    throw error;
  });
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${server.address().port}/`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await store.close();
    },
  };
}

/** `/demo/key` is what a real page would get from its login; `/demo/faults` reads and sets the switches. */
function control(key, faults) {
  return async (pathname, request, response) => {
    const json = (status, value) => {
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      response.end(JSON.stringify(value));
    };
    if (pathname === '/demo/key') return json(200, { key });
    if (pathname !== '/demo/faults') return json(404, {});
    if (request.method === 'GET') return json(200, faults);
    // No page of another origin can send this type without being asked for leave first.
    if (request.method !== 'PUT' || request.headers['content-type'] !== 'application/json') return json(415, {});
    try {
      const { down, revoked } = JSON.parse(Buffer.concat(await request.toArray()).toString());
      if (typeof down === 'boolean') faults.down = down;
      if (typeof revoked === 'boolean') faults.revoked = revoked;
      return json(200, faults);
    } catch {
      return json(400, {});
    }
  };
}

/** Only what lies in the folder when the server starts: no path is ever put together from a request. */
function files(folder) {
  const paths = new Map(readdirSync(folder).map((name) => [`/${name}`, join(folder, name)]));
  paths.set('/', join(folder, 'index.html'));
  return (pathname, response) => {
    const path = paths.get(pathname);
    if (!path) return response.writeHead(404, { 'content-type': 'text/plain' }).end('Not found\n');
    response.writeHead(200, {
      'content-type': types[extname(path)] ?? 'application/octet-stream',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
    // A file that a build has just taken away, or a reader who left, ends this answer and nothing else.
    pipeline(createReadStream(path), response, () => {});
  };
}
