/** Thousands of malformed requests: never a 5xx of ours, never a crash, never a word of another agent's. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openTaskStore } from '../src/memory.ts';
import { apiKeys, createElkarHandler } from '../src/server.ts';
import { hostileIds } from '../src/testing.ts';
import { artifact, message, updateParams } from './support/arbitraries.ts';
import { scaled, seeded } from './support/long.ts';

const SECRET = 'of-another-agent';

const ids = fc.oneof(fc.constantFrom('t1', 't2', 'list', ...hostileIds), fc.string({ maxLength: 8 }));
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom<unknown>(null, '', [], {}, -1, 1e308, '\0', [[[[]]]], { op: 1 }),
  ids,
);

/** A well-formed body with one thing, or more, put out of shape. */
const spoil = (body: fc.Arbitrary<unknown>) =>
  fc
    .tuple(body, fc.array(fc.tuple(fc.nat(), anything), { maxLength: 3 }))
    .map(([whole, changes]) => changes.reduce((value, [at, put]) => replaceAt(value, at, put), whole));

/** `value` with its node number `at` (counted through, and around) replaced. */
function replaceAt(value: unknown, at: number, put: unknown): unknown {
  const text = JSON.stringify(value) ?? 'null';
  let nodes = 0;
  JSON.parse(text, (_, node) => {
    nodes++;
    return node;
  });
  let left = at % nodes;
  return JSON.parse(text, (_, node) => (left-- === 0 ? put : node));
}

const tag = fc.record({ op: anything, keys: anything, file: anything, task: anything, own: anything, state: anything });
const tagged = fc
  .tuple(message, tag)
  .map(([item, holdfast]) => ({ ...item, metadata: { ...item.metadata, holdfast } }));
const turn = fc.oneof(message, tagged);
const caller = fc.option(ids, { nil: undefined });

/** Every route with the bodies it takes, spoiled or not. */
const routes: [path: string, method: string, body: fc.Arbitrary<unknown>][] = [
  [
    '/tasks',
    'POST',
    fc.record({ send_task_params: fc.record({ id: ids, message: turn }), counterparty_identifier: caller }),
  ],
  [
    '/tasks/',
    'PUT',
    fc.record({
      status: updateParams.map(({ status }) => status),
      new_messages: fc.array(turn, { maxLength: 3 }),
      artifacts_updates: fc.array(artifact, { maxLength: 2 }),
      push_notification: updateParams.map(({ pushNotification }) => pushNotification),
      caller_id: caller,
      task_type: fc.constantFrom(undefined, 'incoming', 'outgoing'),
    }),
  ],
  [
    '/client-side/tasks',
    'POST',
    fc.record({
      task: fc.record({
        id: ids,
        sessionId: fc.string(),
        status: fc.record({ state: fc.constant('working'), message: fc.option(turn, { nil: undefined }) }),
        history: fc.array(turn, { maxLength: 3 }),
        artifacts: fc.array(artifact, { maxLength: 2 }),
        metadata: fc.oneof(fc.constant({}), anything),
      }),
      server_agent_url: fc.string(),
      counterparty_identifier: caller,
    }),
  ],
  [
    '/tasks/list',
    'POST',
    fc.record({ allCallers: fc.boolean(), limit: fc.constantFrom(1, 5, 5_000), order: fc.constant('oldest') }),
  ],
  ...['subscribers', 'enqueue', 'dequeue'].map((name): [string, string, fc.Arbitrary<unknown>] => [
    `/task-events/${name}`,
    'POST',
    fc.record({ task_id: ids, subscriber_id: ids, caller_id: caller, limit: fc.nat(5), event: fc.constant({}) }),
  ]),
  ['/tasks/', 'GET', fc.constant({})],
  ['/client-side/tasks/', 'GET', fc.constant({})],
];
const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD'];
const oddTexts = ['', '[', '{"a":', 'null', '\ufeff{}', '['.repeat(100_000), '{"a":'.repeat(50_000)];
const oddPaths = fc.tuple(fc.constantFrom('/tasks/', '/', '//', '/tasks/t1/'), fc.string({ maxLength: 6 }));

