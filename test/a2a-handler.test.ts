import { type AddressInfo, connect } from 'node:net';
import { type ServerType, serve } from '@hono/node-server';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type A2AHandlerOptions, createA2AHandler, type TaskHandler, type TaskManager } from '../src/task-manager.ts';
import { ask, card, chunk, gate, openManager, says } from './support/agent.ts';
import { scaled, seeded } from './support/long.ts';

const echo: TaskHandler = async (task) => {
  await task.setStatus('working');
  await task.upsertArtifacts([chunk('a')]);
  await task.upsertArtifacts([chunk('b')]);
  await task.setStatus({ state: 'completed', message: says('Done') });
};

/** An agent on a real port, and who it is asked as. */
async function startAgent(sendTaskHandler: TaskHandler, options: A2AHandlerOptions = {}) {
  const agent = await openManager({ sendTaskHandler });
  const failures: unknown[] = [];
  const callerOf = (request: Request) => request.headers.get('x-user') ?? undefined;
  const handler = createA2AHandler(agent.manager, { callerOf, onError: (error) => failures.push(error), ...options });
  const server = serve({ fetch: handler, port: 0, hostname: '127.0.0.1' });
  onTestFinished(() => stop(server));
  await new Promise<void>((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const post = (body: string, init: RequestInit = {}) => fetch(url, { method: 'POST', body, ...init });
  const call = async (method: string, params: unknown, headers: Record<string, string> = {}) => {
    const response = await post(JSON.stringify({ jsonrpc: '2.0', id: 7, method, params }), { headers });
    return response.json() as Promise<Answer>;
  };
  return { ...agent, failures, url, post, call };
}

function stop(server: ServerType): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    // Connections that clients keep open for a next request would hold it up.
    if ('closeAllConnections' in server) server.closeAllConnections();
  });
}

interface Answer {
  readonly jsonrpc: string;
  readonly id: unknown;
  readonly result?: Record<string, unknown>;
  readonly error?: { code: number; message: string; data?: { path: unknown[] }[] };
}

/** The data of each server-sent event, as it arrives. */
async function* eventsOf(response: Response): AsyncGenerator<Answer> {
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  let text = '';
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) if (event.startsWith('data: ')) yield JSON.parse(event.slice(6));
  }
  expect(text).toBe('');
}

test('the card stands at its well-known places', async () => {
  const { url } = await startAgent(echo);
  for (const name of ['agent.json', 'agent-card.json']) {
    expect(await (await fetch(`${url}/.well-known/${name}`)).json()).toEqual(card);
  }
  expect((await fetch(`${url}/elsewhere`)).status).toBe(404);
});

test('every call that answers with JSON', async () => {
  const { call, store } = await startAgent(echo);
  const user = { 'x-user': 'ann' };
  const sent = await call('tasks/send', ask('t1'), user);
  expect(sent).toMatchObject({ jsonrpc: '2.0', id: 7, result: { id: 't1', status: { state: 'completed' } } });
  expect(sent.result).toEqual(JSON.parse(JSON.stringify((await store.getTask('t1', { callerId: 'ann' }))?.task)));
  const last = await call('tasks/get', { id: 't1', historyLength: 1 }, user);
  expect(last.result?.history).toEqual([says('Done')]);
  const push = { id: 't1', pushNotificationConfig: { url: 'https://example.org' } };
  expect((await call('tasks/pushNotification/set', push, user)).result).toEqual(push);
  expect((await call('tasks/pushNotification/get', { id: 't1' }, user)).result).toEqual(push);
  expect((await call('tasks/cancel', { id: 't1' }, user)).error?.code).toBe(-32002);
  expect((await call('tasks/get', { id: 't1' })).error?.code).toBe(-32001);
  expect((await call('tasks/send', ask('t1'), user)).error?.code).toBe(-32004);
});

