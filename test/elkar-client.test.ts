import { describe, expect, it } from 'vitest';
import type { StoredTask, UpdateTaskParams } from '../src/core/task.ts';
import { type ElkarClientOptions, ElkarClientStore } from '../src/elkar.ts';
import { elkarImitation } from './support/elkar-imitation.ts';

const say = (text: string, role: 'user' | 'agent' = 'user') => ({ role, parts: [{ type: 'text' as const, text }] });
const send = (id: string, text: string) => ({ id, sessionId: 's', message: say(text) });
const textsOf = (stored: StoredTask | undefined) =>
  stored?.task.history?.map(({ parts }) => (parts[0] as { text: string }).text);

type Fault = 'lost request' | 'lost answer';

/** A client of an imitated server; `faults` takes one fault per request that is to fail. */
function connect(options: Partial<ElkarClientOptions> = {}, imitation = elkarImitation()) {
  const faults: (Fault | undefined)[] = [];
  const bodies: string[] = [];
  const connected: typeof fetch = async (url, init) => {
    const fault = faults.shift();
    if (typeof init?.body === 'string') bodies.push(init.body);
    if (fault === 'lost request') throw new TypeError('fetch failed');
    const response = await imitation.handle(new Request(url as string, init));
    if (fault === 'lost answer') throw new TypeError('fetch failed');
    return response;
  };
  const baseUrl = 'http://elkar.example/api';
  const store = new ElkarClientStore({ baseUrl, apiKey: 'secret', fetch: connected, ...options });
  return { store, faults, bodies, ...imitation };
}

const code = (promise: Promise<unknown>) =>
  promise.then(
    () => 'resolved',
    (error: { code?: string; message: string }) => error.code ?? error.message,
  );

describe('requests', () => {
  it('post a task once, and send what follows by PUT', async () => {
    const { store, requests, misdeeds, rows } = connect();
    await store.upsertTask(send('t1', 'one'));
    await store.upsertTask(send('t1', 'two'));
    await store.updateTask('t1', { newMessages: [say('three', 'agent')] });
    expect(textsOf(await store.getTask('t1'))).toEqual(['one', 'two', 'three']);
    expect(requests).toEqual([
      'GET /api/tasks/t1',
      'POST /api/tasks',
      'GET /api/tasks/t1',
      'PUT /api/tasks/t1',
      'PUT /api/tasks/t1',
      'GET /api/tasks/t1',
    ]);
    expect(misdeeds).toEqual([]);
    expect(rows.map(({ counterparty }) => counterparty)).toEqual(['holdfast']);
  });

  it('name the configured caller where there is none, and nobody may have that name', async () => {
    const { store, rows } = connect({ defaultCallerId: 'nobody' });
    const stored = await store.upsertTask(send('t1', 'one'));
    await store.upsertTaskForClient({ id: 'o', status: { state: 'working' } }, 'https://a.example');
    expect(rows.map(({ counterparty }) => counterparty)).toEqual(['nobody', 'nobody']);
    expect('callerId' in stored).toBe(false);
    expect(await code(store.getTask('t1', { callerId: 'nobody' }))).toBe('INVALID_ARGUMENT');
    expect(await code(store.upsertTask(send('t1', 'x'), { callerId: 'nobody' }))).toBe('INVALID_ARGUMENT');
    expect(() => connect({ defaultCallerId: '' })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('defaultCallerId') }),
    );
  });

  it('write both spellings', async () => {
    const { store, bodies } = connect();
    await store.upsertTask({
      ...send('t1', 'one'),
      acceptedOutputModes: ['text'],
      pushNotification: { url: 'https://p.example' },
    });
    await store.updateTask('t1', {
      artifactsUpdates: [{ index: 1, lastChunk: true, parts: [{ type: 'file', file: { mimeType: 'a/b', uri: 'u' } }] }],
    });
    const [created, updated] = bodies.map((body) => JSON.parse(body));
    expect(created.send_task_params).toMatchObject({
      acceptedOutputModes: ['text'],
      accepted_output_modes: ['text'],
      pushNotification: { url: 'https://p.example' },
      push_notification: { url: 'https://p.example' },
    });
    expect(updated.artifacts_updates[0]).toMatchObject({ lastChunk: true, last_chunk: true, index: 1 });
    expect(updated.artifacts_updates[0].parts[0].file).toEqual({ mimeType: 'a/b', mime_type: 'a/b', uri: 'u' });
  });

  it('carry one change of a task at a time, and those of several tasks side by side', async () => {
    let underWay = 0;
    let most = 0;
    const imitation = elkarImitation({
      duringPut: async () => {
        most = Math.max(most, ++underWay);
        await new Promise((resolve) => setImmediate(resolve));
        underWay--;
      },
    });
    const { store } = connect({}, imitation);
    await Promise.all(['a', 'b', 'c'].map((id) => store.upsertTask(send(id, '0'))));
    const texts = Array.from({ length: 10 }, (_, i) => `${i + 1}`);
    await Promise.all(texts.map((text) => store.updateTask('a', { newMessages: [say(text)] })));
    expect(textsOf(await store.getTask('a'))).toEqual(['0', ...texts]);
    expect(most).toBe(1);
    await Promise.all(['a', 'b', 'c'].map((id) => store.updateTask(id, { newMessages: [say('x')] })));
    expect(most).toBe(3);
  });

  it('leave the queue of a task when their signal is aborted', async () => {
    let release: (() => void) | undefined;
    const imitation = elkarImitation({ duringPut: () => new Promise((resolve) => (release = resolve)) });
    const { store, requests } = connect({}, imitation);
    await store.upsertTask(send('t1', 'one'));
    const first = store.updateTask('t1', { newMessages: [say('two')] });
    const controller = new AbortController();
    const second = store.updateTask('t1', { newMessages: [say('never')] }, { signal: controller.signal });
    controller.abort(new Error('enough'));
    expect(await code(second)).toBe('enough');
    while (!release) await new Promise((resolve) => setImmediate(resolve));
    release();
    expect(textsOf(await first)).toEqual(['one', 'two']);
    await store.close();
    expect(requests.filter((request) => request.startsWith('PUT'))).toHaveLength(1);
  });
});

