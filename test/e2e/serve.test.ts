/** `holdfast serve` as a real process: used, stopped, killed, started again. */
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { openTaskStore } from '../../src/json-file.ts';
import { runCli, startServe } from '../support/cli.ts';
import { scaled } from '../support/long.ts';
import { newFolder } from '../support/places.ts';

let cwd: string;
beforeEach(() => {
  cwd = newFolder();
});

const message = (text: string) => ({ role: 'user', parts: [{ type: 'text', text }] });
const create = (id: string) => ({
  send_task_params: { id, sessionId: 's', message: message('Hi') },
  counterparty_identifier: 'ann',
});

/** Appends numbered messages to tasks of its own, side by side, until the server is gone; answers what was acknowledged. */
async function load(request: Awaited<ReturnType<typeof startServe>>['request'], prefix: string, writers: number) {
  const acknowledged = new Map<string, number>();
  const write = async (id: string) => {
    try {
      if ((await request('POST', '/tasks', create(id))).status !== 200) return;
      acknowledged.set(id, 0);
      for (let i = 1; ; i++) {
        const body = { new_messages: [message(`${i}`)], caller_id: 'ann' };
        const response = await request('PUT', `/tasks/${id}`, body);
        await response.arrayBuffer();
        if (response.status !== 200) return;
        acknowledged.set(id, i);
      }
    } catch {
      // The server went away in the middle; this change may or may not be there.
    }
  };
  const done = Promise.all(Array.from({ length: writers }, (_, i) => write(`${prefix}-${i}`)));
  const atLeast = (count: number) =>
    expect
      .poll(() => [...acknowledged.values()].reduce((a, b) => a + b, 0), { timeout: 20_000 })
      .toBeGreaterThan(count);
  return { acknowledged, done, atLeast };
}

/** Every acknowledged message is there, in order, and at most the one under way besides. */
async function expectKept(path: string, acknowledged: ReadonlyMap<string, number>): Promise<void> {
  await using store = await openTaskStore({ path });
  const { tasks } = await store.listTasks({ allCallers: true, limit: 10_000 });
  for (const [id, count] of acknowledged) {
    const callerId = tasks.find((task) => task.id === id)?.callerId;
    const history = (await store.getTask(id, { callerId }))?.task.history ?? [];
    const texts = history.map(({ parts: [part] }) => (part?.type === 'text' ? part.text : ''));
    expect([count, count + 1]).toContain(history.length - 1);
    expect(texts).toEqual(['Hi', ...Array.from({ length: history.length - 1 }, (_, i) => `${i + 1}`)]);
  }
}

test('serves a store, and tells how to reach it', async () => {
  const { request, url, child, exited, stderr } = await startServe(['--store', 'tasks.json'], { cwd });
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/api$/);
  const created = await request('POST', '/tasks', create('t1'));
  expect(created.status).toBe(200);
  expect(await created.json()).toMatchObject({ state: 'submitted', a2a_task: { id: 't1' } });
  expect((await request('GET', '/tasks/t1?caller_id=ann')).status).toBe(200);
  expect((await request('GET', '/tasks/t1?caller_id=ann', undefined, 'wrong')).status).toBe(401);
  expect((await request('GET', '/tasks/t1?caller_id=ann', undefined, '')).status).toBe(401);
  child.kill('SIGTERM');
  expect(await exited).toBe(0);
  expect(stderr()).toBe('SIGTERM: finishing what is under way\n');
  await using store = await openTaskStore({ path: join(cwd, 'tasks.json') });
  expect((await store.listTasks({ allCallers: true })).tasks).toMatchObject([{ id: 't1' }]);
});

test('keys belong to agents, and agents are kept apart', async () => {
  const { request } = await startServe(['--api-key', 'planner:one', '--api-key', 'writer:two'], { cwd });
  expect((await request('POST', '/tasks', create('t1'), 'one')).status).toBe(200);
  expect((await request('GET', '/tasks/t1?caller_id=ann', undefined, 'one')).status).toBe(200);
  expect((await request('GET', '/tasks/t1?caller_id=ann', undefined, 'two')).status).toBe(404);
  const fromEnvironment = await startServe(['--store', 'b.json'], { cwd, env: { HOLDFAST_API_KEY: 'secret' } });
  expect((await fromEnvironment.request('POST', '/tasks', create('t1'), 'secret')).status).toBe(200);
});

test('any text that a header can hold may be a key', async () => {
  const { request } = await startServe(['--api-key', '__proto__', '--api-key', 'writer:constructor'], { cwd });
  for (const key of ['__proto__', 'constructor'])
    expect((await request('POST', '/tasks', create('t1'), key)).status).toBe(200);
});