/** `often`, and once in ten times something else. */
const mostly = <T>(often: fc.Arbitrary<T>, seldom: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 9, arbitrary: often }, { weight: 1, arbitrary: seldom });

const queries = fc.oneof(
  fc.constant(''),
  ids.map((id) => `?caller_id=${encode(id)}`),
  fc.string({ maxLength: 10 }).map((query) => `?${query}`),
  fc.constantFrom(
    '?history_length=1e9',
    '?history_length=99999999999999999999',
    '?caller_id=%',
    '?caller_id==%22',
    '?=',
  ),
);

function encode(id: string): string {
  return encodeURIComponent(id.replace(/\p{Surrogate}/gu, '?'));
}

const request = fc.constantFrom(...routes).chain(([route, method, body]) => {
  const text = fc.oneof(body, spoil(body)).map((value) => JSON.stringify(value) ?? '');
  const cut = fc.tuple(text, fc.integer({ min: 1, max: 50 })).map(([text, cut]) => text.slice(0, -cut));
  return fc.record({
    method: mostly(fc.constant(method), fc.constantFrom(...methods)),
    path: mostly(
      route.endsWith('/') ? ids.map((id) => route + encode(id)) : fc.constant(route),
      oddPaths.map(([a, b]) => a + b),
    ),
    query: mostly(fc.constantFrom('', '?caller_id=t1'), queries),
    body: mostly(text, fc.oneof(cut, fc.constantFrom(...oddTexts))),
    type: mostly(fc.constant('application/json'), fc.constantFrom('text/plain', 'application/json;;=', '')),
    key: mostly(fc.constant('mine'), fc.constantFrom('wrong', '')),
  });
});

it('answers any request with something other than a 5xx', async () => {
  const failures: unknown[] = [];
  const store = await openTaskStore();
  const authorize = apiKeys({ mine: 'agent', theirs: 'other' });
  const handle = createElkarHandler({
    store,
    authorize,
    cors: ['https://a.example'],
    onError: (e) => failures.push(e),
  });

  const theirs = (path: string, body: unknown) =>
    handle(
      new Request(`http://localhost/api${path}`, {
        method: 'POST',
        headers: { 'x-api-key': 'theirs', 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    );
  const secret = { role: 'user', parts: [{ type: 'text', text: SECRET }] };
  for (const id of ['t1', 't2', 'list', ...hostileIds]) {
    for (const counterparty_identifier of [undefined, 't1', SECRET]) {
      const send_task_params = { id, message: secret, metadata: { SECRET } };
      expect((await theirs('/tasks', { send_task_params, counterparty_identifier })).status).toBe(200);
    }
    await theirs('/task-events/subscribers', { task_id: id, subscriber_id: 't1' });
    await theirs('/task-events/enqueue', { task_id: id, event: { SECRET } });
  }

  const seen = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(request, async ({ method, path, query, body, type, key }) => {
      let made: Request;
      try {
        const url = `http://localhost/api${path}${query}`;
        const init = method === 'GET' || method === 'HEAD' ? {} : { body };
        made = new Request(url, { method, headers: { 'x-api-key': key, 'content-type': type }, ...init });
      } catch {
        return;
      }
      const response = await handle(made);
      const said = await response.text();
      seen.set(response.status, (seen.get(response.status) ?? 0) + 1);
      expect([response.status, failures]).toEqual([expect.toSatisfy((status: number) => status < 500), []]);
      expect(said).not.toContain(SECRET);
      expect(said).not.toMatch(/\.ts:\d+|node_modules|"other"/);
    }),
    { numRuns: scaled(5_000, 60_000), ...seeded('requests') },
  );
  // The fuzz is worth something only where it gets past the first check, and often through the last.
  for (const status of [200, 400, 401, 404, 415, 422])
    expect([status, (seen.get(status) ?? 0) > 50]).toEqual([status, true]);

  const { tasks } = await store.listTasks({ callerId: '["other"]', limit: 1_000 });
  expect(tasks).toHaveLength(3 + hostileIds.length);
  for (const { messageCount, artifactCount } of tasks) expect([messageCount, artifactCount]).toEqual([1, 0]);
});