test('a stream of events, each sent when it happened', async () => {
  const hold = gate();
  const { post } = await startAgent(async (task, context) => {
    await task.setStatus('working');
    await hold.opened;
    await echo(task, context);
  });
  const body = JSON.stringify({ jsonrpc: '2.0', id: 'x', method: 'tasks/sendSubscribe', params: ask('t1') });
  const events = eventsOf(await post(body));
  const first = [await events.next(), await events.next()].map(({ value }) => value.result.status.state);
  expect(first).toEqual(['submitted', 'working']);
  hold.open();
  const rest: Answer[] = [];
  for await (const event of events) rest.push(event);
  expect(rest.every(({ id, jsonrpc }) => id === 'x' && jsonrpc === '2.0')).toBe(true);
  expect(rest.at(-1)?.result).toMatchObject({
    id: 't1',
    status: { state: 'completed', message: says('Done') },
    final: true,
  });
  const parts = rest.flatMap(({ result }) => (result?.artifact as { parts: { text: string }[] })?.parts ?? []);
  expect(parts.map(({ text }) => text).join('')).toBe('ab');
});

test('every call is made as the caller whom the application names', async () => {
  const { call, post, store } = await startAgent(echo);
  const user = { 'x-user': 'ann' };
  const stream = async (method: string, params: unknown, headers: Record<string, string>) => {
    const response = await post(JSON.stringify({ jsonrpc: '2.0', id: 7, method, params }), { headers });
    if (response.headers.get('content-type') !== 'text/event-stream') return (await response.json()) as Answer;
    const events = [];
    for await (const event of eventsOf(response)) events.push(event);
    return events.at(-1) as Answer;
  };
  expect((await stream('tasks/sendSubscribe', ask('t1'), user)).result?.final).toBe(true);
  expect((await store.getTask('t1', { callerId: 'ann' }))?.task.status.state).toBe('completed');
  expect(await store.getTask('t1')).toBeUndefined();
  const push = { id: 't1', pushNotificationConfig: { url: 'https://example.org' } };
  await store.updateTask('t1', { callerId: 'ann', pushNotification: push.pushNotificationConfig });
  const ofAnn: [method: string, params: object][] = [
    ['tasks/get', { id: 't1' }],
    ['tasks/resubscribe', { id: 't1' }],
    ['tasks/pushNotification/set', push],
    ['tasks/pushNotification/get', { id: 't1' }],
  ];
  for (const [method, params] of ofAnn) {
    expect((await stream(method, params, user)).result, method).toBeDefined();
    for (const headers of [{}, { 'x-user': 'bob' }])
      expect((await stream(method, params, headers as Record<string, string>)).error?.code, method).toBe(-32001);
  }
  expect((await call('tasks/cancel', { id: 't1' }, user)).error?.code).toBe(-32002);
  expect((await call('tasks/cancel', { id: 't1' })).error?.code).toBe(-32001);
});

test('a caller that is none, as the null of a header that is not there, is refused by name in every call', async () => {
  const errors: unknown[] = [];
  const { call, store } = await startAgent(echo, {
    callerOf: ({ headers }) => headers.get('x-nobody-sends-this') as string,
    onError: (error) => errors.push(error),
  });
  await store.upsertTask(ask('t1'));
  const push = { id: 't1', pushNotificationConfig: { url: 'https://example.org' } };
  for (const [method, params] of [
    ['tasks/send', ask('t1')],
    ['tasks/sendSubscribe', ask('t1')],
    ['tasks/get', { id: 't1' }],
    ['tasks/cancel', { id: 't1' }],
    ['tasks/resubscribe', { id: 't1' }],
    ['tasks/pushNotification/set', push],
    ['tasks/pushNotification/get', { id: 't1' }],
  ] as const)
    expect((await call(method, params)).error, method).toMatchObject({ code: -32602, data: [{ path: ['callerId'] }] });
  expect(errors).toEqual([]);
});

test('a connection that breaks off does not stop the task; resubscribing takes it up', async () => {
  const [hold, done] = [gate(), gate()];
  const { post } = await startAgent(async (task) => {
    await task.upsertArtifacts([chunk('a')]);
    await hold.opened;
    await task.upsertArtifacts([chunk('b')]);
    await done.opened;
    await task.setStatus('completed');
  });
  const abort = new AbortController();
  const body = (method: string) => JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: ask('t1') });
  const first = eventsOf(await post(body('tasks/sendSubscribe'), { signal: abort.signal }));
  await first.next();
  abort.abort();
  await expect(first.next().then(() => first.next())).rejects.toThrow();
  const second = eventsOf(await post(body('tasks/resubscribe')));
  expect((await second.next()).value).toMatchObject({ result: { artifact: { parts: [{ text: 'a' }] } } });
  expect((await second.next()).value).toMatchObject({
    result: { status: { state: 'submitted' }, history: [says('Hi', 'user')], final: false },
  });
  hold.open();
  expect((await second.next()).value).toMatchObject({ result: { artifact: { append: true, parts: [{ text: 'b' }] } } });
  done.open();
  expect((await second.next()).value).toMatchObject({ result: { final: true } });
  expect((await second.next()).done).toBe(true);
});