describe('what Elkar would drop', () => {
  it('comes back: states, metadata, session, unknown keys, agent, whether it streams', async () => {
    const { store } = connect();
    const message = { ...say('one'), messageId: 'm1', metadata: { holdfast: 'mine', a: 1 } };
    const created = await store.upsertTask(
      { id: 't1', sessionId: 's', message, metadata: { holdfast: { op: 'x' }, b: 2 } },
      { isStreaming: true },
    );
    expect(created).toMatchObject({ isStreaming: true, task: { metadata: { holdfast: { op: 'x' }, b: 2 } } });
    expect(created.task.history).toEqual([message]);
    expect(created.task.status.message).toEqual(message);

    const rejected = { state: 'rejected' as const, message: { ...say('no', 'agent'), kind: 'message' }, final: true };
    const refused = await store.updateTask('t1', { status: rejected });
    expect(refused.task.status).toMatchObject(rejected);
    expect(refused.task.history).toEqual([message, rejected.message]);

    const whole = {
      id: 'o',
      kind: 'task',
      status: { state: 'auth-required' as const, timestamp: '2026-01-01T00:00:00.000Z', message: say('sign in') },
      history: [{ ...say('one'), extensions: [] }],
      artifacts: [{ index: 0, artifactId: 'a', parts: [{ type: 'text' as const, text: 'x', extra: null }] }],
      metadata: {},
    };
    const stored = await store.upsertTaskForClient(whole, 'https://a.example');
    expect(stored).toMatchObject({ agentUrl: 'https://a.example' });
    expect(stored.task).toEqual(whole);
    expect((await store.getTaskForClient('o'))?.task).toEqual(whole);
  });

  it('comes back of later chunks too', async () => {
    const { store } = connect();
    await store.upsertTask(send('t1', 'one'));
    const part = (text: string) => ({ type: 'text' as const, text });
    await store.updateTask('t1', { artifactsUpdates: [{ index: 0, name: 'a', parts: [part('1')] }] });
    const chunk = { index: 0, name: 'b', description: 'd', lastChunk: true, metadata: { k: 1 }, parts: [part('2')] };
    const { task } = await store.updateTask('t1', { artifactsUpdates: [chunk] });
    expect(task.artifacts).toEqual([{ ...chunk, parts: [part('1'), part('2')] }]);
  });

  it('is not put back once somebody else has changed the state', async () => {
    const { store, handle, rows } = connect();
    await store.upsertTask(send('t1', 'one'));
    await store.updateTask('t1', { status: { state: 'rejected', message: say('no', 'agent') } });
    const [row] = rows as [(typeof rows)[number]];
    const { message } = row.task.status as { message: unknown };
    for (const status of [{ state: 'working' }, { state: 'completed', message }]) {
      const headers = { 'x-api-key': 'secret', 'content-type': 'application/json' };
      const body = JSON.stringify({ status });
      await handle(new Request('http://elkar.example/api/tasks/t1', { method: 'PUT', body, headers }));
      expect((await store.getTask('t1'))?.task.status.state).toBe(status.state);
    }
  });
});

