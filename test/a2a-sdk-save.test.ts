/** What a save writes, who sees it, and what happens where two save at once. */
import { type TaskStore as SdkTaskStore, ServerCallContext } from '@a2a-js/sdk/server';
import {
  InMemoryPushNotificationStore as InMemoryPushNotificationStore03,
  ServerCallContext as ServerCallContext03,
} from 'a2a-sdk-03/server';
import { expect, test } from 'vitest';
import { toA2ATaskStore, toPushNotificationStore } from '../src/a2a.ts';
import type { BackendFactory } from '../src/backends/backend.ts';
import { memory } from '../src/backends/memory.ts';
import { TaskStoreError } from '../src/core/errors.ts';
import { openTaskStore } from '../src/memory.ts';
import type { StorePort } from '../src/store-port.ts';
import type { TaskChange, TaskStore } from '../src/task-store.ts';
import { artifact, CANCELED, COMPLETED, message, task, textPart, WORKING } from './support/a2a-agent.ts';

const context = new ServerCallContext();
const user = (userName: string, tenant?: string) =>
  new ServerCallContext({ user: { isAuthenticated: true, userName }, ...(tenant !== undefined && { tenant }) });

/** The changes that the store tells of, from now on. */
function changesOf(store: TaskStore): TaskChange[] {
  const changes: TaskChange[] = [];
  store.subscribe((change) => changes.push(change));
  return changes;
}

async function loaded(store: SdkTaskStore, id = 't') {
  const found = await store.load(id, context);
  if (!found) throw new Error(`${id} is not there`);
  return found;
}

test('nobody has a task of an unknown id, or of none', async () => {
  const sdk = toA2ATaskStore(await openTaskStore());
  expect(await sdk.load('t', context)).toBeUndefined();
  expect(await sdk.load(undefined as unknown as string, context)).toBeUndefined();
  expect(await sdk.load('', context)).toBeUndefined();
});

test('a save writes what is new and nothing else', async () => {
  const store = await openTaskStore();
  const sdk = toA2ATaskStore(store);
  await sdk.save(task('t', { artifacts: [artifact(['one', 'two'])], history: [message('go')] }), context);
  const changes = changesOf(store);

  const chunk = await loaded(sdk);
  chunk.artifacts[0]?.parts.push(textPart('three'));
  await sdk.save(chunk, context);
  expect(changes).toHaveLength(1);
  expect(changes[0]).toMatchObject({ messages: [], artifacts: [{ append: true, parts: [{ text: 'three' }] }] });
  expect(changes[0]).not.toHaveProperty('status');

  const asked = await loaded(sdk);
  asked.history.push(message('and?', { messageId: 'm2' }));
  asked.status = { state: COMPLETED, message: undefined, timestamp: '2026-01-02T03:04:06.000Z' };
  await sdk.save(asked, context);
  expect(changes[1]).toMatchObject({ messages: [{ messageId: 'm2' }], artifacts: [], status: { state: 'completed' } });

  await sdk.save(await loaded(sdk), context);
  await sdk.save(structuredClone(await loaded(sdk)), context);
  expect(changes).toHaveLength(2);
});

test('an append to a copy of the task is an append too', async () => {
  const store = await openTaskStore();
  const sdk = toA2ATaskStore(store);
  await sdk.save(task('t', { artifacts: [artifact(['one', 'two'])], history: [message('go')] }), context);
  const copy = structuredClone(await loaded(sdk));
  copy.artifacts[0]?.parts.push(textPart('three'));
  const changes = changesOf(store);
  await toA2ATaskStore(store).save(copy, context);
  expect(changes).toMatchObject([{ messages: [], artifacts: [{ append: true, parts: [{ text: 'three' }] }] }]);
});

test('what changes earlier items replaces the task', async () => {
  const store = await openTaskStore();
  const sdk = toA2ATaskStore(store);
  await sdk.save(
    task('t', { artifacts: [artifact(['one']), artifact(['x'], 'b')], history: [message('go')] }),
    context,
  );
  const changed = await loaded(sdk);
  changed.artifacts[0] = artifact(['uno', 'dos']);
  changed.history = [];
  const copy = structuredClone(changed);
  await sdk.save(changed, context);
  expect(await toA2ATaskStore(store).load('t', context)).toStrictEqual(copy);
  expect((await store.getTask('t'))?.task.artifacts).toMatchObject([{ index: 0 }, { index: 1 }]);
});

