import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ElkarTransport, type ElkarTransportOptions, TaskStoreError } from '../src/elkar.ts';
import { elkarImitation } from './support/elkar-imitation.ts';
import { serveListener } from './support/http.ts';

const task = {
  id: '6e1f3d2a-0000-4000-8000-000000000000',
  task_type: 'incoming',
  state: 'working',
  a2a_task: { id: 't1', sessionId: 's', status: { state: 'working', timestamp: '2026-01-01T00:00:00.123456Z' } },
  push_notification: null,
  created_at: '2026-01-01T00:00:00Z',
  updated_at: '2026-01-01T00:00:00.123456Z',
  counterparty_identifier: null,
};

type Answers = (request: { url: string; init: RequestInit }) => Response | Promise<Response>;

function transport(answers: Answers, options: Partial<ElkarTransportOptions> = {}): ElkarTransport {
  return new ElkarTransport({
    baseUrl: 'https://elkar.example/api/',
    apiKey: 'secret-key',
    fetch: async (url, init) => answers({ url: String(url), init: init ?? {} }),
    ...options,
  });
}

const get = (to: ElkarTransport) => to.getTask('t1', { callerId: 'ann' });

async function failure(promise: Promise<unknown>): Promise<TaskStoreError> {
  const error = await promise.then(
    () => 'it resolved',
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TaskStoreError);
  return error as TaskStoreError;
}

const json = (status: number, body: unknown, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });

describe('answers', () => {
  const page = '<!doctype html><title>Sign in to the café</title>';
  const bad: [what: string, answer: () => Response, code: string, details?: object][] = [
    ['an HTML page with 200', () => new Response(page), 'REMOTE_UNREACHABLE', { status: 200 }],
    ['an empty 200', () => new Response(''), 'REMOTE_UNREACHABLE', { status: 200 }],
    ['truncated JSON', () => new Response(JSON.stringify(task).slice(0, -9)), 'REMOTE_UNREACHABLE', { status: 200 }],
    ['JSON that is no task', () => json(200, { ok: true }), 'REMOTE_UNREACHABLE', { status: 200 }],
    ['null', () => json(200, null), 'REMOTE_UNREACHABLE', { status: 200 }],
    ['a row without its task', () => json(200, { ...task, a2a_task: null }), 'REMOTE_UNREACHABLE', { status: 200 }],
    [
      'a task out of shape',
      () => json(200, { ...task, a2a_task: { id: 't1' } }),
      'REMOTE_UNREACHABLE',
      { status: 200 },
    ],
    ['204', () => new Response(null, { status: 204 }), 'REMOTE_UNREACHABLE', { status: 204 }],
    ['an empty 500', () => new Response('', { status: 500 }), 'REMOTE_UNREACHABLE', { status: 500 }],
    ['Database Error', () => json(500, { error_type: 'Database Error', details: 'x' }), 'REMOTE_UNREACHABLE'],
    ['502 of a proxy', () => new Response(page, { status: 502 }), 'REMOTE_UNREACHABLE', { status: 502 }],
    [
      '404 of Elkar',
      () => json(404, { error_type: 'Task not found', details: null }),
      'TASK_NOT_FOUND',
      { status: 404 },
    ],
    ['404 of somebody else', () => new Response(page, { status: 404 }), 'REMOTE_UNREACHABLE', { status: 404 }],
    ['400 of Elkar', () => json(400, { error_type: 'Failed to update artifact', details: null }), 'REMOTE_REJECTED'],
    ['a plain 400', () => new Response('Failed to parse', { status: 400 }), 'REMOTE_REJECTED', { status: 400 }],
    ['a plain 422', () => new Response('missing field `role`', { status: 422 }), 'REMOTE_REJECTED', { status: 422 }],
    ['415', () => new Response('Expected request with', { status: 415 }), 'REMOTE_REJECTED', { status: 415 }],
    ['413', () => new Response('length limit exceeded', { status: 413 }), 'REMOTE_REJECTED', { status: 413 }],
    ['401', () => json(401, { error_type: 'Invalid API key', details: null }), 'UNAUTHORIZED', { status: 401 }],
    ['403', () => new Response('', { status: 403 }), 'UNAUTHORIZED', { status: 403 }],
    [
      '429 with Retry-After',
      () => new Response('', { status: 429, headers: { 'retry-after': '7' } }),
      'REMOTE_UNREACHABLE',
      { status: 429, retryAfterMs: 7_000 },
    ],
    [
      '503 with a Retry-After nobody understands',
      () => new Response('', { status: 503, headers: { 'retry-after': 'soon' } }),
      'REMOTE_UNREACHABLE',
      { status: 503, retryAfterMs: undefined },
    ],
  ];

  for (const [what, answer, code, details = {}] of bad) {
    it(`${what}: ${code}`, async () => {
      const error = await failure(get(transport(answer)));
      expect(error).toMatchObject({ code, ...details, taskId: 't1' });
      expect(error.message).toContain('GET /tasks/{id}');
      expect(error.message.length).toBeLessThan(500);
      expect(JSON.stringify([error.message, error.stack, error.cause])).not.toContain('secret-key');
    });
  }

  it('shows what Elkar, or a page, said', async () => {
    const elkar = await failure(
      get(transport(() => json(500, { error_type: 'Database Error', details: { code: 7 } }))),
    );
    expect(elkar.message).toContain('"Database Error","details":{"code":7}');
    const portal = await failure(get(transport(() => new Response(page))));
    expect(portal.message).toContain('Sign in to the café');
  });

  it('waits until the date of a Retry-After', async () => {
    const date = new Date(Date.now() + 60_000).toUTCString();
    const answer = () => new Response('', { status: 503, headers: { 'retry-after': date } });
    const { retryAfterMs } = await failure(get(transport(answer)));
    expect(retryAfterMs).toBeGreaterThan(30_000);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  it('reads either spelling, nulls, and times with and without fractions', async () => {
    const wire = {
      ...task,
      a2a_task: {
        ...task.a2a_task,
        metadata: null,
        history: [{ role: 'user', parts: [{ type: 'text', text: 'x', metadata: null }], metadata: null }],
        artifacts: [
          { index: 0, parts: [], last_chunk: true, name: null },
          { index: 1, parts: [], lastChunk: false, last_chunk: null },
          {
            index: 2,
            parts: [{ type: 'file', file: { name: null, mime_type: 'a/b', uri: 'u', bytes: null }, metadata: null }],
          },
        ],
      },
    };
    const read = await get(transport(() => json(200, wire)));
    expect(read.task).toEqual({
      id: 't1',
      sessionId: 's',
      status: { state: 'working', timestamp: '2026-01-01T00:00:00.123456Z' },
      history: [{ role: 'user', parts: [{ type: 'text', text: 'x' }] }],
      artifacts: [
        { index: 0, parts: [], lastChunk: true },
        { index: 1, parts: [], lastChunk: false },
        { index: 2, parts: [{ type: 'file', file: { mimeType: 'a/b', uri: 'u' } }] },
      ],
    });
    expect(read).toMatchObject({
      rowId: task.id,
      createdAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-01T00:00:00.123Z',
    });
  });
});

describe('requests', () => {
  it('go to the route, with the key', async () => {
    const seen: { url: string; init: RequestInit }[] = [];
    const to = transport((request) => {
      seen.push(request);
      return json(200, task);
    });
    await to.getTask('a/../b ?#%&=+ä', { callerId: 'ann & bob' });
    await to.updateTask('t1', { caller_id: 'ann' });
    await to.createTask({ a: 1 });
    await to.upsertClientTask({ a: 2 });
    await to.getClientTask('t1', { callerId: 'ann', historyLength: 3 });
    expect(seen.map(({ url, init }) => `${init.method} ${url}`)).toEqual([
      'GET https://elkar.example/api/tasks/a%2F..%2Fb%20%3F%23%25%26%3D%2B%C3%A4?caller_id=ann%20%26%20bob',
      'PUT https://elkar.example/api/tasks/t1',
      'POST https://elkar.example/api/tasks',
      'POST https://elkar.example/api/client-side/tasks',
      'GET https://elkar.example/api/client-side/tasks/t1?caller_id=ann&history_length=3',
    ]);
    expect(seen[1]?.init).toMatchObject({
      headers: { 'x-api-key': 'secret-key', 'content-type': 'application/json' },
      body: '{"caller_id":"ann"}',
    });
  });

  it('follow no redirect', async () => {
    const asked: (string | undefined)[] = [];
    const server = await serveListener((request, response) => {
      asked.push(request.url);
      response.writeHead(307, { location: '/elsewhere' }).end();
    });
    const to = new ElkarTransport({ baseUrl: server.origin, apiKey: 'secret-key' });
    for (const call of [get(to), to.createTask({ a: 1 }), to.updateTask('t1', { caller_id: 'ann' })]) {
      expect((await failure(call)).code).toBe('REMOTE_UNREACHABLE');
    }
    expect(asked.sort()).toEqual(['/tasks', '/tasks/t1', '/tasks/t1?caller_id=ann']);
    await server.close();
  });

  it('ask a key function once, and again after a 401, once', async () => {
    const keys: string[] = [];
    let asked = 0;
    const valid = 'key-2';
    const answers: Answers = ({ init }) => {
      const key = (init.headers as Record<string, string>)['x-api-key'] as string;
      keys.push(key);
      return key === valid ? json(200, task) : json(401, { error_type: 'Invalid API key', details: null });
    };
    const to = transport(answers, { apiKey: async () => `key-${++asked}` });
    await get(to);
    await get(to);
    expect(keys).toEqual(['key-1', 'key-2', 'key-2']);

    const never = transport(answers, { apiKey: () => `bad-${++asked}` });
    expect((await failure(get(never))).code).toBe('UNAUTHORIZED');
    expect(keys.slice(3)).toEqual(['bad-3', 'bad-4']);

    const fixed = transport(answers, { apiKey: 'fixed' });
    expect((await failure(get(fixed))).code).toBe('UNAUTHORIZED');
    expect(keys.slice(5)).toEqual(['fixed']);
  });

  it('ask for a key that was forbidden again', async () => {
    let key = 'old';
    const answers: Answers = ({ init }) =>
      (init.headers as Record<string, string>)['x-api-key'] === 'new'
        ? json(200, task)
        : json(403, { error_type: 'Forbidden', details: null });
    const to = transport(answers, { apiKey: () => key });
    expect((await failure(get(to))).code).toBe('UNAUTHORIZED');
    key = 'new';
    expect((await get(to)).rowId).toBe(task.id);
  });

  it('quote no key that cannot be sent', async () => {
    const { fetch } = globalThis;
    for (const apiKey of ['secret\0key', 'secret\nkey', () => 'secret\u4e00']) {
      const error = await failure(get(transport(() => json(200, task), { apiKey, fetch })));
      expect(error.code).toBe('UNAUTHORIZED');
      expect(`${error.stack} ${(error.cause as Error).stack}`).not.toContain('secret');
    }
  });

  it('quote no key that the server quotes', async () => {
    const echoes: ((headers: HeadersInit | undefined) => Response)[] = [
      (headers) => json(401, { error_type: 'Unauthorized', details: { headers } }),
      (headers) => new Response(`<pre>${JSON.stringify(headers)}</pre>`, { status: 500 }),
      (headers) => new Response(Object.values(headers ?? {})[0], { status: 502 }),
      (headers) => new Response(Object.values(headers ?? {}).join('\n')),
      // Cut off amid the key.
      (headers) => new Response(`${'-'.repeat(195)}${Object.values(headers ?? {})[0]}`),
    ];
    for (const echo of echoes) {
      const error = await failure(get(transport(({ init }) => echo(init.headers))));
      expect(`${error.stack} ${inspect(error.cause)}`).not.toContain('sec');
    }
  });

  it('quote no key that the server quotes escaped', async () => {
    const apiKey = 'sec/"<ret+-\\kept\u00ff==.$&.end';
    const hex = (char: string) => char.charCodeAt(0).toString(16);
    const escapings: ((key: string) => string)[] = [
      (key) => key,
      (key) => JSON.stringify(key),
      (key) => JSON.stringify(JSON.stringify(key)),
      (key) => JSON.stringify(key).replaceAll('/', '\\/'),
      (key) => key.replace(/\W/g, (char) => `\\u00${hex(char)}`),
      (key) => encodeURIComponent(key),
      (key) => encodeURIComponent(encodeURIComponent(key)),
      (key) => key.replace(/\W/g, (char) => `%${hex(char)}`),
      (key) => key.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;'),
      (key) => key.replace(/\W/g, (char) => `&#x${hex(char)};`),
      // What is UTF-8, read as Latin-1.
      (key) => key.replaceAll('\u00ff', '\u00c3\u00bf'),
    ];
    for (const escaped of escapings) {
      const refuse = () => new Response(`the key "${escaped(apiKey)}" is unknown`, { status: 500 });
      const { message } = await failure(get(transport(refuse, { apiKey })));
      expect(message).toContain('…');
      expect(message).not.toMatch(/sec|ret|kept|end/);
    }
  });

  it('say so where the key function fails, and ask it anew', async () => {
    let fails = true;
    const to = transport(() => json(200, task), {
      apiKey: () => {
        if (fails) throw new Error('vault closed');
        return 'k';
      },
    });
    const error = await failure(get(to));
    expect(error.code).toBe('UNAUTHORIZED');
    expect((error.cause as Error).message).toBe('vault closed');
    fails = false;
    expect((await get(to)).rowId).toBe(task.id);
  });

  it('end with the reason of the signal, before and while they run', async () => {
    const never: Answers = ({ init }) =>
      new Promise((_, reject) => init.signal?.addEventListener('abort', () => reject(new Error('aborted'))));
    const to = transport(never);
    const before = to.getTask('t1', { callerId: 'ann', signal: AbortSignal.abort(new Error('enough')) });
    await expect(before).rejects.toThrow('enough');
    const controller = new AbortController();
    const during = to.getTask('t1', { callerId: 'ann', signal: controller.signal });
    controller.abort(new Error('changed my mind'));
    await expect(during).rejects.toThrow('changed my mind');
  });

  it('are given up after the timeout, also while the answer comes', async () => {
    const server = await serveListener((request, response) => {
      if (request.url?.includes('half')) {
        response.writeHead(200, { 'content-type': 'application/json' });
        response.write('{"id":');
      }
    });
    try {
      const to = new ElkarTransport({ baseUrl: server.origin, apiKey: 'k', timeoutMs: 50 });
      for (const id of ['none', 'half']) {
        const error = await failure(to.getTask(id, { callerId: 'ann' }));
        expect(error).toMatchObject({ code: 'REMOTE_UNREACHABLE' });
        expect(error).not.toHaveProperty('status');
        expect(error.message).toContain('50 ms');
      }
    } finally {
      await server.close();
    }
  });

  it('have no limit where the caller wants none', async () => {
    const slow = async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return json(200, task);
    };
    const to = new ElkarTransport({
      baseUrl: 'http://x',
      apiKey: 'k',
      timeoutMs: Number.POSITIVE_INFINITY,
      fetch: slow,
    });
    expect((await to.getTask('t1', { callerId: 'ann' })).task.id).toBe(task.a2a_task.id);
  });

  it('that never arrive, or are cut off, are REMOTE_UNREACHABLE', async () => {
    const server = await serveListener((request, response) => {
      if (request.url?.includes('reset')) return void request.socket.destroy();
      response.writeHead(200, { 'content-length': '1000' });
      response.write('{"id":');
      setImmediate(() => request.socket.destroy());
    });
    const to = new ElkarTransport({ baseUrl: server.origin, apiKey: 'k' });
    for (const id of ['reset', 'cut']) {
      const error = await failure(to.getTask(id, { callerId: 'ann' }));
      expect(error).toMatchObject({ code: 'REMOTE_UNREACHABLE' });
      expect(error).not.toHaveProperty('status');
      expect(error.cause).toBeInstanceOf(Error);
    }
    await server.close();
    expect((await failure(to.getTask('gone', { callerId: 'ann' }))).code).toBe('REMOTE_UNREACHABLE');
  });

  it('name options that cannot be', () => {
    const options = { baseUrl: 'https://x.example', apiKey: 'k' };
    const wrongs = [
      { baseUrl: '' },
      { baseUrl: 'ftp://x' },
      { apiKey: '' },
      { apiKey: 5 },
      { timeoutMs: 0 },
      { timeoutMs: '5' },
    ];
    for (const wrong of wrongs) {
      const make = () => new ElkarTransport({ ...options, ...wrong } as ElkarTransportOptions);
      expect(make).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
    // Only an object's own are kept.
    expect(() => new ElkarTransport(Object.create(options))).toThrow('baseUrl: expected');
  });

  it('reach a server that is there', async () => {
    const { handle } = elkarImitation();
    const to = transport(({ url, init }) => handle(new Request(url.replace('/api/', '/api/'), init as RequestInit)), {
      apiKey: 'secret',
    });
    expect((await failure(get(to))).code).toBe('TASK_NOT_FOUND');
  });
});