it('gives a status the time at which it was set, by the clock of this side', async () => {
  let time = Date.parse('2026-01-01T00:00:00.001Z');
  const { store } = connect({ environment: { now: () => (time += 1_000) } });
  const created = await store.upsertTask(send('t1', 'one'));
  expect(created.task.status).toEqual({
    state: 'submitted',
    message: say('one'),
    timestamp: '2026-01-01T00:00:01.001Z',
  });
  const working = await store.updateTask('t1', { status: { state: 'working' } });
  expect(working.task.status).toEqual({ state: 'working', timestamp: '2026-01-01T00:00:02.001Z' });
  // Set by a change, it has the message of that change, which is none.
  const again = await store.updateTask('t1', { status: { state: 'submitted' } });
  expect(again.task.status).toEqual({ state: 'submitted', timestamp: '2026-01-01T00:00:03.001Z' });
  expect((await store.getTask('t1'))?.task.status).toEqual(again.task.status);
});

it('merges the metadata of a task that is there key by key', async () => {
  const { store } = connect();
  await store.upsertTask({ ...send('t1', 'one'), metadata: { a: 1, b: { deep: true } } });
  const merged = await store.upsertTask({ ...send('t1', 'two'), metadata: { b: 2, c: 3 } });
  expect(merged.task.metadata).toEqual({ a: 1, b: 2, c: 3 });
  expect((await store.upsertTask(send('t1', 'three'))).task.metadata).toEqual({ a: 1, b: 2, c: 3 });
});

describe('what breaks an Elkar server', () => {
  let deep: unknown = 'bottom';
  for (let i = 0; i < 130; i++) deep = [deep];
  const breaking: [string, UpdateTaskParams][] = [
    ['a NUL', { newMessages: [say('a\0b')] }],
    ['a NUL in a key', { newMessages: [{ ...say('x'), metadata: { 'a\0': 1 } }] }],
    ['half a surrogate pair', { newMessages: [say('\ud800')] }],
    ['nesting', { newMessages: [{ ...say('x'), metadata: { deep } }] }],
  ];
  for (const [what, params] of breaking) {
    it(`is refused before it is sent: ${what}`, async () => {
      const { store, requests } = connect();
      await store.upsertTask(send('t1', 'one'));
      const sent = requests.length;
      expect(await code(store.updateTask('t1', params))).toBe('REMOTE_REJECTED');
      expect(requests.length).toBe(sent);
      expect(textsOf(await store.updateTask('t1', { newMessages: [say('fine')] }))).toEqual(['one', 'fine']);
    });
  }

  it('is refused as an id too', async () => {
    const { store, requests } = connect();
    for (const id of ['.', '..', 'a\0', '\udc00']) {
      expect(await code(store.getTask(id))).toBe('REMOTE_REJECTED');
      expect(await code(store.upsertTask(send(id, 'x')))).toBe('REMOTE_REJECTED');
    }
    expect(await code(store.getTask('t', { callerId: 'a\0' }))).toBe('REMOTE_REJECTED');
    expect(requests).toEqual([]);
  });
});