test('tasks handed out and tasks saved are the caller’s own', async () => {
  const sdk = toA2ATaskStore(await openTaskStore());
  const given = task('t', { history: [message('go')], artifacts: [artifact(['one'])], metadata: { a: { b: 1 } } });
  const wanted = structuredClone(given);
  const saving = sdk.save(given, context);
  given.history[0]?.parts.push(textPart('later'));
  (given.metadata as { a: { b: number } }).a.b = 2;
  await saving;
  const one = await loaded(sdk);
  expect(one).toStrictEqual(wanted);
  one.history.length = 0;
  one.artifacts[0]?.parts.push(textPart('x'));
  one.artifacts[0]?.extensions.push('x');
  one.artifacts.push(artifact([]));
  one.contextId = 'other';
  Object.assign(one.metadata ?? {}, { c: 1 });
  if (one.status) one.status.state = COMPLETED;
  expect(await loaded(sdk)).toStrictEqual(wanted);
});

test('bytes handed out may be written to', async () => {
  const sdk = toA2ATaskStore(await openTaskStore());
  const raw = { content: { $case: 'raw', value: new Uint8Array([1, 2, 255]) }, metadata: undefined };
  const part = { ...raw, filename: 'x.bin', mediaType: 'application/octet-stream' } as unknown as ReturnType<
    typeof textPart
  >;
  await sdk.save(task('t', { history: [message('', { parts: [part] })] }), context);
  const bytes = async () => (await loaded(sdk)).history[0]?.parts[0]?.content?.value as Uint8Array;
  (await bytes()).fill(0);
  expect([...(await bytes())]).toEqual([1, 2, 255]);
});

test('two tabs that only add to a task both keep what they added', async () => {
  const store = await openTaskStore();
  const [tab1, tab2] = [toA2ATaskStore(store), toA2ATaskStore(store)];
  await tab1.save(task('t', { artifacts: [artifact(['one'])], metadata: { a: 1 } }), context);
  const in1 = await loaded(tab1);
  const in2 = await loaded(tab2);
  in1.artifacts[0]?.parts.push(textPart('from 1'));
  in1.history.push(message('m1', { messageId: 'm1' }));
  in1.metadata = { ...in1.metadata, b: 2 };
  in2.artifacts[0]?.parts.push(textPart('from 2'));
  in2.artifacts.push(artifact(['new'], 'second'));
  in2.history.push(message('m2', { messageId: 'm2' }));
  in2.metadata = { ...in2.metadata, c: 3 };
  in2.status = { state: COMPLETED, message: undefined, timestamp: '2026-01-02T03:04:07.000Z' };
  await Promise.all([tab1.save(in1, context), tab2.save(in2, context)]);

  for (const tab of [tab1, tab2, toA2ATaskStore(store)]) {
    const both = await loaded(tab);
    expect(both.artifacts.map(({ parts }) => parts.map(({ content }) => content?.value))).toEqual([
      ['one', 'from 1', 'from 2'],
      ['new'],
    ]);
    expect(both.history.map(({ messageId }) => messageId)).toEqual(['m1', 'm2']);
    expect(both.metadata).toEqual({ a: 1, b: 2, c: 3 });
    expect(both.status?.state).toBe(COMPLETED);
  }

  // The first still holds its object, which never saw what the second added.
  in1.artifacts[0]?.parts.push(textPart('again 1'));
  await tab1.save(in1, context);
  const parts = (await loaded(tab2)).artifacts[0]?.parts.map(({ content }) => content?.value);
  expect(parts).toEqual(['one', 'from 1', 'from 2', 'again 1']);
});

