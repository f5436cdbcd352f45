import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { openTaskStore } from '../../json-file.ts';
import { apiKeys, createElkarHandler } from '../../server.ts';
import { defineCommand, exit, toCount, UsageError } from '../command.ts';
import { jsonHelp, jsonOption, storeHelp, storeOption, useStore } from '../store-file.ts';
import type { Terminal } from '../terminal.ts';

/** Requests under way at SIGTERM get so long to finish. */
const GRACE_MS = 10_000;

export const serve = defineCommand({
  name: 'serve',
  summary: 'Serves a store as an Elkar endpoint, until SIGTERM or ^C.',
  usage: '[options]',
  help: `
What Elkar's clients can do with an Elkar server, they can do here. The store is made where there is none.

${storeHelp}
      --port n         the port; 0 takes a free one (default: 8484)
      --host name      the address to listen on (default: 127.0.0.1, this machine only)
      --api-key key    a key that clients may use, or agent:key; may be given several times. Each agent has tasks of its own.
                       (default: the environment's HOLDFAST_API_KEY, else a fresh one, printed)
      --cors origin    pages of this origin may call, such as https://app.example; may be given several times
${jsonHelp}, once it listens: { url, store, apiKey }

Examples
  holdfast serve --store tasks.json
  holdfast serve --port 9000 --api-key planner:s3cret --api-key writer:0ther --cors https://app.example
  curl -H 'x-api-key: s3cret' http://127.0.0.1:9000/api/tasks/t1
`,
  options: {
    ...storeOption,
    ...jsonOption,
    port: { type: 'string', default: '8484' },
    host: { type: 'string', default: '127.0.0.1' },
    'api-key': { type: 'string', multiple: true },
    cors: { type: 'string', multiple: true },
  },
  arguments: [0, 0],
  async run({ values }, terminal) {
    const { host } = values;
    // Node would listen on every address of the machine.
    if (host === '') throw new UsageError('--host "": expected a name or an address');
    const port = toPort(values.port);
    const cors = values.cors?.map(toOrigin);
    const given = values['api-key'] ?? (process.env.HOLDFAST_API_KEY ? [process.env.HOLDFAST_API_KEY] : undefined);
    const fresh = given ? undefined : randomBytes(18).toString('base64url');
    const authorize = apiKeys(toAgents(given ?? [fresh as string]));
    return useStore(await openTaskStore({ path: values.store }), async (store) => {
      const onError = (error: unknown) => terminal.note(`holdfast serve: ${(error as Error)?.message ?? error}`);
      const listener = getRequestListener(createElkarHandler({ store, authorize, cors, onError }));
      // Ids of 10 KB travel in URLs, and a caller beside them.
      const server = createServer({ maxHeaderSize: 128 * 1024 }, listener);
      const connections = connectionsOf(server);
      await listen(server, port, host);
      // Who hears that it listens may end it at once.
      const stopped = stopSignal();
      const { port: bound } = server.address() as AddressInfo;
      const url = `http://${host.includes(':') ? `[${host}]` : host}:${bound}/api`;
      if (values.json) terminal.printJson({ url, store: store.backend.location, ...(fresh && { apiKey: fresh }) });
      else sayWhere(terminal, url, store.backend.location, fresh);
      terminal.note(`${await stopped}: finishing what is under way`);
      await stop(server, connections);
      return exit.ok;
    });
  },
});

function sayWhere(terminal: Terminal, url: string, store: string, fresh: string | undefined): void {
  terminal.print(`Serving ${store} at ${url}`);
  if (fresh) terminal.print(`API key, for as long as this runs: ${fresh}`);
  terminal.print(
    `Try: curl -H 'x-api-key: ${fresh ?? '<key>'}' -X POST ${url}/tasks/list -H 'content-type: application/json' -d '{}'`,
  );
  terminal.print('^C ends it.');
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = listenErrors[error.code ?? ''] ?? error.message;
      reject(Object.assign(new Error(`cannot listen on ${host}:${port}: ${reason}`), { syscall: 'listen' }));
    });
    server.listen(port, host, resolve);
  });
}

const listenErrors: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program has this port; choose one with --port, or --port 0 for any',
  EACCES: 'this port needs more rights; choose one over 1023 with --port',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'no such host',
};

function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve);
  });
}

function connectionsOf(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return sockets;
}

/** No new connections, and no new requests on old ones; those under way are answered, for so long as the grace lasts. */
function stop(server: Server, connections: ReadonlySet<Socket>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), GRACE_MS);
    server.keepAliveTimeout = 1;
    server.prependListener('request', (_, response) => response.setHeader('connection', 'close'));
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    // Browsers open some in advance, which Node does not take for idle. Half the head of a request is under way.
    for (const socket of connections) if (socket.bytesRead === 0) socket.destroy();
  });
}

function toPort(text: string): number {
  const port = toCount('port', text, { least: 0 }) as number;
  if (port > 65_535) throw new UsageError(`--port ${text}: expected at most 65535`);
  return port;
}

/** `key` belongs to the agent `agent`, `name:key` to the agent `name`. */
function toAgents(given: readonly string[]): Record<string, string> {
  const agents = new Map<string, string>();
  for (const text of given) {
    const [, agent = 'agent', key = ''] = /^(?:([^:]*):)?(.*)$/s.exec(text) ?? [];
    // What is no visible ASCII cannot be sent in a header.
    if (!agent || !/^[!-~]+$/.test(key)) {
      throw new UsageError('--api-key: expected key or agent:key, the key of visible ASCII characters without spaces');
    }
    const other = agents.get(key);
    if (other !== undefined && other !== agent) {
      throw new UsageError(`--api-key: the agents ${JSON.stringify(other)} and ${JSON.stringify(agent)} share a key`);
    }
    agents.set(key, agent);
  }
  // By entries, since any text may be a key, `__proto__` too.
  return Object.fromEntries(agents);
}

function toOrigin(text: string): string {
  if (text === '*') return text;
  const { protocol, host } = URL.canParse(text) ? new URL(text) : { protocol: '', host: '' };
  if (host === '')
    throw new UsageError(`--cors ${JSON.stringify(text)}: expected an origin such as https://app.example`);
  // Said so by `URL` itself of the web's own schemes alone, not of those of browser extensions and apps.
  return `${protocol}//${host}`;
}