test('a silent stream shows that it is alive', async () => {
  const hold = gate();
  const { post } = await startAgent(
    async (task) => {
      await hold.opened;
      await task.setStatus('completed');
    },
    { keepAliveMs: 10 },
  );
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tasks/sendSubscribe', params: ask('t1') });
  const response = await post(body);
  const decoder = new TextDecoder();
  let text = '';
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes, { stream: true });
    if (text.includes(': keep-alive\n\n')) hold.open();
  }
  expect(text).toMatch(/^data: .*\n\n(: keep-alive\n\n)+data: .*"final":true.*\n\n$/);
});

test('a stream that fails in the midst ends with the error, told as any other', async () => {
  const disk = new Error('no disk');
  const manager = {
    agentCard: card,
    sendTaskStreaming() {
      const events = (async function* () {
        yield { id: 't1', status: { state: 'working' as const }, final: false };
        throw disk;
      })();
      return Object.assign(events, { ready: Promise.resolve() });
    },
  } as unknown as TaskManager;
  const failures: unknown[] = [];
  const handle = createA2AHandler(manager, { onError: (error) => failures.push(error) });
  const body = JSON.stringify({ jsonrpc: '2.0', id: 'x', method: 'tasks/sendSubscribe', params: ask('t1') });
  const events = [];
  for await (const event of eventsOf(await handle(new Request('http://a.example/', { method: 'POST', body }))))
    events.push(event);
  expect(events).toEqual([
    { jsonrpc: '2.0', id: 'x', result: { id: 't1', status: { state: 'working' }, final: false } },
    { jsonrpc: '2.0', id: 'x', error: { code: -32603, message: 'Internal error' } },
  ]);
  expect(failures).toEqual([disk]);
});

test('a refused stream is a plain answer', async () => {
  const { call } = await startAgent(echo);
  await call('tasks/send', ask('t1'));
  expect((await call('tasks/sendSubscribe', ask('t1'))).error?.code).toBe(-32004);
  expect((await call('tasks/resubscribe', { id: 'nobody' })).error?.code).toBe(-32001);
});

test('what is no JSON-RPC is refused with its number', async () => {
  const { post, call } = await startAgent(echo);
  const bodies: [string, number][] = [
    ['', -32700],
    ['{"jsonrpc":"2.0",', -32700],
    ['null', -32600],
    ['[]', -32600],
    [JSON.stringify([{ jsonrpc: '2.0', id: 1, method: 'tasks/get', params: { id: 't' } }]), -32600],
    ['{"jsonrpc":"1.0","id":1,"method":"tasks/get"}', -32600],
    ['{"jsonrpc":"2.0","id":{},"method":"tasks/get"}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":7}', -32600],
    ['{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":"t1"}', -32600],
  ];
  for (const [body, code] of bodies) {
    const response = await post(body);
    expect(response.status, body).toBe(400);
    expect(await response.json(), body).toMatchObject({ jsonrpc: '2.0', id: null, error: { code } });
  }
  for (const method of ['tasks/none', 'constructor', '__proto__', '']) {
    expect(await call(method, {})).toMatchObject({ id: 7, error: { code: -32601 } });
  }
});

test('bad parameters are refused with the path of each', async () => {
  const { call, failures } = await startAgent(echo);
  const bad: [string, unknown, unknown[]][] = [
    ['tasks/get', undefined, []],
    ['tasks/get', { id: '' }, ['id']],
    ['tasks/get', { id: 't1', historyLength: -1 }, ['historyLength']],
    ['tasks/cancel', { id: 7 }, ['id']],
    ['tasks/send', { id: 't1' }, ['message']],
    ['tasks/send', { id: 't1', message: { role: 'user', parts: [{ type: 'text' }] } }, ['message', 'parts', 0, 'text']],
    ['tasks/sendSubscribe', { id: 't1', message: { role: 'dog', parts: [] } }, ['message', 'role']],
    ['tasks/pushNotification/set', { id: 't1', pushNotificationConfig: {} }, ['pushNotificationConfig', 'url']],
    ['tasks/resubscribe', { id: [] }, ['id']],
  ];
  for (const [method, params, path] of bad) {
    const { error } = await call(method, params);
    expect(error?.code, method).toBe(-32602);
    expect(error?.data?.map((issue) => issue.path)).toContainEqual(path);
  }
  expect(failures).toEqual([]);
});