test('the same message added in two tabs is there once', async () => {
  const store = await openTaskStore();
  const [tab1, tab2] = [toA2ATaskStore(store), toA2ATaskStore(store)];
  await tab1.save(task('t'), context);
  const tasks = [await loaded(tab1), await loaded(tab2)];
  for (const one of tasks) one.history.push(message('hi', { messageId: 'same' }));
  await Promise.all([tab1.save(tasks[0] as never, context), tab2.save(tasks[1] as never, context)]);
  expect((await loaded(tab1)).history).toHaveLength(1);
});

test('the same artifact added in two tabs is there once, and goes on in both', async () => {
  const store = await openTaskStore();
  const [tab1, tab2] = [toA2ATaskStore(store), toA2ATaskStore(store)];
  await tab1.save(task('t', { artifacts: [artifact(['one'])] }), context);
  const [in1, in2] = [await loaded(tab1), await loaded(tab2)];
  for (const one of [in1, in2]) one.artifacts.push(artifact(['new'], 'second'));
  await Promise.all([tab1.save(in1, context), tab2.save(in2, context)]);
  expect((await loaded(tab1)).artifacts).toStrictEqual(in1.artifacts);
  in2.artifacts[1]?.parts.push(textPart('more'));
  await tab2.save(in2, context);
  in1.artifacts[0]?.parts.push(textPart('two'));
  await tab1.save(in1, context);
  const values = (await loaded(tab1)).artifacts.map(({ parts }) => parts.map(({ content }) => content?.value));
  expect(values).toEqual([
    ['one', 'two'],
    ['new', 'more'],
  ]);
});

const conflicts: Record<string, (mine: Awaited<ReturnType<typeof loaded>>, theirs: typeof mine) => void> = {
  'two states': (mine, theirs) => {
    mine.status = { state: COMPLETED, message: undefined, timestamp: '2026-01-02T03:04:07.000Z' };
    theirs.status = { state: CANCELED, message: undefined, timestamp: '2026-01-02T03:04:08.000Z' };
  },
  'two values of one key': (mine, theirs) => {
    mine.metadata = { key: 'mine' };
    theirs.metadata = { key: 'theirs' };
  },
  'a replaced artifact': (mine, theirs) => {
    mine.artifacts[0] = artifact(['mine']);
    theirs.artifacts[0]?.parts.push(textPart('theirs'));
  },
  'an append to a replaced artifact': (mine, theirs) => {
    mine.artifacts[0]?.parts.push(textPart('mine'));
    theirs.artifacts[0] = artifact(['theirs']);
  },
  'two artifacts of one id': (mine, theirs) => {
    mine.artifacts.push(artifact(['mine'], 'new'));
    theirs.artifacts.push(artifact(['theirs'], 'new'));
  },
  'two messages of one id': (mine, theirs) => {
    mine.history.push(message('mine', { messageId: 'm' }));
    theirs.history.push(message('theirs', { messageId: 'm' }));
  },
};

for (const [what, differ] of Object.entries(conflicts)) {
  test(`${what} in two tabs: the later save is refused and changes nothing`, async () => {
    const store = await openTaskStore();
    const [tab1, tab2] = [toA2ATaskStore(store), toA2ATaskStore(store)];
    await tab1.save(task('t', { artifacts: [artifact(['one'])] }), context);
    const mine = await loaded(tab1);
    const theirs = await loaded(tab2);
    differ(mine, theirs);
    await tab2.save(theirs, context);
    const stored = await loaded(tab2);
    await expect(tab1.save(mine, context)).rejects.toMatchObject({ code: 'CONFLICT', operation: 'save', taskId: 't' });
    expect(await loaded(tab1)).toStrictEqual(stored);
  });
}

test('saves of one object that overlap happen in their order, each change once', async () => {
  const store = await openTaskStore();
  const sdk = toA2ATaskStore(store);
  const one = task('t', { artifacts: [artifact([])] });
  const saves = [];
  for (let i = 0; i < 20; i++) {
    one.artifacts[0]?.parts.push(textPart(String(i)));
    saves.push(sdk.save(one, context));
  }
  await Promise.all(saves);
  expect((await loaded(toA2ATaskStore(store))).artifacts).toStrictEqual(one.artifacts);
});

