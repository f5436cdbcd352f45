/** Over HTTP on this machine: the endpoint, what the client adds to a bare fetch, and sync. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getRequestListener } from '@hono/node-server';
import { ElkarClientStore } from '../../dist/elkar.js';
import { openTaskStore } from '../../dist/index.node.js';
import { apiKeys, createElkarHandler } from '../../dist/server.js';
import { elkarSync } from '../../dist/sync.js';
import { rate, rateOf } from '../lib/measure.mjs';
import { message, scratch } from '../lib/work.mjs';

const apiKey = 'bench-key';
const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** An endpoint on a JSON file, or in memory, that counts its requests. */
async function serve(options) {
  const { folder, remove } = scratch();
  const store = await openTaskStore({ path: join(folder, 'remote.json'), ...options });
  let requests = 0;
  const handle = createElkarHandler({ store, authorize: apiKeys({ [apiKey]: 'bench' }) });
  const listener = getRequestListener((request) => {
    requests++;
    return handle(request);
  });
  const server = createServer({ maxHeaderSize: 128 * 1024, keepAlive: true }, listener);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  return {
    baseUrl: `${origin}/api`,
    requests: () => requests,
    async close() {
      server.closeAllConnections();
      server.close();
      await store.close();
      remove();
    },
  };
}

const call = (baseUrl, method, path, body) =>
  fetch(`${baseUrl}${path}`, {
    method,
    headers: { 'x-api-key': apiKey, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  }).then((response) => response.json());

const sendParams = (id) => ({ id, sessionId: 's', message: message(0) });
const bareCreate = (baseUrl, id) =>
  call(baseUrl, 'POST', '/tasks', { send_task_params: sendParams(id), counterparty_identifier: 'bench' });

async function withEndpoint(options, work) {
  const endpoint = await serve(options);
  try {
    return await work(endpoint);
  } finally {
    await endpoint.close();
  }
}

/** `holdfast serve` as a process of its own, as it is used. */
async function serveAlone(work) {
  const { folder, remove } = scratch();
  const args = ['serve', '--port', '0', '--store', join(folder, 'remote.json'), '--api-key', apiKey, '--json'];
  const server = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const [said] = await once(server.stdout, 'data');
    return await work(JSON.parse(String(said)).url);
  } finally {
    server.kill();
    await once(server, 'exit');
    remove();
  }
}

const updates = (figure, count) =>
  serveAlone(async (baseUrl) => {
    for (let i = 0; i < 64; i++) await bareCreate(baseUrl, `t${i}`);
    const update = (i) => {
      const status = { state: i % 2 ? 'working' : 'input-required', timestamp: new Date().toISOString() };
      return call(baseUrl, 'PUT', `/tasks/t${i % 64}`, { status, caller_id: 'bench' });
    };
    await rateOf(64, count / 4, update);
    return (await rateOf(64, count, update))[figure];
  });

/** A store with sync towards this address; nothing is gathered for long, so that the figures are of work. */
async function synced(baseUrl, name, options = {}) {
  const { folder, remove } = scratch();
  const sync = elkarSync({ baseUrl, apiKey, concurrency: 8, gatherMs: 5, ...options });
  const store = await openTaskStore({ path: join(folder, `${name}.json`), durability: 'relaxed', sync });
  return {
    store,
    async close() {
      await store.close();
      remove();
    },
  };
}

