/** Any `Request` handler, or any `http` listener, on a port of its own of 127.0.0.1. */
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';

export interface Served {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string;
  readonly close: () => Promise<void>;
}

export function serveRequests(handler: (request: Request) => Response | Promise<Response>): Promise<Served> {
  return serveListener(getRequestListener(handler, { overrideGlobalObjects: false }));
}

export async function serveListener(listener: RequestListener): Promise<Served> {
  // Ids of 10 KB travel in URLs, and a caller beside them.
  const server = createServer({ maxHeaderSize: 128 * 1024 }, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => close(server) };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
    server.closeAllConnections();
  });
}