test('what a save could not store is stored by the next save of the object, also one that began meanwhile', async () => {
  const store = await openTaskStore();
  const port = (store as { port: StorePort }).port as { transact: StorePort['transact'] };
  const transact = port.transact;
  const fail = () => {
    port.transact = async () => {
      port.transact = transact;
      throw new Error('the disk is full');
    };
  };
  const sdk = toA2ATaskStore(store);
  const saved = task('t', { artifacts: [artifact(['one'])] });
  await sdk.save(saved, context);
  for (const one of [saved, await loaded(sdk), task('t', { artifacts: [artifact(['one'])] })]) {
    fail();
    one.status = { state: COMPLETED, message: undefined, timestamp: '2026-01-02T03:04:06.000Z' };
    const first = sdk.save(one, context);
    one.artifacts[0]?.parts.push(textPart('two'));
    const second = sdk.save(one, context);
    await expect(first).rejects.toThrow();
    await second;
    expect(await loaded(toA2ATaskStore(store))).toStrictEqual(one);
    // Back to where it began, for the next object.
    await store.deleteTask('t');
    await sdk.save(task('t', { artifacts: [artifact(['one'])] }), context);
  }
});

test('a request that adds to the history while another streams loses no chunk', async () => {
  const sdk = toA2ATaskStore(await openTaskStore());
  await sdk.save(task('t', { artifacts: [artifact([])] }), context);
  const followUp = await loaded(sdk);
  const stream = await loaded(sdk);
  stream.artifacts[0]?.parts.push(textPart('chunk'));
  await sdk.save(stream, context);
  followUp.history = [...followUp.history, message('more')];
  await sdk.save(followUp, context);
  expect(await loaded(sdk)).toMatchObject({ artifacts: [{ parts: [{}] }], history: [{}] });
});

test('a task that is deleted and saved again is there again', async () => {
  const store = await openTaskStore();
  const sdk = toA2ATaskStore(store);
  const one = task('t', { history: [message('go')] });
  await sdk.save(one, context);
  await store.deleteTask('t');
  expect(await sdk.load('t', context)).toBeUndefined();
  await sdk.save(one, context);
  expect(await loaded(sdk)).toStrictEqual(one);
});

test('a task that was deleted and made anew within the same moment is another, however alike they look', async () => {
  await using store = await openTaskStore({ environment: { now: () => 0 } });
  const [sdk, other] = [toA2ATaskStore(store), toA2ATaskStore(store)];
  await sdk.save(task('t', { history: [message('old')], artifacts: [artifact(['old'])] }), context);
  const old = await loaded(sdk);
  old.artifacts[0]?.parts.push(textPart('more'));
  await store.deleteTask('t');
  const made = task('t', { history: [message('new')], artifacts: [artifact(['new'])] });
  await other.save(made, context);
  expect(await loaded(sdk)).toStrictEqual(made);

  // What is known of the one before is not what is added to.
  await sdk.save(old, context).catch(() => {});
  expect(await loaded(other)).toStrictEqual(made);
  const known = await loaded(sdk);
  await store.deleteTask('t');
  await other.save({ ...made, history: [message('newer')] }, context);
  known.artifacts[0]?.parts.push(textPart('more'));
  await expect(sdk.save(known, context)).rejects.toMatchObject({ code: 'CONFLICT' });
  expect(await loaded(other)).toMatchObject({ history: [message('newer', { messageId: expect.any(String) })] });
});

