/** The adapter beside the SDK's own store: the same calls, the same answers. */
import type { ListTasksRequest, Task } from '@a2a-js/sdk';
import { RequestMalformedError } from '@a2a-js/sdk/errors';
import { InMemoryTaskStore, ServerCallContext, type TaskStore } from '@a2a-js/sdk/server';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toA2ATaskStore } from '../src/a2a.ts';
import { openTaskStore } from '../src/memory.ts';
import { task10 } from './support/a2a-arbitraries.ts';
import { scaled, seeded } from './support/long.ts';

const user = (userName: string, tenant?: string) =>
  new ServerCallContext({ user: { isAuthenticated: true, userName }, ...(tenant !== undefined && { tenant }) });

const contexts = [
  new ServerCallContext(),
  user('alice'),
  user('alice', 'acme'),
  user('["acme","alice"]'),
  user('', ''),
];
const ids = ['a', 'B', 'b', 'é', 'z|1', '__proto__'];
const times = [1, 2, 3].map((day) => new Date(Date.UTC(2026, 0, day)).toISOString());

const aTask = (id: string): fc.Arbitrary<Task> =>
  fc
    .tuple(task10(fc.constant(id)), fc.constantFrom('', 'c1', 'c2'), fc.nat(8), fc.constantFrom(undefined, ...times))
    .map(([task, contextId, state, timestamp]) => {
      const status = { state, message: undefined, timestamp };
      return { artifacts: [], history: [], ...task, contextId, status } as unknown as Task;
    });

const request: fc.Arbitrary<ListTasksRequest> = fc.record({
  tenant: fc.constant(''),
  contextId: fc.constantFrom('', '', 'c1'),
  status: fc.constantFrom(0, 0, 1, 3),
  pageSize: fc.constantFrom(undefined, 1, 2, 100),
  pageToken: fc.constant(''),
  // Where no task's time is this one exactly: there the SDK's store leaves the task out, against the specification.
  statusTimestampAfter: fc.constantFrom(undefined, undefined, '2026-01-02T12:00:00Z'),
  includeArtifacts: fc.constantFrom(undefined, false, true),
});

type Call =
  | { type: 'save'; task: Task; context: number }
  | { type: 'change'; id: string; text: string; context: number }
  | { type: 'load'; id: string; context: number }
  | { type: 'list'; request: ListTasksRequest; context: number };

const context = fc.nat(contexts.length - 1);
const id = fc.constantFrom(...ids);
const call: fc.Arbitrary<Call> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('save'), task: id.chain(aTask), context }) },
  fc.record({ type: fc.constant('change'), id, text: fc.string(), context }),
  fc.record({ type: fc.constant('load'), id, context }),
  fc.record({ type: fc.constant('list'), request, context }),
) as fc.Arbitrary<Call>;

/** What the SDK's request handler does with a chunk. */
async function change(store: TaskStore, id: string, text: string, context: ServerCallContext): Promise<void> {
  const task = await store.load(id, context);
  if (!task) return;
  const [artifact] = task.artifacts;
  const part = { content: { $case: 'text' as const, value: text }, metadata: undefined, filename: '', mediaType: '' };
  if (artifact) artifact.parts = [...(artifact.parts ?? []), part];
  task.metadata = { ...task.metadata, changed: true };
  await store.save(task, context);
}