describe('lost answers', () => {
  it('of changes that arrived are found out, and the call succeeds', async () => {
    const { store, faults, rows } = connect();
    faults.push(undefined, 'lost answer');
    expect(textsOf(await store.upsertTask(send('t1', 'one')))).toEqual(['one']);
    faults.push(undefined, 'lost answer');
    expect(textsOf(await store.upsertTask(send('t1', 'two')))).toEqual(['one', 'two']);
    faults.push('lost answer');
    const chunk = { index: 0, parts: [{ type: 'text' as const, text: 'a' }] };
    const { task } = await store.updateTask('t1', { artifactsUpdates: [chunk], newMessages: [say('three')] });
    expect(task.artifacts).toEqual([chunk]);
    faults.push('lost answer');
    const status = { state: 'completed' as const, message: say('done', 'agent') };
    expect(textsOf(await store.updateTask('t1', { status }))).toEqual(['one', 'two', 'three', 'done']);
    expect(rows[0]?.task.history).toHaveLength(4);
  });

  it('of changes that did not arrive are told as such', async () => {
    const { store, faults, rows } = connect();
    faults.push(undefined, 'lost request');
    expect(await code(store.upsertTask(send('t1', 'one')))).toBe('REMOTE_UNREACHABLE');
    expect(rows).toEqual([]);
    await store.upsertTask(send('t1', 'one'));
    faults.push('lost request');
    expect(await code(store.updateTask('t1', { newMessages: [say('two')] }))).toBe('REMOTE_UNREACHABLE');
    faults.push('lost request', 'lost request');
    expect(await code(store.updateTask('t1', { newMessages: [say('two')] }))).toBe('REMOTE_UNREACHABLE');
    expect(textsOf(await store.getTask('t1'))).toEqual(['one']);
  });

  it('of a change without items cannot be told from lost requests', async () => {
    const { store, faults } = connect();
    await store.upsertTask(send('t1', 'one'));
    faults.push('lost answer');
    expect(await code(store.updateTask('t1', { status: { state: 'working' } }))).toBe('REMOTE_UNREACHABLE');
    expect((await store.getTask('t1'))?.task.status.state).toBe('working');
  });

  it('a late duplicate is dropped by reads', async () => {
    const { store, bodies, handle, rows } = connect();
    await store.upsertTask(send('t1', 'one'));
    const chunk = { index: 0, parts: [{ type: 'text' as const, text: 'a' }] };
    await store.updateTask('t1', { newMessages: [say('two')], artifactsUpdates: [chunk] });
    const headers = { 'x-api-key': 'secret', 'content-type': 'application/json' };
    const body = bodies.at(-1) as string;
    await handle(new Request('http://elkar.example/api/tasks/t1', { method: 'PUT', body, headers }));
    expect(rows[0]?.task.history).toHaveLength(3);
    const stored = await store.getTask('t1');
    expect(textsOf(stored)).toEqual(['one', 'two']);
    expect(stored?.task.artifacts).toEqual([chunk]);
  });
});

it('names the task in every error, of the requests that make it too', async () => {
  const { store, faults } = connect();
  const named = (promise: Promise<unknown>) =>
    promise.catch(({ code, operation, taskId, message }) => [code, operation, taskId, message.split(':')[0]]);
  faults.push(undefined, 'lost request', 'lost request');
  expect(await named(store.upsertTask(send('t1', 'one')))).toEqual([
    'REMOTE_UNREACHABLE',
    'upsertTask',
    't1',
    'upsertTask of task "t1"',
  ]);
  faults.push('lost request', 'lost request');
  expect(await named(store.upsertTaskForClient({ id: 't2', status: { state: 'working' } }, 'u'))).toEqual([
    'REMOTE_UNREACHABLE',
    'upsertTaskForClient',
    't2',
    'upsertTaskForClient of task "t2"',
  ]);
});

it('asks nothing more of a server that wants to be left alone, or has refused for certain', async () => {
  const answers: [status: number, headers: HeadersInit, code: string][] = [
    [429, {}, 'REMOTE_UNREACHABLE'],
    [503, { 'retry-after': '7' }, 'REMOTE_UNREACHABLE'],
    [422, {}, 'REMOTE_REJECTED'],
    [413, {}, 'REMOTE_REJECTED'],
  ];
  for (const [status, headers, expected] of answers) {
    const imitation = elkarImitation();
    let isBusy = false;
    let asked = 0;
    const handle = async (request: Request) => {
      if (!isBusy) return imitation.handle(request);
      asked++;
      return new Response('no', { status, headers });
    };
    const { store } = connect({}, { ...imitation, handle });
    await store.upsertTask(send('t1', 'one'));
    isBusy = true;
    expect(await code(store.updateTask('t1', { newMessages: [say('two')] }))).toBe(expected);
    expect([status, asked]).toEqual([status, 1]);
  }
});