test('nulls for absent fields are taken as absent, but kept in what users own', async () => {
  const { call, store } = await startAgent(echo);
  const answer = await call('tasks/send', {
    id: 't1',
    sessionId: 's1',
    message: { role: 'user', parts: [{ type: 'data', data: { a: null }, metadata: null }], metadata: { b: null } },
    acceptedOutputModes: null,
    pushNotification: null,
    historyLength: null,
    metadata: null,
  });
  expect(answer.error).toBeUndefined();
  const stored = await store.getTask('t1');
  expect(stored?.task.history?.[0]).toEqual({
    role: 'user',
    parts: [{ type: 'data', data: { a: null } }],
    metadata: { b: null },
  });
});

test('a key of any name is kept', async () => {
  const { call, store } = await startAgent(echo);
  const odd = () => JSON.parse('{ "__proto__": { "a": 1 }, "constructor": 2, "": 3 }');
  const message = {
    ...odd(),
    role: 'user',
    parts: [{ ...odd(), type: 'data', data: odd(), metadata: odd() }],
    metadata: odd(),
  };
  expect((await call('tasks/send', { id: 't1', message, metadata: odd() })).error).toBeUndefined();
  const { history = [], metadata } = (await store.getTask('t1'))?.task ?? {};
  expect(JSON.parse(JSON.stringify([history[0], metadata]))).toStrictEqual(
    JSON.parse(JSON.stringify([message, odd()])),
  );
  expect(Object.keys(metadata ?? {})).toContain('__proto__');
});

test('nulls in fields that A2A does not name are kept as they came', async () => {
  const { call, store } = await startAgent(echo);
  const odd = { review: null, ext: { a: null, metadata: { b: null }, list: [null, { name: null }] } };
  const file = { bytes: 'aGk=', uri: null, name: null, mimeType: null, ...odd };
  const message = { role: 'user', parts: [{ type: 'file', file, metadata: null, ...odd }], ...odd };
  const pushNotification = { url: 'http://u', token: null, authentication: { schemes: [], credentials: null, ...odd } };
  expect((await call('tasks/send', { id: 't1', message, pushNotification })).error).toBeUndefined();
  const stored = await store.getTask('t1');
  expect(stored?.task.history?.[0]).toEqual({
    role: 'user',
    parts: [{ type: 'file', file: { bytes: 'aGk=', ...odd }, ...odd }],
    ...odd,
  });
  expect(stored?.pushNotification).toEqual({ url: 'http://u', authentication: { schemes: [], ...odd } });
});

test('a notification is carried out and not answered', async () => {
  const { post, store } = await startAgent(echo);
  const response = await post(JSON.stringify({ jsonrpc: '2.0', method: 'tasks/send', params: ask('t1') }));
  expect([response.status, await response.text()]).toEqual([204, '']);
  expect((await store.getTask('t1'))?.task.status.state).toBe('completed');
});

test.each([
  ['a refusal', 'tasks/get', {}],
  ['a method that is not there', 'tasks/nap', {}],
  ['a task that is not there', 'tasks/resubscribe', { id: 't9' }],
  ['a stream', 'tasks/sendSubscribe', ask('t1')],
])('a notification is not told of %s', async (_, method, params) => {
  const { post, store } = await startAgent(echo);
  const response = await post(JSON.stringify({ jsonrpc: '2.0', method, params }));
  expect([response.status, await response.text()]).toEqual([204, '']);
  if (method !== 'tasks/sendSubscribe') return;
  // A stream that nobody reads does not stop the task.
  await expect.poll(async () => (await store.getTask('t1'))?.task.status.state).toBe('completed');
});