test('a task of a task manager has ids in the SDK, always the same, and goes on there as an append', async () => {
  const store = await openTaskStore();
  const hi = { role: 'user', parts: [{ type: 'text', text: 'Hi' }], own: 1 } as const;
  await store.upsertTask({ id: 't', sessionId: 's', message: { ...hi, parts: [...hi.parts] } });
  const reply = { role: 'agent' as const, parts: [{ type: 'data' as const, data: { a: 1 } }] };
  await store.updateTask('t', {
    status: { state: 'working', message: reply },
    artifactsUpdates: [{ index: 4, parts: [{ type: 'file', file: { uri: 'x:y', mimeType: 'image/png' } }] }],
  });
  const sdk = toA2ATaskStore(store);
  const one = await loaded(sdk);
  expect(one).toMatchObject({
    contextId: 's',
    status: { state: WORKING, message: { messageId: 't-1' } },
    history: [
      { messageId: 't-0', role: 1, parts: [{ content: { $case: 'text', value: 'Hi' } }] },
      { messageId: 't-1', role: 2, parts: [{ content: { $case: 'data', value: { a: 1 } } }] },
    ],
    artifacts: [
      { artifactId: 'artifact-4', parts: [{ content: { $case: 'url', value: 'x:y' }, mediaType: 'image/png' }] },
    ],
  });
  expect(await loaded(toA2ATaskStore(store))).toStrictEqual(one);

  const changes = changesOf(store);
  one.artifacts[0]?.parts.push(textPart('more'));
  await sdk.save(one, context);
  expect(changes).toMatchObject([{ messages: [], artifacts: [{ index: 4, append: true, parts: [{ text: 'more' }] }] }]);
  await store.updateTask('t', {
    artifactsUpdates: [{ index: 4, parts: [{ type: 'text', text: 'end' }], lastChunk: true }],
  });
  expect((await loaded(sdk)).artifacts[0]?.parts).toHaveLength(3);
  expect((await store.getTask('t'))?.task.history?.[0]).toEqual(hi);
});

test('a task that others wrote is whole, in the words of the version that asks', async () => {
  const store = await openTaskStore({ environment: { now: () => 0 } });
  const hi = { role: 'user' as const, parts: [{ type: 'text' as const, text: 'Hi' }], own: 1 };
  await store.upsertTask({ id: 't', sessionId: 's', message: hi, metadata: { a: { b: 1 } } });
  // Base64 as some write it, for URLs and without its end.
  const file = { bytes: '-_8', name: 'f', mimeType: 'x/y' };
  const header = { index: 0, name: 'n', description: 'd', extra: [1] };
  await store.updateTask('t', {
    status: { state: 'working' },
    artifactsUpdates: [{ ...header, parts: [{ type: 'file', file }] }],
  });
  await store.upsertTask({ id: 'bare', sessionId: 's', message: hi });
  const sdk = toA2ATaskStore(store);

  const one = await loaded(sdk);
  // Bytes come along with a copy, too.
  for (const seen of [one, structuredClone(one)]) {
    expect(seen).toEqual({
      id: 't',
      contextId: 's',
      metadata: { a: { b: 1 } },
      status: { state: WORKING, message: undefined, timestamp: '1970-01-01T00:00:00.000Z' },
      history: [message('Hi', { messageId: 't-0', parts: [{ ...textPart('Hi'), mediaType: '' }], own: 1 } as object)],
      artifacts: [
        {
          artifactId: 'artifact-0',
          name: 'n',
          description: 'd',
          extra: [1],
          extensions: [],
          metadata: undefined,
          parts: [
            {
              content: { $case: 'raw', value: new Uint8Array([251, 255]) },
              metadata: undefined,
              filename: 'f',
              mediaType: 'x/y',
            },
          ],
        },
      ],
    });
  }
  expect(await loaded(sdk, 'bare')).toMatchObject({ artifacts: [], history: [{ messageId: 'bare-0' }] });

  const old = {
    kind: 'task',
    id: 't',
    contextId: 's',
    metadata: { a: { b: 1 } },
    status: { state: 'working', timestamp: '1970-01-01T00:00:00.000Z' },
    history: [{ kind: 'message', messageId: 't-0', role: 'user', parts: [{ kind: 'text', text: 'Hi' }], own: 1 }],
    artifacts: [{ artifactId: 'artifact-0', name: 'n', description: 'd', extra: [1], parts: [{ kind: 'file', file }] }],
  };
  expect(await sdk.load('t', new ServerCallContext03() as never)).toStrictEqual(old);
});