test('pages of the given origins may call', async () => {
  const extension = 'chrome-extension://abcdefghijklmnop';
  const { url } = await startServe(['--cors', 'https://app.example/path', '--cors', extension], { cwd });
  const preflight = async (origin: string) => {
    const headers = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-api-key' };
    return (await fetch(`${url}/tasks`, { method: 'OPTIONS', headers })).headers.get('access-control-allow-origin');
  };
  expect(await preflight('https://app.example')).toBe('https://app.example');
  expect(await preflight(extension)).toBe(extension);
  expect(await preflight('https://other.example')).toBeNull();
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s finishes what is under way and closes the store', async (signal) => {
  const { request, child, exited } = await startServe(['--store', 'tasks.json'], { cwd });
  const { acknowledged, done, atLeast } = await load(request, 'a', 8);
  await atLeast(50);
  child.kill(signal);
  expect(await exited).toBe(0);
  await done;
  // A closed store is the file alone: nothing has to be recovered.
  const { status, stdout } = await runCli(['check', '--store', 'tasks.json'], { cwd });
  expect([status, stdout]).toEqual([0, 'tasks.json: 8 tasks, 0 problems\n']);
  await expectKept(join(cwd, 'tasks.json'), acknowledged);
});

test('goes on and ends as always where nobody reads what it says any more', async () => {
  const { request, child, exited } = await startServe(['--store', 'tasks.json'], { cwd });
  child.stdout?.destroy();
  child.stderr?.destroy();
  expect((await request('POST', '/tasks', create('t1'))).status).toBe(200);
  child.kill('SIGTERM');
  expect(await exited).toBe(0);
  expect(readdirSync(cwd).sort()).toEqual(['tasks.json', 'tasks.json.index']);
});

test('does not wait at its end for connections on which nothing was asked, as browsers open them in advance', async () => {
  const { url, request, child, exited } = await startServe(['--store', 'tasks.json'], { cwd });
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  expect((await request('POST', '/tasks', create('t1'))).status).toBe(200);
  const begun = performance.now();
  child.kill('SIGTERM');
  expect(await exited).toBe(0);
  // Those under way are given ten seconds.
  expect(performance.now() - begun).toBeLessThan(8_000);
});

test('answers a request that was just arriving, on a connection of its own, when it was told to end', async () => {
  const { url, request, child, exited, stderr } = await startServe(['--store', 'tasks.json'], { cwd });
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
  let answer = '';
  socket.setEncoding('utf8').on('data', (text) => {
    answer += text;
  });
  socket.write('GET /api/tasks/t1 HTTP/1.1\r\nhost: localhost\r\n');
  expect((await request('POST', '/tasks', create('t1'))).status).toBe(200);
  child.kill('SIGTERM');
  await expect.poll(stderr).toContain('finishing');
  socket.write('connection: close\r\n\r\n');
  expect(await exited).toBe(0);
  expect(answer).toContain('HTTP/1.1 401');
});

test('killed under load and started again, nothing acknowledged is lost', async () => {
  const all = new Map<string, number>();
  for (let round = 0; round < scaled(3, 30); round++) {
    const { request, child, exited } = await startServe(['--store', 'tasks.json'], { cwd });
    const { acknowledged, done, atLeast } = await load(request, `round${round}`, 8);
    await atLeast(20 + ((round * 37) % 100));
    child.kill('SIGKILL');
    await exited;
    await done;
    for (const [id, count] of acknowledged) all.set(id, count);
  }
  await expectKept(join(cwd, 'tasks.json'), all);
});

test('what keeps it from starting is said in a line', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise<void>((resolve) => other.close(() => resolve())));
  const { port } = other.address() as AddressInfo;
  const taken = await runCli(['serve', '--port', `${port}`], { cwd });
  expect([taken.status, taken.stdout]).toEqual([1, '']);
  expect(taken.stderr).toBe(
    `holdfast serve: cannot listen on 127.0.0.1:${port}: another program has this port; choose one with --port, or --port 0 for any\n`,
  );

  mkdirSync(join(cwd, 'folder'));
  writeFileSync(join(cwd, 'file'), 'x');
  for (const store of ['folder', 'file', 'file/tasks.json']) {
    const { status, stdout, stderr } = await runCli(['serve', '--port', '0', '--store', store], { cwd });
    expect([status, stdout], store).toEqual([1, '']);
    expect(stderr).toMatch(/^holdfast serve: [^\n]*\([A-Z_]+\)\n$/);
  }
});

test('a second server on the same file is refused; one after a kill is not', async () => {
  const first = await startServe(['--store', 'tasks.json'], { cwd });
  const second = await runCli(['serve', '--port', '0', '--store', 'tasks.json'], { cwd });
  expect(second.status).toBe(1);
  expect(second.stderr).toMatch(/STORE_LOCKED/);
  first.child.kill('SIGKILL');
  await first.exited;
  const third = await startServe(['--store', 'tasks.json'], { cwd });
  expect((await third.request('POST', '/tasks', create('t1'))).status).toBe(200);
});