describe("other's rows", () => {
  it('are no answer: one about another task acknowledges nothing', async () => {
    const { handle, ...imitation } = elkarImitation();
    const first = connect({}, { handle, ...imitation });
    await first.store.upsertTask(send('t2', 'other'));
    const askedOfOther = async (request: Request) =>
      handle(new Request('http://elkar.example/api/tasks/t2?caller_id=holdfast', { headers: request.headers }));
    const { store } = connect({}, { handle: askedOfOther, ...imitation });
    expect(await code(store.getTask('t1'))).toBe('REMOTE_UNREACHABLE');
    expect(await code(store.upsertTask(send('t1', 'one')))).toBe('REMOTE_UNREACHABLE');
    expect(await code(store.upsertTaskForClient({ id: 't1', status: { state: 'working' } }, 'u'))).toBe(
      'REMOTE_UNREACHABLE',
    );
    expect(await code(store.getTask('t2'))).toBe('resolved');
  });

  it('changed in place of the one meant are reported', async () => {
    const { store, rows } = connect();
    await store.upsertTask(send('t1', 'of ann'), { callerId: 'ann' });
    await store.upsertTask(send('t1', 'of bob'), { callerId: 'bob' });
    // Elkar's PUT takes the first row of that id, whoever asks.
    expect(await code(store.updateTask('t1', { callerId: 'bob', newMessages: [say('x')] }))).toBe('CONFLICT');
    expect(rows.map(({ task }) => (task.history as unknown[]).length)).toEqual([2, 1]);
  });

  it('are told of once; then the task is looked for anew', async () => {
    const { store, rows } = connect();
    await store.upsertTask(send('t1', 'one'));
    // The server has lost the task, and somebody has made it anew.
    rows.splice(0);
    const { store: another, rows: others } = connect();
    await another.upsertTask(send('t1', 'anew'));
    rows.push(...others);
    expect(await code(store.getTask('t1'))).toBe('CONFLICT');
    expect(textsOf(await store.getTask('t1'))).toEqual(['anew']);
    const changed = await store.updateTask('t1', { newMessages: [say('more')] });
    expect(textsOf(changed)).toEqual(['anew', 'more']);
  });

  it('are not changed for a caller who has none', async () => {
    const { store, rows, requests } = connect();
    await store.upsertTask(send('t1', 'of ann'), { callerId: 'ann' });
    expect(await code(store.updateTask('t1', { callerId: 'bob', newMessages: [say('x')] }))).toBe('TASK_NOT_FOUND');
    expect(rows[0]?.task.history).toHaveLength(1);
    expect(requests.filter((request) => request.startsWith('PUT'))).toEqual([]);
  });

  it('that vanished since are not found', async () => {
    const { store, rows } = connect();
    await store.upsertTask(send('t1', 'one'));
    rows.splice(0);
    expect(await code(store.updateTask('t1', { newMessages: [say('x')] }))).toBe('TASK_NOT_FOUND');
  });
});

describe('closed artifacts', () => {
  const chunk = { index: 0, parts: [{ type: 'text' as const, text: 'a' }] };

  it('take no more, also where a later chunk was the last, which Elkar does not notice', async () => {
    const { store, requests, ...elkar } = connect();
    await store.upsertTask(send('t1', 'one'));
    await store.updateTask('t1', { artifactsUpdates: [chunk] });
    await store.updateTask('t1', { artifactsUpdates: [{ ...chunk, lastChunk: true }] });
    const sent = requests.length;
    const late = { newMessages: [say('late')], artifactsUpdates: [{ ...chunk, index: 1 }, chunk] };
    expect(await code(store.updateTask('t1', late))).toBe('ARTIFACT_CLOSED');
    expect(requests).toHaveLength(sent);
    // A client that has not seen the task looks at it first.
    const { store: another } = connect({}, { requests, ...elkar });
    expect(await code(another.updateTask('t1', late))).toBe('ARTIFACT_CLOSED');
    expect(textsOf(await another.getTask('t1'))).toEqual(['one']);
    expect(
      (await another.updateTask('t1', { artifactsUpdates: [{ ...chunk, index: 1 }] })).task.artifacts,
    ).toHaveLength(2);
  });

  it('are told apart from other refusals by a look at the task', async () => {
    const { store } = connect();
    await store.upsertTask(send('t1', 'one'));
    await store.updateTask('t1', { artifactsUpdates: [{ ...chunk, lastChunk: true }] });
    expect(await code(store.updateTask('t1', { artifactsUpdates: [chunk] }))).toBe('ARTIFACT_CLOSED');
    const other = elkarImitation();
    const handle = async (request: Request) =>
      request.method === 'PUT' ? new Response('no', { status: 400 }) : other.handle(request);
    const refusing = connect({}, { ...other, handle });
    await refusing.store.upsertTask(send('t1', 'one'));
    expect(await code(refusing.store.updateTask('t1', { artifactsUpdates: [chunk] }))).toBe('REMOTE_REJECTED');
  });
});