test('the application may refuse a request before it is read', async () => {
  const { call, post, store } = await startAgent(echo, {
    callerOf: async (request) => request.headers.get('x-user') ?? new Response('Who are you?', { status: 401 }),
  });
  const refused = await post(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tasks/send', params: ask('t1') }));
  expect([refused.status, await refused.text()]).toEqual([401, 'Who are you?']);
  expect(await store.getTask('t1')).toBeUndefined();
  expect((await call('tasks/send', ask('t1'), { 'x-user': 'ann' })).result?.id).toBe('t1');
});

test('errors within are told to the application, not to callers', async () => {
  const { call, failures, store } = await startAgent(echo);
  await store.close();
  expect((await call('tasks/get', { id: 't1' })).error).toEqual({ code: -32603, message: 'Internal error' });
  expect(failures).toMatchObject([{ code: 'STORE_CLOSED' }]);
});

test('bodies over the limit, and pages of other origins, are refused', async () => {
  // The other as it is copied from where addresses are shown.
  const cors = ['https://good.example', 'https://copied.example/'];
  const { post, url } = await startAgent(echo, { bodyLimit: 1_000, cors });
  const large = await post(
    JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tasks/send', params: ask('t1', 'x'.repeat(1_000)) }),
  );
  expect(large.status).toBe(413);
  expect(await large.json()).toMatchObject({ error: { code: -32600 } });
  const preflight = async (origin: string) => {
    const headers = { origin, 'access-control-request-method': 'POST' };
    return (await fetch(url, { method: 'OPTIONS', headers })).headers.get('access-control-allow-origin');
  };
  expect(await preflight('https://good.example')).toBe('https://good.example');
  expect(await preflight('https://copied.example')).toBe('https://copied.example');
  expect(await preflight('https://bad.example')).toBeNull();
});

test('no page of another origin can start a turn by what browsers send without asking', async () => {
  const { post, store } = await startAgent(echo, { cors: ['https://good.example'] });
  const body = (id: string) => JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tasks/send', params: ask(id) });
  const from = async (id: string, type: string, origin: string) =>
    (await post(body(id), { headers: { origin, 'content-type': type } })).status;
  for (const type of ['text/plain', 'text/plain; application/json', 'application/x-www-form-urlencoded']) {
    for (const origin of ['https://bad.example', 'null']) expect(await from('t1', type, origin)).toBe(415);
  }
  expect(await store.getTask('t1')).toBeUndefined();
  expect(await from('t2', 'application/json;charset=utf-8', 'https://good.example')).toBe(200);
  expect((await post(body('t3'), { headers: { 'content-type': 'text/plain' } })).status).toBe(200);
});

test('a body that breaks off is no failure of the agent', async () => {
  const said = vi.spyOn(console, 'error').mockImplementation(() => {});
  onTestFinished(() => said.mockRestore());
  const { url, failures } = await startAgent(echo);
  for (const length of ['content-length: 100', 'transfer-encoding: chunked']) {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.write(`POST / HTTP/1.1\r\nhost: agent\r\n${length}\r\n\r\n5\r\n{"jso`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
  }
  // Asked after them, answered after them.
  await fetch(`${url}/.well-known/agent.json`);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect([failures, said.mock.calls]).toEqual([[], []]);
});

test('parameters nested deeper than the store takes are refused as such', async () => {
  const { post, failures } = await startAgent(echo);
  const params = JSON.stringify({ ...ask('t1'), extra: 0 });
  const deep = params.replace('"extra":0', `"extra":${'['.repeat(100_000)}${']'.repeat(100_000)}`);
  const answer = (await (
    await post(`{"jsonrpc":"2.0","id":1,"method":"tasks/send","params":${deep}}`)
  ).json()) as Answer;
  expect([answer.error?.code, failures]).toEqual([-32602, []]);
});

test('a connection that is not read holds up nothing, and misses nothing when it is', async () => {
  const count = 20_000;
  const { post, call, manager } = await startAgent(async (task) => {
    for (let i = 0; i < count; i++) await task.upsertArtifacts([chunk(`${i} ${'x'.repeat(500)},`)]);
    await task.setStatus('completed');
  });
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tasks/sendSubscribe', params: ask('t1') });
  const response = await post(body);
  // The turn ends while nobody reads: ten megabytes are more than sockets hold.
  for await (const _ of manager.resubscribeToTask({ id: 't1' }));
  expect((await call('tasks/get', { id: 't1', historyLength: 0 })).result?.status).toMatchObject({
    state: 'completed',
  });
  const numbers: number[] = [];
  let events = 0;
  for await (const { result } of eventsOf(response)) {
    events++;
    for (const { text } of (result?.artifact as { parts: { text: string }[] })?.parts ?? [])
      numbers.push(Number.parseInt(text, 10));
  }
  expect(numbers).toEqual(Array.from({ length: count }, (_, i) => i));
  expect(events).toBeLessThan(count);
});

test('nothing that is sent makes it fail', async () => {
  const { manager } = await openManager({ sendTaskHandler: echo });
  const failures: unknown[] = [];
  const handler = createA2AHandler(manager, { onError: (error) => failures.push(error) });
  const methods = [
    'send',
    'sendSubscribe',
    'get',
    'cancel',
    'resubscribe',
    'pushNotification/set',
    'pushNotification/get',
  ];
  const id = fc.oneof(fc.constantFrom('t1', 't2', '__proto__', ''), fc.jsonValue());
  const params = fc.oneof(
    fc.record({ id, message: fc.oneof(fc.constant(says('Hi', 'user')), fc.jsonValue()) }),
    fc.record({ id, historyLength: fc.jsonValue() }),
    fc.record({ id, pushNotificationConfig: fc.jsonValue() }),
    fc.jsonValue(),
  );
  const request = fc.record({
    jsonrpc: fc.oneof({ weight: 9, arbitrary: fc.constant('2.0') }, fc.jsonValue()),
    id: fc.oneof({ weight: 9, arbitrary: fc.nat() }, fc.jsonValue()),
    method: fc.oneof(fc.constantFrom(...methods.map((name) => `tasks/${name}`)), fc.string()),
    params,
  });
  const body = fc.oneof(
    request.map((value) => JSON.stringify(value)),
    fc.json(),
    fc.string(),
  );
  const known = [200, 400];
  await fc.assert(
    fc.asyncProperty(body, async (text) => {
      const response = await handler(new Request('http://agent/', { method: 'POST', body: text }));
      expect(known).toContain(response.status);
      // A stream of a task that nobody works on stays open.
      if (response.headers.get('content-type') === 'text/event-stream') await response.body?.cancel();
      else expect(await response.json()).toHaveProperty('jsonrpc', '2.0');
    }),
    { ...seeded('requests to an agent'), numRuns: scaled(500, 6_000) },
  );
  expect(failures).toEqual([]);
});

const resubscribe = () =>
  new Request('http://agent.example/', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tasks/resubscribe', params: { id: 't1' } }),
  });

test('that a reader goes away while an event is on its way to it is no failure of the agent', async () => {
  const { store, manager } = await openManager();
  const errors: unknown[] = [];
  const handle = createA2AHandler(manager, { onError: (error) => errors.push(error) });
  await store.upsertTask(ask('t1'));
  const reader = (await handle(resubscribe())).body?.getReader();
  await reader?.read();
  const waiting = reader?.read();
  await new Promise(setImmediate);
  store.subscribe(() => void reader?.cancel());
  await store.updateTask('t1', { status: { state: 'working' } });
  expect(await waiting).toMatchObject({ done: true });
  await new Promise(setImmediate);
  expect(errors).toEqual([]);
});

test('no sign of life is shown all the time: a timer of 0, or one that is to wait too long, does not wait at all', async () => {
  const { store, manager } = await openManager();
  await store.upsertTask(ask('t1'));
  const timers = vi.spyOn(globalThis, 'setInterval');
  onTestFinished(() => timers.mockRestore());
  for (const keepAliveMs of [1_000, 0, Number.POSITIVE_INFINITY]) {
    const { body } = await createA2AHandler(manager, { keepAliveMs })(resubscribe());
    await body?.cancel();
  }
  expect(timers.mock.calls.map(([, ms]) => ms)).toEqual([1_000, 2 ** 31 - 1]);
});

test('a stream whose error cannot even be reported keeps no timer going', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const { store, manager } = await openManager();
  await store.upsertTask(ask('t1'));
  const follow = manager.resubscribeToTask.bind(manager);
  manager.resubscribeToTask = (...args) =>
    Object.assign(follow(...args), { next: () => Promise.reject(new Error('broken')) });
  const handle = createA2AHandler(manager, {
    onError: () => {
      throw new Error('no log');
    },
  });
  const { body } = await handle(resubscribe());
  await expect(body?.getReader().read()).rejects.toThrow('no log');
  expect(vi.getTimerCount()).toBe(0);
});