async function allPages(store: TaskStore, request: ListTasksRequest, context: ServerCallContext) {
  const pages = [];
  let pageToken = '';
  do {
    const page = await store.list({ ...request, pageToken }, context);
    // What a token says is each store's own affair.
    pages.push({ ...page, nextPageToken: page.nextPageToken !== '' });
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return pages;
}

test('random saves, loads and lists get the answers of the SDK’s store', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 30 }), async (calls) => {
      const sdk = new InMemoryTaskStore();
      const ours = toA2ATaskStore(await openTaskStore());
      for (const call of calls) {
        const context = contexts[call.context] as ServerCallContext;
        if (call.type === 'save') {
          await sdk.save(call.task, context);
          await ours.save(call.task, context);
        } else if (call.type === 'change') {
          await change(sdk, call.id, call.text, context);
          await change(ours, call.id, call.text, context);
        } else if (call.type === 'load') {
          expect(await ours.load(call.id, context)).toStrictEqual(await sdk.load(call.id, context));
        } else {
          const wanted = await allPages(sdk, call.request, context);
          expect(await allPages(ours, call.request, context)).toStrictEqual(wanted);
        }
      }
    }),
    { numRuns: scaled(150, 2_500), ...seeded('a2a differential') },
  );
});

const task = (id: string, timestamp: string | undefined, more: Partial<Task> = {}): Task => ({
  id,
  contextId: 'c',
  status: { state: 2, message: undefined, timestamp },
  artifacts: [],
  history: [],
  metadata: undefined,
  ...more,
});
const all: ListTasksRequest = {
  tenant: '',
  contextId: '',
  status: 0,
  pageToken: '',
  statusTimestampAfter: undefined,
};
const nobody = new ServerCallContext();

test('a time to list from counts itself', async () => {
  const store = toA2ATaskStore(await openTaskStore());
  for (const [i, time] of times.entries()) await store.save(task(`t${i}`, time), nobody);
  const list = await store.list({ ...all, statusTimestampAfter: '2026-01-02T01:00:00+01:00' }, nobody);
  expect(list.tasks.map(({ id }) => id)).toEqual(['t2', 't1']);
  expect(list.totalSize).toBe(2);
});

test('a page token outlives the task it names', async () => {
  const store = await openTaskStore();
  const sdk = toA2ATaskStore(store);
  for (const id of ids) await sdk.save(task(id, times[0]), nobody);
  const wanted = (await sdk.list(all, nobody)).tasks.map(({ id }) => id);
  const first = await sdk.list({ ...all, pageSize: 2 }, nobody);
  await store.deleteTask(wanted[1] as string);
  const second = await sdk.list({ ...all, pageToken: first.nextPageToken }, nobody);
  expect(second.tasks.map(({ id }) => id)).toEqual(wanted.slice(2));
});

test('a token that no list gave is the SDK’s malformed request', async () => {
  const store = toA2ATaskStore(await openTaskStore());
  for (const pageToken of ['?', 'abc', btoa('no bar'), 'a\u0000b']) {
    const error = await store.list({ ...all, pageToken }, nobody).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(RequestMalformedError);
    expect(error).toMatchObject({ reason: 'INVALID_PARAMS', name: 'RequestMalformedError' });
  }
});

test('artifacts are listed where asked for', async () => {
  const store = toA2ATaskStore(await openTaskStore());
  const artifacts = [
    { artifactId: 'a', name: '', description: '', parts: [], metadata: undefined, extensions: [] },
  ] satisfies Task['artifacts'];
  await store.save(task('t', times[0], { artifacts }), nobody);
  expect((await store.list({ ...all, includeArtifacts: true }, nobody)).tasks[0]?.artifacts).toStrictEqual(artifacts);
  expect((await store.list(all, nobody)).tasks[0]?.artifacts).toStrictEqual([]);
});

test('pages end whatever the ids hold', async () => {
  const context = contexts[0] as ServerCallContext;
  const store = toA2ATaskStore(await openTaskStore());
  const ids = ['a\ud800', 'a\udc00', 'b', 'a\uffff'];
  for (const id of ids) await store.save(task(id, undefined), context);
  const request = { tenant: '', contextId: '', status: 0, pageSize: 1, statusTimestampAfter: undefined } as never;
  const pages = await allPages(store, request, context);
  expect(pages.flatMap(({ tasks }) => tasks.map(({ id }) => id)).sort()).toEqual(ids.sort());
});