it('answers as it was asked, whatever becomes of the options meanwhile', async () => {
  const { store } = connect();
  await store.upsertTask(send('t1', 'one'));
  const view = { historyLength: 1, includeArtifacts: false };
  const writing = store.updateTask('t1', { newMessages: [say('two')], artifactsUpdates: [say('a')] }, view);
  const replacing = store.upsertTaskForClient(
    { id: 'o', status: { state: 'working' }, history: [say('one'), say('two')], artifacts: [say('a')] },
    'https://a.example',
    view,
  );
  const reading = store.getTask('t1', view);
  Object.assign(view, { historyLength: 2, includeArtifacts: true });
  for (const answer of [await writing, await replacing, await reading]) {
    expect(answer?.task.history).toHaveLength(1);
    expect(answer?.task).not.toHaveProperty('artifacts');
  }
});

it('refuses options that are none by name', async () => {
  const { store, requests } = connect({ server: 'holdfast' });
  // As from code without types.
  for (const none of [null, 'ann', 5, ['ann'], { signal: new AbortController() }] as never[]) {
    const refused = {
      upsertTask: store.upsertTask(send('t1', 'one'), none),
      updateTask: store.updateTask('t1', {}, none),
      upsertTaskForClient: store.upsertTaskForClient(
        { id: 'o', status: { state: 'working' } },
        'https://a.example',
        none,
      ),
      getTask: store.getTask('t1', none),
      getTaskForClient: store.getTaskForClient('t1', none),
      listTasks: store.listTasks(none),
    };
    for (const [operation, call] of Object.entries(refused))
      await expect(call, operation).rejects.toMatchObject({
        name: 'TaskStoreError',
        code: 'INVALID_ARGUMENT',
        operation,
      });
  }
  expect(requests).toEqual([]);
});

it('refuses what Elkar cannot do', async () => {
  const { store, requests } = connect();
  expect(store.capabilities).toEqual({ list: false, delete: false, watch: false, transfer: false, lossless: false });
  expect(await code(store.listTasks())).toBe('UNSUPPORTED');
  expect(await code(store.deleteTask())).toBe('UNSUPPORTED');
  expect(() => store.subscribe()).toThrow(expect.objectContaining({ code: 'UNSUPPORTED', operation: 'subscribe' }));
  expect(requests).toEqual([]);
});

describe('what rides in metadata', () => {
  it('does not make an answer a late duplicate of the message whose metadata it passes on', async () => {
    const { store, handle, rows } = connect();
    await store.upsertTask(send('t1', 'one'));
    const [asked] = (rows[0]?.task.history ?? []) as { metadata: object }[];
    const answer = { ...say('an answer', 'agent'), metadata: asked?.metadata };
    const headers = { 'x-api-key': 'secret', 'content-type': 'application/json' };
    const body = JSON.stringify({ new_messages: [answer], caller_id: 'holdfast' });
    await handle(new Request('http://elkar.example/api/tasks/t1', { method: 'PUT', headers, body }));
    expect(textsOf(await store.getTask('t1'))).toEqual(['one', 'an answer']);
  });

  it('brings the metadata of an outgoing task back as they were last changed', async () => {
    const { store } = connect();
    const task = { id: 'o', status: { state: 'working' as const }, metadata: { a: 1 }, history: [say('one')] };
    await store.upsertTaskForClient(task, 'https://a.example');
    await store.updateTask('o', { taskType: 'outgoing', metadata: { b: 2 }, newMessages: [say('two')] });
    expect((await store.getTaskForClient('o'))?.task.metadata).toEqual({ b: 2 });
  });
});

describe('what is changed while a store is in use', () => {
  it('its options, made into those of another store, lead it to no other server', async () => {
    const asked: string[] = [];
    const fetch = (async (url: string) => {
      asked.push(new URL(url).host);
      return Response.json({ error_type: 'Task not found', details: null }, { status: 404 });
    }) as ElkarClientOptions['fetch'];
    const options = { baseUrl: 'https://one.example/api', apiKey: 'k', fetch };
    const one = new ElkarClientStore(options);
    options.baseUrl = 'https://two.example/api';
    const two = new ElkarClientStore(options);
    expect([await one.getTask('t1'), await two.getTask('t1')]).toEqual([undefined, undefined]);
    expect(asked).toEqual(['one.example', 'two.example']);
  });

  it('a call that the function for the key aborts ends with the reason of that', async () => {
    const aborter = new AbortController();
    const apiKey = () => {
      aborter.abort(new Error('no key today'));
      return 'k';
    };
    const fetch: ElkarClientOptions['fetch'] = async () => Response.json({});
    const store = new ElkarClientStore({ baseUrl: 'https://one.example/api', apiKey, fetch });
    await expect(store.getTask('t1', { signal: aborter.signal })).rejects.toThrow('no key today');
  });
});