export function remoteRows({ quick }) {
  const n = quick ? 0.1 : 1;
  return [
    {
      id: 'endpoint',
      title: 'Status updates by 64 connections to `holdfast serve` on a JSON file, strict',
      unit: 'ops/s',
      contestants: { Holdfast: () => updates('rate', 10_000 * n) },
      goals: [{ of: 'Holdfast', atLeast: 2_000 }],
    },
    {
      id: 'endpoint-p99',
      title: '99th percentile of these updates',
      unit: 'ms',
      contestants: { Holdfast: () => updates('p99', 10_000 * n) },
      goals: [{ of: 'Holdfast', atMost: 100 }],
    },
    {
      id: 'client',
      title: 'What ElkarClientStore adds to a bare fetch of the same request',
      unit: 'ms',
      contestants: {
        Holdfast: () =>
          withEndpoint({ backend: 'memory' }, async ({ baseUrl }) => {
            const client = new ElkarClientStore({ baseUrl, apiKey, defaultCallerId: 'bench' });
            await client.upsertTask(sendParams('t1'));
            const count = 2_000 * n;
            const bare = () => call(baseUrl, 'GET', '/tasks/t1?caller_id=bench');
            const own = () => client.getTask('t1');
            await rate(count / 4, bare);
            await rate(count / 4, own);
            return 1_000 / (await rate(count, own)) - 1_000 / (await rate(count, bare));
          }),
      },
      goals: [{ of: 'Holdfast', atMost: 0.3 }],
    },
    {
      id: 'sync-requests',
      title: '1,000 appends made offline to 10 tasks, pushed',
      unit: 'requests',
      rounds: 1,
      contestants: {
        Holdfast: () =>
          withEndpoint({ backend: 'memory' }, async ({ baseUrl, requests }) => {
            let online = false;
            const gate = (...args) => (online ? fetch(...args) : Promise.reject(new TypeError('offline')));
            const { store, close } = await synced(baseUrl, 'offline', { fetch: gate });
            for (let i = 0; i < 1_000; i++)
              await store.upsertTask({ ...sendParams(`t${i % 10}`), message: message(i) });
            online = true;
            store.sync.pause();
            store.sync.resume();
            await store.sync.flush();
            const count = requests();
            await close();
            return count;
          }),
      },
      goals: [{ of: 'Holdfast', atMost: 30 }],
    },
    {
      id: 'sync-backlog',
      title: `${(10_000 * n).toLocaleString('en-US')} tasks pending, pushed; against a bare loop of fetch, 8 at a time`,
      unit: 'tasks/s',
      contestants: {
        Holdfast: () =>
          withEndpoint({ backend: 'memory' }, async ({ baseUrl }) => {
            const count = 10_000 * n;
            const { store, close } = await synced(baseUrl, 'backlog');
            store.sync.pause();
            for (let i = 0; i < count; i++) await store.upsertTask(sendParams(`t${i}`));
            const start = performance.now();
            store.sync.resume();
            await store.sync.flush();
            const figure = (count / (performance.now() - start)) * 1_000;
            await close();
            return figure;
          }),
        'bare fetch': () =>
          withEndpoint({ backend: 'memory' }, async ({ baseUrl }) => {
            return (await rateOf(8, 10_000 * n, (i) => bareCreate(baseUrl, `t${i}`))).rate;
          }),
      },
      goals: [{ of: 'Holdfast', against: 'bare fetch', atLeast: 0.5 }],
    },
    {
      id: 'sync-append',
      title: 'A local append with sync on and the remote down, and with sync off (relaxed)',
      unit: 'ops/s',
      contestants: {
        'sync on, remote down': async () => {
          const { store, close } = await synced('http://127.0.0.1:9/api', 'down');
          const figure = await appends(store, 10_000 * n);
          await close();
          return figure;
        },
        'sync off': async () => {
          const { folder, remove } = scratch();
          const store = await openTaskStore({ path: join(folder, 'off.json'), durability: 'relaxed' });
          const figure = await appends(store, 10_000 * n);
          await store.close();
          remove();
          return figure;
        },
      },
      goals: [{ of: 'sync on, remote down', against: 'sync off', atLeast: 1 / 1.15 }],
    },
  ];
}

async function appends(store, count) {
  await store.upsertTask(sendParams('own'));
  await rate(count / 4, (i) => store.updateTask('own', { newMessages: [message(i)] }));
  return rate(count, (i) => store.updateTask('own', { newMessages: [message(i)] }));
}
