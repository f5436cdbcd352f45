import { describe, expect, it } from 'vitest';
import type { Artifact, StoredTask } from '../src/core/task.ts';
import { ElkarClientStore } from '../src/elkar.ts';
import { type OpenOptions, openTaskStore } from '../src/memory.ts';
import { apiKeys, createElkarHandler, type ElkarHandlerOptions, equalsInConstantTime } from '../src/server.ts';
import type { ListQuery, TaskStore } from '../src/task-store.ts';

type Json = Record<string, unknown>;
// biome-ignore lint/suspicious/noExplicitAny: answers are looked into at many places
type Answer = any;

const say = (text: string) => ({ role: 'user', parts: [{ type: 'text', text }] });
const params = (id: string, more: Json = {}) => ({ id, sessionId: 's', message: say('hello'), ...more });

async function endpoint(options: Partial<ElkarHandlerOptions> = {}, open: Partial<OpenOptions> = {}) {
  const store = options.store ?? (await openTaskStore(open));
  const keys = apiKeys({ 'key-a': 'agent-a', 'key-b': 'agent-b' });
  const handle = createElkarHandler({ store, authorize: keys, ...options });
  const request = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    handle(
      new Request(`http://localhost/api${path}`, {
        method,
        headers: {
          'x-api-key': 'key-a',
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    );
  /** The JSON of an answer that has to be 200. */
  const call = async (method: string, path: string, body?: unknown, headers?: Record<string, string>) => {
    const response = await request(method, path, body, headers);
    const text = await response.text();
    expect([response.status, text]).toEqual([200, expect.anything()]);
    return JSON.parse(text) as Answer;
  };
  return { store, handle, request, call };
}

describe('the Python client, request by request', () => {
  it('creates a task, reads it, updates it', async () => {
    const { call } = await endpoint();
    // upsert_task: nulls left out, camelCase inside, the type always named, no caller.
    const created = await call('POST', '/tasks', {
      send_task_params: {
        id: 't1',
        sessionId: 'abc123',
        message: say('hello'),
        acceptedOutputModes: ['text'],
        pushNotification: { url: 'https://p.example', token: 'k' },
        historyLength: 5,
        metadata: { a: 1 },
      },
      task_type: 'incoming',
    });
    expect(created).toMatchObject({
      task_type: 'incoming',
      state: 'submitted',
      a2a_task: { id: 't1', sessionId: 'abc123', status: { state: 'submitted' }, metadata: { a: 1 } },
      // TaskPushNotificationConfig.
      push_notification: { id: 't1', pushNotificationConfig: { url: 'https://p.example', token: 'k' } },
      counterparty_identifier: null,
    });
    expect(created.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(created.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z$/);

    // update_task: a naive local time, camelCase in artifacts, the caller in the body.
    const updated = await call('PUT', '/tasks/t1', {
      status: {
        state: 'working',
        timestamp: '2026-05-20T12:34:56.123456',
        message: { ...say('on it'), role: 'agent' },
      },
      artifacts_updates: [
        {
          name: 'report',
          parts: [{ type: 'file', file: { name: 'a.txt', mimeType: 'text/plain', bytes: 'eA==' } }],
          index: 0,
          lastChunk: true,
        },
      ],
      new_messages: [say('more')],
      push_notification: { url: 'https://q.example' },
    });
    const { status, history, artifacts } = updated.a2a_task;
    expect(status.timestamp).toBe(new Date('2026-05-20T12:34:56.123').toISOString());
    expect(history.map((message: Answer) => message.parts[0].text)).toEqual(['hello', 'on it', 'more']);
    const file = { name: 'a.txt', mimeType: 'text/plain', mime_type: 'text/plain', bytes: 'eA==' };
    expect(artifacts).toEqual([
      { name: 'report', index: 0, lastChunk: true, last_chunk: true, parts: [{ type: 'file', file }] },
    ]);
    expect(updated.push_notification.pushNotificationConfig).toEqual({ url: 'https://q.example' });
    expect(updated.id).toBe(created.id);

    // get_task: the query, as httpx writes it.
    const read = await call('GET', '/tasks/t1?history_length=1');
    expect(read.a2a_task.history).toEqual([say('more')]);
    expect((await call('GET', '/tasks/t1')).a2a_task.history).toHaveLength(3);
  });

  it('names a caller in every place where it can', async () => {
    const { call, request } = await endpoint();
    const caller = 'ann & bob+ü';
    const send_task_params = params('t1');
    await call('POST', '/tasks', { send_task_params, counterparty_identifier: caller, task_type: 'incoming' });
    const query = new URLSearchParams({ caller_id: caller });
    const read = await call('GET', `/tasks/t1?${query}`);
    expect(read.counterparty_identifier).toBe(caller);
    expect((await request('GET', '/tasks/t1')).status).toBe(404);
    await call('PUT', '/tasks/t1', { status: { state: 'completed' }, caller_id: caller });
    expect((await call('GET', `/tasks/t1?${query}`)).state).toBe('completed');
  });

  it('keeps the client side: whole tasks, of a type of their own', async () => {
    const { call, request } = await endpoint();
    const task = {
      id: 't1',
      sessionId: 's',
      status: { state: 'working' },
      history: [say('x')],
      metadata: { b: [null] },
    };
    const body = { task, server_agent_url: 'https://agent.example' };
    const first = await call('POST', '/client-side/tasks', body);
    expect(first).toMatchObject({ task_type: 'outgoing', a2a_task: { metadata: { b: [null] } } });
    const shorter = { id: 't1', sessionId: 's', status: { state: 'completed' } };
    const second = await call('POST', '/client-side/tasks', { ...body, task: shorter });
    expect(second.id).toBe(first.id);
    expect(second.a2a_task.history).toBe(undefined);
    expect((await call('GET', '/client-side/tasks/t1')).state).toBe('completed');
    expect((await request('GET', '/tasks/t1')).status).toBe(404);
  });

  it('subscribes to events, and every subscriber gets each once', async () => {
    const { call, request } = await endpoint();
    await call('POST', '/tasks', { send_task_params: params('t1') });
    const subscriber = (subscriber_id: string) => ({ task_id: 't1', subscriber_id });
    const event = (state: string) => ({ id: 't1', status: { state }, final: false });
    for (const id of ['s1', 's2']) expect(await call('POST', '/task-events/subscribers', subscriber(id))).toBe(null);
    for (const state of ['working', 'completed']) {
      expect(await call('POST', '/task-events/enqueue', { task_id: 't1', event: event(state) })).toBe(null);
    }
    const one = await call('POST', '/task-events/dequeue', { ...subscriber('s1'), limit: 1 });
    expect(one.records).toEqual([{ id: expect.any(String), task_id: 't1', event_data: event('working') }]);
    const rest = await call('POST', '/task-events/dequeue', subscriber('s1'));
    expect(rest.records.map(({ event_data }: Answer) => event_data)).toEqual([event('completed')]);
    expect((await call('POST', '/task-events/dequeue', subscriber('s1'))).records).toEqual([]);
    expect((await call('POST', '/task-events/dequeue', subscriber('s2'))).records).toHaveLength(2);
    expect((await call('POST', '/task-events/dequeue', { ...subscriber('s2'), caller_id: 'ann' })).records).toEqual([]);
    expect((await request('POST', '/task-events/enqueue', { task_id: 'no', event: {} })).status).toBe(404);
    expect((await request('POST', '/task-events/subscribers', { task_id: 't1' })).status).toBe(422);
  });

  it('is given states that it knows', async () => {
    const { call, store } = await endpoint();
    await call('POST', '/tasks', { send_task_params: params('t1') });
    await store.updateTask('t1', { callerId: '["agent-a"]', status: { state: 'rejected' } });
    const read = await call('GET', '/tasks/t1');
    expect([read.state, read.a2a_task.status.state]).toEqual(['failed', 'failed']);
  });
});

describe('spelling', () => {
  it('is read either way, and written both ways', async () => {
    const { call } = await endpoint();
    await call('POST', '/tasks', {
      send_task_params: params('t1', {
        accepted_output_modes: ['text'],
        push_notification: { url: 'https://p.example', token: null },
        history_length: 0,
        metadata: null,
      }),
      counterparty_identifier: null,
      task_type: null,
    });
    const file = { name: null, mime_type: 'a/b', uri: 'u', bytes: null };
    const { a2a_task, push_notification } = await call('PUT', '/tasks/t1', {
      artifacts_updates: [{ index: 0, last_chunk: false, parts: [{ type: 'file', file, metadata: null }] }],
      new_messages: null,
      caller_id: null,
    });
    expect(a2a_task.artifacts).toEqual([
      {
        index: 0,
        lastChunk: false,
        last_chunk: false,
        parts: [{ type: 'file', file: { mimeType: 'a/b', mime_type: 'a/b', uri: 'u' } }],
      },
    ]);
    expect(push_notification).toMatchObject({ url: 'https://p.example', id: 't1' });
  });

  it('takes null for what is not there, in every field of a change', async () => {
    const { call } = await endpoint();
    await call('POST', '/tasks', {
      send_task_params: params('t1', { metadata: { a: 1 }, pushNotification: { url: 'https://p.example' } }),
    });
    const before = await call('GET', '/tasks/t1');
    const names = [
      'status',
      'artifacts_updates',
      'new_messages',
      'push_notification',
      'metadata',
      'caller_id',
      'task_type',
    ];
    const { updated_at, ...after } = await call(
      'PUT',
      '/tasks/t1',
      Object.fromEntries(names.map((name) => [name, null])),
    );
    expect({ ...after, updated_at: before.updated_at }).toEqual(before);
    expect(updated_at >= before.updated_at).toBe(true);
    const nobody = { task_id: 't1', subscriber_id: 's', caller_id: null };
    await call('POST', '/task-events/subscribers', nobody);
    await call('POST', '/task-events/enqueue', { task_id: 't1', caller_id: null, event: { n: 1 } });
    expect((await call('POST', '/task-events/dequeue', { ...nobody, limit: null })).records).toHaveLength(1);
  });

  it('leaves one spelling in the store', async () => {
    const { call, store } = await endpoint();
    await call('POST', '/tasks', { send_task_params: params('t1') });
    const both = { mimeType: 'a/b', mime_type: 'a/b', uri: 'u' };
    const parts = [{ type: 'file', file: both }];
    await call('PUT', '/tasks/t1', {
      artifacts_updates: [{ index: 0, lastChunk: true, last_chunk: true, parts }],
      new_messages: [{ role: 'user', parts, messageId: 'm1' }],
    });
    const stored = (await store.getTask('t1', { callerId: '["agent-a"]' })) as StoredTask;
    const file = { type: 'file', file: { mimeType: 'a/b', uri: 'u' } };
    expect(stored.task.artifacts as Artifact[]).toEqual([{ index: 0, lastChunk: true, parts: [file] }]);
    expect(stored.task.history?.[1]).toEqual({ role: 'user', parts: [file], messageId: 'm1' });
  });
});

describe('refusals', () => {
  it('401, in the form of Elkar, without a key that is known', async () => {
    const { request, handle } = await endpoint({ authorize: (key) => (key === 'no-agent' ? '' : undefined) });
    const bare = await handle(new Request('http://localhost/api/tasks/t1'));
    for (const response of [
      bare,
      await request('GET', '/tasks/t1'),
      await request('GET', '/tasks/t1', undefined, { 'x-api-key': 'no-agent' }),
      await request('POST', '/tasks', 'not JSON'),
      await request('PUT', '/tasks/%zz', '{}'),
    ]) {
      expect(response.status).toBe(401);
      expect(await response.json()).toEqual({ error_type: expect.any(String), details: null });
    }
  });

  const wrong: [number, string, string, unknown, string?][] = [
    [404, 'GET', '/tasks/none', undefined, 'Task not found'],
    [404, 'PUT', '/tasks/none', {}, 'Task not found'],
    [404, 'GET', '/client-side/tasks/none', undefined, 'Task not found'],
    [404, 'GET', '/nothing', undefined],
    [404, 'GET', '/tasks/', undefined],
    [404, 'DELETE', '/tasks/t1', undefined],
    [400, 'POST', '/tasks', '{"send_task_params":'],
    [400, 'POST', '/tasks', ''],
    [400, 'GET', '/tasks/%zz', undefined],
    [400, 'GET', '/tasks/t1?caller_id=%ff', undefined],
    [400, 'GET', '/tasks/t1?history_length=-1', undefined, 'history_length'],
    [400, 'GET', '/tasks/t1?history_length=x', undefined, 'history_length'],
    [422, 'POST', '/tasks', '[]', 'the body'],
    [422, 'POST', '/tasks', 'null', 'the body'],
    [422, 'POST', '/tasks', {}, 'send_task_params'],
    [422, 'POST', '/tasks', { send_task_params: {} }, 'send_task_params.id'],
    [422, 'POST', '/tasks', { send_task_params: { id: '', message: say('x') } }, 'send_task_params.id'],
    [422, 'POST', '/tasks', { send_task_params: { id: 't', message: 'x' } }, 'send_task_params.message'],
    [422, 'POST', '/tasks', { send_task_params: params('t'), task_type: 'outgoing' }, 'task_type'],
    [422, 'POST', '/tasks', { send_task_params: params('t'), counterparty_identifier: 5 }, 'counterparty_identifier'],
    [422, 'POST', '/tasks', { send_task_params: params('t', { push_notification: 5 }) }, 'push_notification'],
    [422, 'PUT', '/tasks/t1', { status: { state: 'done' } }, 'status.state'],
    [422, 'PUT', '/tasks/t1', { new_messages: {} }, 'new_messages'],
    [
      422,
      'PUT',
      '/tasks/t1',
      { new_messages: [{ role: 'user', parts: [{ type: 'text' }] }] },
      'new_messages.0.parts.0.text',
    ],
    [422, 'PUT', '/tasks/t1', { artifacts_updates: [{ index: -1, parts: [] }] }, 'artifacts_updates.0.index'],
    [422, 'PUT', '/tasks/t1', { artifacts_updates: [{ index: 0 }] }, 'artifacts_updates.0.parts'],
    [422, 'PUT', '/tasks/t1', { push_notification: { url: 5 } }, 'push_notification.url'],
    [422, 'PUT', '/tasks/t1', { caller_id: {} }, 'caller_id'],
    [422, 'PUT', '/tasks/t1', { task_type: 'both' }, 'task_type'],
    [422, 'POST', '/client-side/tasks', { task: { id: 't', status: { state: 'working' } } }, 'server_agent_url'],
    [422, 'POST', '/client-side/tasks', { task: 1, server_agent_url: 'u' }, 'task'],
    [422, 'POST', '/tasks/list', { limit: 0 }, 'limit'],
    [422, 'POST', '/tasks/list', { cursor: 'x' }, 'cursor'],
    [422, 'POST', '/tasks/list', { signal: 5, callerId: [] }, 'callerId'],
    [422, 'POST', '/task-events/subscribers', { task_id: 't1' }, 'subscriber_id'],
    [422, 'POST', '/task-events/subscribers', { subscriber_id: 's' }, 'task_id'],
    [422, 'POST', '/task-events/dequeue', { task_id: 't1', subscriber_id: '' }, 'subscriber_id'],
    [422, 'POST', '/task-events/dequeue', { subscriber_id: 's' }, 'task_id'],
    [422, 'POST', '/task-events/enqueue', { task_id: 't1' }, 'event'],
    [422, 'POST', '/task-events/enqueue', { task_id: 't1', event: 5 }, 'event'],
    [422, 'POST', '/task-events/dequeue', { task_id: 't', subscriber_id: 's', limit: -1 }, 'limit'],
  ];
  for (const [status, method, path, body, named] of wrong) {
    it(`${status}: ${method} ${path} ${typeof body === 'string' ? body : JSON.stringify(body)}`, async () => {
      const { request, call } = await endpoint();
      await call('POST', '/tasks', { send_task_params: params('t1') });
      const before = await call('GET', '/tasks/t1');
      const response = await request(method, path, body);
      const text = await response.text();
      expect([response.status, text]).toEqual([status, expect.stringContaining(named ?? '')]);
      if (status === 422) expect(response.headers.get('content-type')).toContain('text/plain');
      if (named === 'Task not found') expect(JSON.parse(text)).toEqual({ error_type: named, details: null });
      expect(await call('GET', '/tasks/t1')).toEqual(before);
    });
  }

  it('415 where the body is not said to be JSON', async () => {
    const { request } = await endpoint();
    for (const type of ['text/plain', 'application/jsonp', 'application/x-www-form-urlencoded']) {
      expect((await request('POST', '/tasks', '{}', { 'content-type': type })).status).toBe(415);
    }
    expect((await request('POST', '/tasks', '{}', { 'content-type': 'application/json; charset=utf-8' })).status).toBe(
      422,
    );
  });

  it('413 over the limit, whether or not the length is declared', async () => {
    const { request, handle } = await endpoint({ bodyLimit: 1000 });
    const body = JSON.stringify({ send_task_params: params('t', { metadata: { x: 'ä'.repeat(600) } }) });
    expect((await request('POST', '/tasks', body)).status).toBe(413);
    expect((await request('POST', '/tasks', body, { 'content-length': '1300' })).status).toBe(413);
    let pulled = 0;
    const endless = new ReadableStream({
      pull: (controller) => {
        pulled++;
        controller.enqueue(new Uint8Array(100).fill(32));
      },
    });
    const headers = { 'x-api-key': 'key-a', 'content-type': 'application/json' };
    const init = { method: 'POST', body: endless, duplex: 'half', headers } as RequestInit;
    expect((await handle(new Request('http://localhost/api/tasks', init))).status).toBe(413);
    expect(pulled).toBeLessThan(100);
    const fine = JSON.stringify({ send_task_params: params('t') });
    expect((await request('POST', '/tasks', fine)).status).toBe(200);
  });

  it('reads and limits a body where requests have no stream of it, as in Firefox', async () => {
    const { handle, store } = await endpoint({ bodyLimit: 1000 });
    const headers = { 'x-api-key': 'key-a', 'content-type': 'application/json' };
    const post = (body: string) => {
      const request = new Request('http://localhost/api/tasks', { method: 'POST', headers, body });
      return handle(Object.defineProperty(request, 'body', { value: undefined }));
    };
    expect((await post(JSON.stringify({ send_task_params: params('t') }))).status).toBe(200);
    expect(
      (await post(JSON.stringify({ send_task_params: params('u', { sessionId: 'x'.repeat(1000) }) }))).status,
    ).toBe(413);
    expect((await store.listTasks({ allCallers: true })).tasks.map(({ id }) => id)).toEqual(['t']);
  });

  it('refuses text that is no UTF-8: mended, two ids would be one', async () => {
    const { handle, store } = await endpoint();
    const headers = { 'x-api-key': 'key-a', 'content-type': 'application/json' };
    const good = new TextEncoder().encode(JSON.stringify({ send_task_params: params('t-X') }));
    const bad = good.map((byte) => (byte === 88 ? 0xff : byte));
    const stream = new ReadableStream({
      start: (controller) => {
        controller.enqueue(bad);
        controller.close();
      },
    });
    for (const body of [bad, stream]) {
      const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit;
      expect((await handle(new Request('http://localhost/api/tasks', init))).status).toBe(400);
    }
    expect((await store.listTasks({ allCallers: true })).tasks).toEqual([]);
  });

  it('takes 2 MB by default, and no more', async () => {
    const { request } = await endpoint();
    const body = (size: number) =>
      JSON.stringify({ send_task_params: params('t', { metadata: { x: 'x'.repeat(size) } }) });
    expect((await request('POST', '/tasks', body(2_000_000))).status).toBe(200);
    expect((await request('POST', '/tasks', body(2_200_000))).status).toBe(413);
  });

  it('400 in the form of Elkar for a closed artifact', async () => {
    const { request, call } = await endpoint();
    await call('POST', '/tasks', { send_task_params: params('t1') });
    const body = { artifacts_updates: [{ index: 0, parts: [], lastChunk: true }] };
    await call('PUT', '/tasks/t1', body);
    const response = await request('PUT', '/tasks/t1', body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error_type: 'Failed to update artifact' });
  });

  it('tells nothing of what the store failed at, but to its owner', async () => {
    const told: unknown[] = [];
    const { store } = await endpoint();
    const failing = new Proxy(store, {
      get: (target, name) =>
        name === 'getTask'
          ? async () => {
              throw new Error('secret: /home/ann/tasks.json');
            }
          : Reflect.get(target, name),
    }) as TaskStore;
    const { request } = await endpoint({ store: failing, onError: (error) => told.push(error) });
    const response = await request('GET', '/tasks/t1');
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({ error_type: 'Internal Server Error', details: null });
    expect(told.map(String)).toEqual(['Error: secret: /home/ann/tasks.json']);
    await store.close();
    const closed = await endpoint({ store });
    const unavailable = await closed.request('GET', '/tasks/t1');
    expect(unavailable.status).toBe(503);
    expect(await unavailable.json()).toEqual({ error_type: 'Database Error', details: null });
  });
});

it('does not call a body that breaks off a failure of its own', async () => {
  const failures: unknown[] = [];
  const { handle } = await endpoint({ onError: (error) => failures.push(error) });
  const body = new ReadableStream({ start: (controller) => controller.error(new Error('reset')) });
  const headers = { 'x-api-key': 'key-a', 'content-type': 'application/json' };
  const init = { method: 'POST', body, duplex: 'half', headers } as RequestInit;
  expect((await handle(new Request('http://localhost/api/tasks', init))).status).toBe(400);
  expect(failures).toEqual([]);
});

describe('isolation', () => {
  it('keeps agents apart, whatever they and their callers are called', async () => {
    const agents = { k1: 'a', k2: '["a"', k3: 'a","b', k4: '["a","b"]', k5: '__proto__' };
    const callers = [undefined, 'b', '","b', '', '__proto__'];
    const { call, request } = await endpoint({ authorize: apiKeys(agents) });
    const places = Object.keys(agents).flatMap((key) => callers.map((caller) => ({ key, caller })));
    const headers = (key: string) => ({ 'x-api-key': key });
    const query = (caller?: string) => (caller === undefined ? '' : `?caller_id=${encodeURIComponent(caller)}`);
    const ids = new Set<string>();
    for (const [i, { key, caller }] of places.entries()) {
      expect((await request('GET', `/tasks/t${query(caller)}`, undefined, headers(key))).status).toBe(404);
      const send_task_params = params('t', { message: say(`${i}`) });
      const body = { send_task_params, ...(caller !== undefined && { counterparty_identifier: caller }) };
      ids.add((await call('POST', '/tasks', body, headers(key))).id);
    }
    expect(ids.size).toBe(places.length);
    for (const [i, { key, caller }] of places.entries()) {
      const { a2a_task, counterparty_identifier } = await call(
        'GET',
        `/tasks/t${query(caller)}`,
        undefined,
        headers(key),
      );
      expect(a2a_task.history).toEqual([say(`${i}`)]);
      expect(counterparty_identifier).toBe(caller ?? null);
    }
    for (const key of Object.keys(agents)) {
      const { tasks } = await call('POST', '/tasks/list', { allCallers: true }, headers(key));
      expect(tasks.map(({ callerId }: Answer) => callerId).sort()).toEqual([...callers].sort());
    }
  });

  it("pages through one agent's tasks among many of others, and its cursors tell nothing of them", async () => {
    const { call } = await endpoint();
    const mine: string[] = [];
    for (let i = 0; i < 40; i++) {
      const key = i % 4 === 0 ? 'key-a' : 'key-b';
      const id = key === 'key-a' ? `mine-${i}` : `secret-${i}`;
      if (key === 'key-a') mine.unshift(id);
      await call(
        'POST',
        '/tasks',
        { send_task_params: params(id), counterparty_identifier: `c${i}` },
        { 'x-api-key': key },
      );
    }
    const seen: string[] = [];
    const sizes: number[] = [];
    let cursor: string | undefined;
    do {
      const page: Answer = await call('POST', '/tasks/list', { allCallers: true, limit: 3, cursor });
      sizes.push(page.tasks.length);
      seen.push(...page.tasks.map(({ id }: Answer) => id));
      expect(JSON.stringify(page)).not.toMatch(/secret|agent-b/);
      cursor = page.nextCursor;
    } while (cursor);
    expect(seen.sort()).toEqual(mine.sort());
    expect(sizes).toEqual([3, 3, 3, 1]);
  });

  it("leaves the tasks of the store's owner out, whatever their caller is called", async () => {
    const { call, store } = await endpoint({ authorize: () => 'a' });
    for (const callerId of [undefined, 'a', 'null', '5', '"a"', '{"0":"a"}', '["b"]'])
      await store.upsertTask({ id: 'own', message: { role: 'user', parts: [] } }, { callerId });
    await call('POST', '/tasks', { send_task_params: params('mine'), counterparty_identifier: 'ann' });
    const { tasks } = await call('POST', '/tasks/list', { allCallers: true });
    expect(tasks.map(({ id, callerId }: Answer) => [id, callerId])).toEqual([['mine', 'ann']]);
    for (const [callerId, ids] of [
      ['ann', ['mine']],
      ['bob', []],
    ]) {
      const page: Answer = await call('POST', '/tasks/list', { callerId });
      expect(page.tasks.map(({ id }: Answer) => id)).toEqual(ids);
    }
  });

  it('gives a thousand tasks at a time at the most', async () => {
    const { call, store } = await endpoint();
    for (let i = 0; i <= 1_000; i++) {
      await store.upsertTask({ id: `t${i}`, message: { role: 'user', parts: [] } }, { callerId: '["agent-a"]' });
    }
    for (const allCallers of [false, true]) {
      const page: Answer = await call('POST', '/tasks/list', { allCallers, limit: 5_000 });
      expect(page.tasks).toHaveLength(1_000);
      const rest = await call('POST', '/tasks/list', { allCallers, limit: 5_000, cursor: page.nextCursor });
      expect(rest.tasks).toHaveLength(1);
    }
  });

  it('has events of a task for its own caller alone', async () => {
    const { call, request } = await endpoint();
    await call('POST', '/tasks', { send_task_params: params('t1'), counterparty_identifier: 'ann' });
    const subscriber = { task_id: 't1', subscriber_id: 's' };
    for (const more of [{}, { caller_id: 'bob' }]) {
      expect((await request('POST', '/task-events/subscribers', { ...subscriber, ...more })).status).toBe(404);
      const event = { task_id: 't1', event: {}, ...more };
      expect((await request('POST', '/task-events/enqueue', event)).status).toBe(404);
    }
    await call('POST', '/task-events/subscribers', { ...subscriber, caller_id: 'ann' });
    await call('POST', '/task-events/enqueue', { task_id: 't1', event: { n: 1 }, caller_id: 'ann' });
    const recordsOf = async (more: Json) =>
      (await call('POST', '/task-events/dequeue', { ...subscriber, ...more })).records.length;
    expect([await recordsOf({}), await recordsOf({ caller_id: 'bob' }), await recordsOf({ caller_id: 'ann' })]).toEqual(
      [0, 0, 1],
    );
  });

  it("leaves out none of an agent's tasks where another's moves while they are listed", async () => {
    let now = Date.UTC(2026, 0, 1);
    const inner = await openTaskStore({ environment: { now: () => now++ } });
    let meanwhile = async () => {};
    const store = new Proxy(inner, {
      get(target, name) {
        if (name !== 'listTasks') return Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name);
        return async (query: ListQuery) => {
          const page = await target.listTasks(query);
          await meanwhile();
          return page;
        };
      },
    });
    const { call } = await endpoint({ store });
    const of = (key: string) => ({ 'x-api-key': key });
    await call('POST', '/tasks', { send_task_params: params('t1') });
    await call('POST', '/tasks', { send_task_params: params('t2') });
    await call('POST', '/tasks', { send_task_params: params('other') }, of('key-b'));
    await call('POST', '/tasks', { send_task_params: params('t3') });
    const seen: string[] = [];
    let page = await call('POST', '/tasks/list', { allCallers: true, limit: 1 });
    seen.push(...page.tasks.map(({ id }: Answer) => id));
    meanwhile = async () => {
      meanwhile = async () => {};
      await call('PUT', '/tasks/other', { status: { state: 'working' } }, of('key-b'));
    };
    while (page.nextCursor) {
      page = await call('POST', '/tasks/list', { allCallers: true, limit: 1, cursor: page.nextCursor });
      seen.push(...page.tasks.map(({ id }: Answer) => id));
    }
    expect(seen).toEqual(['t3', 't2', 't1']);
  });

  it('does not tell the owner’s own tasks to anybody', async () => {
    const { call, store } = await endpoint();
    await store.upsertTask({ id: 'own', message: { role: 'user', parts: [] } });
    await store.upsertTask({ id: 'own', message: { role: 'user', parts: [] } }, { callerId: 'not [ JSON' });
    expect((await call('POST', '/tasks/list', { allCallers: true })).tasks).toEqual([]);
  });
});

it('keeps every one of many concurrent changes', async () => {
  const { call } = await endpoint();
  await call('POST', '/tasks', { send_task_params: params('t1') });
  const texts = Array.from({ length: 50 }, (_, i) => `${i}`);
  await Promise.all(texts.map((text) => call('PUT', '/tasks/t1', { new_messages: [say(text)] })));
  const { a2a_task } = await call('GET', '/tasks/t1');
  const kept = a2a_task.history.slice(1).map((message: Answer) => message.parts[0].text);
  expect(kept.sort()).toEqual(texts.sort());
});

it('posts to a task that exists as a further turn', async () => {
  const { call } = await endpoint();
  await call('POST', '/tasks', { send_task_params: params('t1', { metadata: { a: 1 } }) });
  const again = await call('POST', '/tasks', { send_task_params: params('t1', { metadata: { b: 2 } }) });
  expect(again.a2a_task.history).toHaveLength(2);
  expect(again.a2a_task.metadata).toEqual({ a: 1, b: 2 });
});

it('gives a task made anew another row', async () => {
  const now = { value: 1_000 };
  const { call, store } = await endpoint({}, { environment: { now: () => now.value } });
  const first = await call('POST', '/tasks', { send_task_params: params('t1') });
  await store.deleteTask('t1', { callerId: '["agent-a"]' });
  now.value++;
  expect((await call('POST', '/tasks', { send_task_params: params('t1') })).id).not.toBe(first.id);
});

it('serves under the prefix it is told', async () => {
  const { handle } = await endpoint({ basePath: '/v1/elkar' });
  const headers = { 'x-api-key': 'key-a' };
  const status = async (path: string) => (await handle(new Request(`http://localhost${path}`, { headers }))).status;
  expect(await status('/v1/elkar/client-side/tasks/t1')).toBe(404);
  const body = JSON.stringify({ send_task_params: params('t1') });
  const init = { method: 'POST', body, headers: { ...headers, 'content-type': 'application/json' } };
  expect((await handle(new Request('http://localhost/v1/elkar/tasks', init))).status).toBe(200);
  expect((await handle(new Request('http://localhost/api/tasks', init))).status).toBe(404);
});

describe('pages of other origins', () => {
  const app = 'https://app.example';
  const allowed = (response: Response) => response.headers.get('access-control-allow-origin');

  it('may call where they are on the list', async () => {
    const { request, handle } = await endpoint({ cors: [app] });
    const ask = { method: 'OPTIONS', headers: { origin: app, 'access-control-request-method': 'PUT' } };
    const preflight = await handle(new Request('http://localhost/api/tasks/t1', ask));
    expect(preflight.status).toBe(204);
    expect(allowed(preflight)).toBe(app);
    expect(preflight.headers.get('access-control-allow-headers')).toBe('x-api-key,content-type');
    expect(allowed(await request('GET', '/tasks/t1', undefined, { origin: app }))).toBe(app);
    expect(allowed(await request('GET', '/tasks/t1', undefined, { origin: app, 'x-api-key': 'bad' }))).toBe(app);
    for (const origin of ['https://evil.example', 'null', `${app}.evil.example`]) {
      expect(allowed(await request('GET', '/tasks/t1', undefined, { origin }))).toBe(null);
    }
  });

  it('may call where the list has their address as it was copied, slash and all', async () => {
    const { request } = await endpoint({ cors: ['http://localhost:5173/', 'capacitor://localhost'] });
    for (const origin of ['http://localhost:5173', 'capacitor://localhost'])
      expect(allowed(await request('GET', '/tasks/t1', undefined, { origin }))).toBe(origin);
  });

  it('may not where there is no list', async () => {
    const { request } = await endpoint();
    expect(allowed(await request('GET', '/tasks/t1', undefined, { origin: app }))).toBe(null);
  });
});

it('compares keys whole', () => {
  expect(equalsInConstantTime('secret', 'secret')).toBe(true);
  for (const given of ['', 's', 'secre', 'secrets', 'secretsecret', 'Secret', 'terces']) {
    expect(equalsInConstantTime(given, 'secret')).toBe(false);
  }
  expect(equalsInConstantTime('a', '')).toBe(false);
  const authorize = apiKeys({ one: 'a', two: 'b' });
  expect([authorize('one'), authorize('two'), authorize('onetwo'), authorize('__proto__')]).toEqual([
    'a',
    'b',
    undefined,
    undefined,
  ]);
});

describe('through the client', () => {
  async function connected() {
    const { store, handle } = await endpoint();
    const options = { baseUrl: 'http://localhost/api', apiKey: 'key-a', server: 'holdfast' } as const;
    const connect: typeof fetch = (url, init) => handle(new Request(url, init));
    return { store, client: new ElkarClientStore({ ...options, fetch: connect }) };
  }

  it('unknown keys that look like another spelling of ours come back as they were', async () => {
    const { client } = await connected();
    const file = { uri: 'u', mime_type: 'a/b' };
    const parts = [{ type: 'file' as const, file, metadata: { holdfast: 'mine' } }];
    const task = {
      id: 't',
      session_id: 5,
      status: { state: 'working' as const, timestamp: '2026-01-01T00:00:00.000Z' },
      history: [{ role: 'user' as const, parts }],
      artifacts: [{ index: 0, parts, last_chunk: 'x', metadata: { holdfast: 'mine' } }],
    };
    expect((await client.upsertTaskForClient(task, 'https://a.example')).task).toEqual(task);
    await client.upsertTask({ id: 'open', message: { role: 'user', parts: [] } });
    const artifact = { index: 0, parts: [], last_chunk: true };
    expect((await client.updateTask('open', { artifactsUpdates: [artifact] })).task.artifacts).toEqual([artifact]);
  });

  it('a key named __proto__ is kept, and is the prototype of nothing', async () => {
    const { store, client } = await connected();
    const task = JSON.parse(
      '{"id":"t","status":{"state":"working"},"__proto__":{"admin":true},"artifacts":[{"parts":[],"__proto__":{"k":1}}]}',
    );
    await client.upsertTaskForClient(task, 'https://a.example');
    const stored = (await store.getTaskForClient('t', { callerId: '["agent-a","holdfast"]' }))?.task;
    expect((stored as { admin?: boolean }).admin).toBeUndefined();
    for (const value of [stored, stored?.artifacts?.[0]]) expect(Object.hasOwn(value ?? {}, '__proto__')).toBe(true);
    let lines = '';
    for await (const line of store.exportTasks()) lines += line;
    expect(lines).toContain('"__proto__":{"admin":true}');
  });

  it('the largest historyLength is one like any other', async () => {
    const { client } = await connected();
    await client.upsertTask({ id: 't', message: { role: 'user', parts: [] } });
    const stored = await client.getTask('t', { historyLength: Number.MAX_SAFE_INTEGER });
    expect(stored?.task.history).toHaveLength(1);
  });
});

it('subscribers of one agent, however many, leave those of another alone', async () => {
  const { call } = await endpoint();
  const asB = { 'x-api-key': 'key-b' };
  for (const headers of [{}, asB]) await call('POST', '/tasks', { send_task_params: params('t') }, headers);
  await call('POST', '/task-events/subscribers', { task_id: 't', subscriber_id: 'mine' });
  await call('POST', '/task-events/enqueue', { task_id: 't', event: { n: 1 } });
  for (let i = 0; i <= 10_000; i++) {
    // Who never subscribed takes no place; one that is at work is not the one that was idle longest.
    if (i === 1) await call('POST', '/task-events/dequeue', { task_id: 't', subscriber_id: 'stranger' }, asB);
    if (i === 10_000) await call('POST', '/task-events/dequeue', { task_id: 't', subscriber_id: '0' }, asB);
    await call('POST', '/task-events/subscribers', { task_id: 't', subscriber_id: `${i}` }, asB);
  }
  const { records } = await call('POST', '/task-events/dequeue', { task_id: 't', subscriber_id: 'mine' });
  expect(records).toHaveLength(1);
  await call('POST', '/task-events/enqueue', { task_id: 't', event: { n: 2 } }, asB);
  const told = async (subscriber_id: string) =>
    (await call('POST', '/task-events/dequeue', { task_id: 't', subscriber_id }, asB)).records.length;
  expect([await told('0'), await told('1'), await told('2'), await told('10000')]).toEqual([1, 0, 1, 1]);
});

it('events that nobody fetches are kept to a length in all; the newest of who fetches are', async () => {
  const { call } = await endpoint();
  await call('POST', '/tasks', { send_task_params: params('t') });
  const subscriber = (subscriber_id: string) => ({ task_id: 't', subscriber_id });
  const fetched = async (id: string): Promise<number[]> =>
    (await call('POST', '/task-events/dequeue', { ...subscriber(id), limit: 1000 })).records.map(
      ({ event_data }: Answer) => event_data.n,
    );
  for (const id of ['gone', 'busy', 'late']) await call('POST', '/task-events/subscribers', subscriber(id));
  const text = 'x'.repeat(2 ** 20);
  for (let n = 0; n < 80; n++) {
    await call('POST', '/task-events/enqueue', { task_id: 't', event: { n, text } });
    expect(await fetched('busy')).toEqual([n]);
  }
  // The one that was idle longest makes room for the other.
  const [gone, late] = [await fetched('gone'), await fetched('late')];
  expect(gone).toEqual([]);
  expect(late.at(-1)).toBe(79);
  // 64 MB less a little, and less what still waited for the busy one.
  expect(late).toHaveLength(62);
  // What was fetched takes no room.
  for (let n = 0; n < 40; n++) await call('POST', '/task-events/enqueue', { task_id: 't', event: { n } });
  expect(await fetched('gone')).toHaveLength(40);
}, 30_000);

describe('functions of the host that fail', () => {
  it('are answered and told of, also where what they throw is no error', async () => {
    for (const thrown of ['down', undefined, new Error('down')]) {
      const errors: unknown[] = [];
      const authorize = () => Promise.reject(thrown);
      const { request } = await endpoint({ authorize, onError: (error) => errors.push(error) });
      const response = await request('GET', '/tasks/t1');
      expect([response.status, await response.json()]).toEqual([
        500,
        { error_type: 'Internal Server Error', details: null },
      ]);
      expect(errors).toEqual([thrown]);
    }
  });
});