test('what a save stores says nothing that is not said', async () => {
  const store = await openTaskStore();
  const sdk = toA2ATaskStore(store);
  const say = { messageId: 'm', contextId: 'c', parts: [{ ...textPart('go'), mediaType: '' }] };
  const one = task('t', { history: [message('', say)], artifacts: [artifact(['x'])] });
  await sdk.save({ ...one, contextId: 's', metadata: { m: 1 } }, context);
  const stored = (await store.getTask('t'))?.task;
  expect(stored?.history).toStrictEqual([
    { role: 'user', messageId: 'm', contextId: 'c', parts: [{ type: 'text', text: 'go' }] },
  ]);
  expect(stored).toMatchObject({ sessionId: 's', metadata: { m: 1 } });
  expect(Object.keys(stored?.artifacts?.[0] ?? {}).sort()).toEqual(['artifactId', 'index', 'name', 'parts']);
});

test('a task of 0.3 is an ordinary one of the store', async () => {
  const store = await openTaskStore();
  const parts = [
    { kind: 'text', text: 'go' },
    { kind: 'file', file: { uri: 'x:y', mimeType: 'image/png' } },
    { kind: 'data', data: { a: 1 } },
  ];
  const one = {
    kind: 'task',
    id: 't',
    contextId: 's',
    status: { state: 'working', timestamp: '2026-01-02T03:04:05.678Z' },
    history: [{ kind: 'message', messageId: 'm', role: 'user', parts }],
    artifacts: [{ artifactId: 'a', parts }],
  };
  await toA2ATaskStore(store).save(one as never, new ServerCallContext03() as never);
  const stored = [
    { type: 'text', text: 'go' },
    { type: 'file', file: { uri: 'x:y', mimeType: 'image/png' } },
    { type: 'data', data: { a: 1 } },
  ];
  const task = (await store.getTask('t'))?.task;
  expect(task?.history).toStrictEqual([{ role: 'user', messageId: 'm', parts: stored }]);
  expect(task?.artifacts).toStrictEqual([{ index: 0, artifactId: 'a', parts: stored }]);
});

test('artifacts that are added get indexes that no other has', async () => {
  const store = await openTaskStore();
  await store.upsertTask({ id: 't', message: { role: 'user', parts: [] } });
  await store.updateTask('t', { artifactsUpdates: [{ index: 1, parts: [{ type: 'text', text: 'x' }] }] });
  const sdk = toA2ATaskStore(store);
  const one = await loaded(sdk);
  one.artifacts.push(artifact(['y'], 'b'));
  await sdk.save(one, context);
  const indexes = async () => (await store.getTask('t'))?.task.artifacts?.map(({ index }) => index);
  expect(await indexes()).toEqual([1, 2]);
  // Also where the whole task is written anew.
  const anew = await loaded(sdk);
  anew.history = [];
  anew.artifacts.push(artifact(['z'], 'c'));
  await sdk.save(anew, context);
  expect(await indexes()).toEqual([1, 2, 3]);
});

test('a key taken out in one tab is gone, also where another tab changed others', async () => {
  const store = await openTaskStore();
  const [tab1, tab2] = [toA2ATaskStore(store), toA2ATaskStore(store)];
  await tab1.save(task('t', { metadata: { a: 1, b: 2 } }), context);
  const [in1, in2] = [await loaded(tab1), await loaded(tab2)];
  in2.metadata = { a: 1, b: 2, c: 3 };
  await tab2.save(in2, context);
  in1.metadata = { b: 2 };
  await tab1.save(in1, context);
  expect((await loaded(toA2ATaskStore(store))).metadata).toStrictEqual({ b: 2, c: 3 });
  expect((await store.getTask('t'))?.task.metadata).toStrictEqual({ b: 2, c: 3 });
});

test('a first message joins what others changed meanwhile', async () => {
  const store = await openTaskStore();
  const [tab1, tab2] = [toA2ATaskStore(store), toA2ATaskStore(store)];
  const bare = { kind: 'task', id: 't', contextId: 's', status: { state: 'working' } };
  await tab1.save(bare as never, context);
  const context03 = new ServerCallContext03() as never;
  const [in1, in2] = [await tab1.load('t', context03), await tab2.load('t', context03)] as object[];
  const hi = { kind: 'message', messageId: 'm', role: 'user', parts: [] };
  await tab2.save(Object.assign(in2 as object, { metadata: { a: 1 } }) as never, context);
  await tab1.save(Object.assign(in1 as object, { history: [hi] }) as never, context);
  expect(await toA2ATaskStore(store).load('t', context03)).toMatchObject({ metadata: { a: 1 }, history: [hi] });
});

