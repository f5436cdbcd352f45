/** Whatever a task holds, it comes back over the wire as it was. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { StoredTask, Task } from '../src/core/task.ts';
import { ElkarClientStore } from '../src/elkar.ts';
import { openTaskStore } from '../src/memory.ts';
import { apiKeys, createElkarHandler } from '../src/server.ts';
import { artifact, json, message, metadata, state, updateParams } from './support/arbitraries.ts';
import { elkarImitation } from './support/elkar-imitation.ts';
import { scaled, seeded } from './support/long.ts';

const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** Users may use the key that is ours on the wire. */
const reserved = fc
  .tuple(
    message,
    fc.option(fc.oneof(json, fc.constant({ op: 'x', keys: { role: 'agent' }, own: 1 })), { nil: undefined }),
  )
  .map(([item, holdfast]) => (holdfast === undefined ? item : { ...item, metadata: { ...item.metadata, holdfast } }));

const task = fc
  .record({
    id: fc.constantFrom('t1', 't2'),
    sessionId: fc.option(fc.string(), { nil: undefined }),
    kind: fc.constantFrom(undefined, 'task'),
    status: fc.record({
      state,
      timestamp: fc.constantFrom('2026-01-02T03:04:05.678Z', '2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z'),
      message: fc.option(reserved, { nil: undefined }),
      extra: fc.option(json, { nil: undefined }),
    }),
    history: fc.option(fc.array(reserved, { maxLength: 4 }), { nil: undefined }),
    artifacts: fc.option(fc.array(artifact, { maxLength: 3 }), { nil: undefined }),
    metadata: fc.option(metadata, { nil: undefined }),
  })
  .map((value) => plain(value) as Task);

function overEndpoint(server: 'holdfast' | 'elkar') {
  const store = openTaskStore();
  const handle = store.then((store) => createElkarHandler({ store, authorize: apiKeys({ secret: 'a' }) }));
  const connected: typeof fetch = async (url, init) => (await handle)(new Request(url as string, init));
  return new ElkarClientStore({ baseUrl: 'http://x.example/api', apiKey: 'secret', fetch: connected, server });
}

const withIndexes = (task: Task) => ({
  ...task,
  ...(task.artifacts && { artifacts: task.artifacts.map((item) => ({ ...item, index: item.index ?? 0 })) }),
});

it('a whole task, through our endpoint', async () => {
  const store = overEndpoint('holdfast');
  await fc.assert(
    fc.asyncProperty(task, async (task) => {
      const stored = await store.upsertTaskForClient(task, 'https://a.example');
      expect(stored.task).toEqual(withIndexes(task));
      expect((await store.getTaskForClient(task.id))?.task).toEqual(withIndexes(task));
    }),
    { numRuns: scaled(300, 4_000), ...seeded('tasks through the endpoint') },
  );
});

it("a user's own value under the reserved key, wherever it stands", async () => {
  for (const server of ['holdfast', 'elkar'] as const) {
    for (const holdfast of [{}, { op: 'x' }, { own: 1 }, { keys: { type: 'data' } }, null]) {
      const store = overEndpoint(server);
      const metadata = { holdfast };
      const part = (text: string) => ({ type: 'text' as const, text, metadata });
      const message = { role: 'agent' as const, parts: [part('a'), part('b')], metadata };
      const artifacts = [{ index: 0, parts: [part('c'), part('d')], metadata }];
      const sent = await store.upsertTask({ id: 't1', message });
      expect(sent.task.status.message).toEqual(message);
      const status = { state: 'working' as const, message };
      const { task } = await store.updateTask('t1', { status, newMessages: [message], artifactsUpdates: artifacts });
      expect(task.status.message).toEqual(message);
      expect(task.history).toEqual([message, message, message]);
      expect(task.artifacts).toEqual(artifacts);
      const whole = { ...task, id: 't2' };
      expect((await store.upsertTaskForClient(whole, 'https://a.example')).task).toEqual(whole);
    }
  }
});

const isSendable = (task: Task) => !/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(task));

it("a whole task, through Elkar's server", async () => {
  const elkar = elkarImitation();
  const connected: typeof fetch = async (url, init) => elkar.handle(new Request(url as string, init));
  const store = new ElkarClientStore({ baseUrl: 'http://x.example/api', apiKey: 'secret', fetch: connected });
  await fc.assert(
    fc.asyncProperty(task.filter(isSendable), async (task) => {
      const { status, ...rest } = withIndexes(task);
      const stored = await store.upsertTaskForClient(task, 'https://a.example');
      const { status: read, ...others } = stored.task;
      expect(others).toEqual(rest);
      // A status without a message has no place for what Elkar does not know.
      const known = { state: status.state, timestamp: status.timestamp };
      if (status.message) expect(read).toEqual(status);
      else
        expect(read).toEqual({
          ...known,
          state: { rejected: 'failed', 'auth-required': 'input-required' }[status.state as string] ?? status.state,
        });
    }),
    { numRuns: scaled(300, 4_000), ...seeded('tasks through Elkar') },
  );
  expect(elkar.misdeeds).toEqual([]);
});

it('changes, one by one, through our endpoint as through the store itself', async () => {
  for (const server of ['holdfast', 'elkar'] as const) {
    await fc.assert(
      fc.asyncProperty(fc.array(updateParams, { maxLength: 6 }), reserved, async (changes, first) => {
        const remote = overEndpoint(server);
        const local = await openTaskStore();
        const send = { id: 't1', sessionId: 's', message: first, metadata: { a: 1 } };
        const outcome = (promise: Promise<StoredTask>) =>
          promise.then(timeless, (error: { code?: string }) => error.code ?? error);
        for (const store of [remote, local]) await store.upsertTask(send).catch(() => {});
        for (const change of changes.filter(
          (change) => server === 'holdfast' || isSendable(change as unknown as Task),
        )) {
          const [there, here] = await Promise.all(
            [remote, local].map((store) => outcome(store.updateTask('t1', change))),
          );
          if (there === 'TASK_NOT_FOUND') return;
          expect(there).toEqual(here);
        }
      }),
      { numRuns: scaled(150, 1_200), ...seeded(`changes, as to ${server}`) },
    );
  }
});

/** Statuses without a time get that of the clock. */
function timeless({ task, pushNotification }: StoredTask) {
  const { timestamp, ...status } = task.status;
  return plain({ ...task, status: { ...status, timed: typeof timestamp }, pushNotification });
}