test('a task that others change without end, of which only the head is at hand, is refused, and not taken for saved', async () => {
  const changing = memory();
  let others = false;
  const backend: BackendFactory = {
    ...changing,
    async open(opened) {
      const under = await changing.open(opened);
      const commit = under.commit.bind(under);
      under.commit = async (key, decide, select) => {
        if (others) {
          others = false;
          await store.updateTask('t', { newMessages: [{ role: 'agent', parts: [] }] });
          others = true;
        }
        return commit(key, (head) => decide(head), select);
      };
      return under;
    },
  };
  const store = await openTaskStore({ backend });
  const sdk = toA2ATaskStore(store);
  await sdk.save(task('t'), context);
  const one = await loaded(sdk);
  one.history.push(message('mine'));
  others = true;
  await expect(sdk.save(one, context)).rejects.toMatchObject({ code: 'CONFLICT', taskId: 't' });
  others = false;
  // The object is good for another attempt.
  await sdk.save(one, context);
  expect((await loaded(sdk)).history.at(-1)).toEqual(one.history.at(-1));
});

test('nobody sees the tasks and push configurations of another', async () => {
  const store = await openTaskStore();
  const sdk = toA2ATaskStore(store);
  const push = toPushNotificationStore(store);
  const scopes = [
    context,
    user('alice'),
    user('alice', 'acme'),
    user('acme', 'alice'),
    user('["acme","alice"]'),
    user('["","alice"]'),
    user('[', 'acme'),
    new ServerCallContext({ tenant: 'unknown' }),
  ];
  const config = { tenant: '', id: 'p', taskId: 't', token: '', authentication: undefined };
  for (const [i, scope] of scopes.entries()) {
    await sdk.save(task('t', { contextId: String(i) }), scope);
    await push.save('t', scope, { ...config, url: `https://example.com/${i}` });
  }
  for (const [i, scope] of scopes.entries()) {
    expect((await sdk.load('t', scope))?.contextId).toBe(String(i));
    expect(await push.load('t', scope)).toMatchObject([{ url: `https://example.com/${i}` }]);
    const list = { tenant: '', contextId: '', status: 0, pageToken: '', statusTimestampAfter: undefined } as const;
    expect(await sdk.list(list, scope)).toMatchObject({ totalSize: 1, tasks: [{ contextId: String(i) }] });
  }
  expect((await store.listTasks()).tasks).toHaveLength(1);
  expect((await store.listTasks({ callerId: 'alice' })).tasks).toMatchObject([{ sessionId: '1' }]);

  const byRole = toA2ATaskStore(store, { ownerResolver: ({ user }) => (user?.userName.startsWith('a') ? 'a' : 'b') });
  await byRole.save(task('shared'), user('anna'));
  expect(await byRole.load('shared', user('adam'))).toBeDefined();
  expect(await byRole.load('shared', user('bob'))).toBeUndefined();
});

test('push configurations: several a task, an id in place, the version they came over', async () => {
  const push = toPushNotificationStore(await openTaskStore());
  const v1 = new ServerCallContext({ requestedVersion: '1.0' });
  const config = { tenant: '', id: '', taskId: 't', url: 'https://a', token: 'x', authentication: undefined };
  const first = { ...config };
  await push.save('t', v1, first);
  expect(first.id).not.toBe('');
  const second = { ...config, id: 'b', authentication: { scheme: 'Bearer', credentials: 'secret' } };
  await Promise.all([push.save('t', context, second), push.save('t', context, { ...config, id: 'c' })]);
  expect((await push.load('t', context)).map(({ id }) => id)).toEqual([first.id, 'b', 'c']);
  await push.save('t', context, { ...second, url: 'https://b' });
  expect(await push.loadWithMetadata?.('t', context)).toStrictEqual([
    { config: first, wireVersion: '1.0' },
    { config: { ...config, id: 'c' }, wireVersion: '0.3' },
    { config: { ...second, url: 'https://b' }, wireVersion: '0.3' },
  ]);
  const [handedOut] = await push.load('t', context);
  if (handedOut) handedOut.url = 'https://elsewhere';
  await push.delete('t', context, 'b');
  await push.delete('t', context, 'no such');
  expect((await push.load('t', context)).map(({ url }) => url)).toEqual(['https://a', 'https://a']);
  await push.delete('t', context, first.id);
  await push.delete('t', context, 'c');
  expect(await push.load('t', context)).toEqual([]);
});

test('push configurations that two adapters of one store save at once are both kept', async () => {
  const store = await openTaskStore();
  const adapters = [toPushNotificationStore(store), toPushNotificationStore(store)];
  const config = { tenant: '', taskId: 't', url: 'https://a', token: '', authentication: undefined };
  await Promise.all(adapters.map((push, i) => push.save('t', context, { ...config, id: `${i}` })));
  for (const push of adapters) expect((await push.load('t', context)).map(({ id }) => id)).toEqual(['0', '1']);
});

test('a bad task, a closed store, a store of another machine: errors with codes', async () => {
  const store = await openTaskStore();
  const sdk = toA2ATaskStore(store);
  await expect(sdk.save({} as never, context)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  const bad = task('t', { metadata: { f: () => 1 } });
  await expect(sdk.save(bad, context)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', taskId: 't' });
  expect(await sdk.load('t', context)).toBeUndefined();
  const saving = sdk.save(task('u'), context);
  await store.close();
  await saving;
  await expect(sdk.load('u', context)).rejects.toMatchObject({ code: 'STORE_CLOSED' });
  const { port: _, ...remote } = store;
  for (const make of [toA2ATaskStore, toPushNotificationStore]) {
    const unsupported = (() => {
      try {
        return make(remote as unknown as TaskStore);
      } catch (error) {
        return error;
      }
    })();
    expect(unsupported).toBeInstanceOf(TaskStoreError);
    expect(unsupported).toMatchObject({ code: 'UNSUPPORTED' });
  }
});

test("push configurations of the SDK's 0.3, whose calls have no context, are kept as its own store keeps them", async () => {
  const stores = [
    new InMemoryPushNotificationStore03(),
    toPushNotificationStore(await openTaskStore()) as unknown as InMemoryPushNotificationStore03,
  ];
  const seen = await Promise.all(
    stores.map(async (store) => {
      const steps: unknown[] = [];
      // The SDK hands out the list that it goes on with.
      const look = async () => steps.push(structuredClone(await store.load('t')));
      await store.save('t', { url: 'https://a.example' });
      await store.save('t', { id: 'second', url: 'https://b.example', token: 'k' });
      await look();
      await store.save('t', { url: 'https://c.example' });
      await look();
      await store.delete('t', 'second');
      await look();
      await store.delete('t');
      await look();
      return [...steps, await store.load('none')];
    }),
  );
  expect(seen[1]).toEqual(seen[0]);
});

test('push configurations: what fails at once rejects, and is not thrown at who called', async () => {
  const ownerResolver = () => {
    throw new Error('no owner');
  };
  await using store = await openTaskStore();
  const push = toPushNotificationStore(store, { ownerResolver });
  const config = { id: 'c', url: 'https://p.example' } as never;
  const calls = [() => push.save('t', context, config), () => push.delete('t', context), () => push.load('t', context)];
  for (const call of calls) {
    const calling = call();
    await expect(calling).rejects.toThrow('no owner');
  }
  await expect(toPushNotificationStore(store).save('t', context, { id: 'c', url: () => {} } as never)).rejects.toThrow(
    TaskStoreError,
  );
});

test('a task that its holder has frozen is saved as any other', async () => {
  await using store = await openTaskStore();
  const adapter = toA2ATaskStore(store);
  await adapter.save(task('t', { history: [message('one', { messageId: 'm1' })] }), context);
  const frozen = Object.freeze(await loaded(adapter));
  frozen.history?.push(message('two', { messageId: 'm2' }));
  await adapter.save(frozen, context);
  frozen.history?.push(message('three', { messageId: 'm3' }));
  await adapter.save(frozen, context);
  expect((await loaded(adapter)).history).toEqual(frozen.history);
  expect(frozen.history).toHaveLength(3);
});
