/** The official SDK's own request handlers over a store, whatever lies under it. */
import type { StreamResponse, Task } from '@a2a-js/sdk';
import { DefaultRequestHandler, ServerCallContext } from '@a2a-js/sdk/server';
import type { Task as Task03 } from 'a2a-sdk-03';
import { DefaultRequestHandler as DefaultRequestHandler03 } from 'a2a-sdk-03/server';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { toA2ATaskStore, toPushNotificationStore } from '../../src/a2a.ts';
import type { TaskStore } from '../../src/task-store.ts';
import {
  agentCard,
  CANCELED,
  COMPLETED,
  EchoExecutor,
  INPUT_REQUIRED,
  message,
  textsOf,
  WORKING,
} from './a2a-agent.ts';

const context = new ServerCallContext({ requestedVersion: '1.0' });
const nothing = { tenant: '', metadata: undefined };
const request = (text: string, more: Parameters<typeof message>[1] = {}) => ({
  ...nothing,
  message: message(text, more),
  configuration: undefined,
});
const configuration = { acceptedOutputModes: [], taskPushNotificationConfig: undefined, returnImmediately: true };

/** Lets words through one by one. */
function gate() {
  let open = () => {};
  let shut = new Promise<void>((resolve) => {
    open = resolve;
  });
  return {
    hold: () => shut,
    open: () => {
      open();
      shut = Promise.resolve();
    },
  };
}

async function collect(stream: AsyncGenerator<StreamResponse>): Promise<StreamResponse[]> {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

const wordsOf = (task: Task | undefined) => textsOf(task?.artifacts[0]?.parts);

/** `reopen` closes the store and opens what it kept; absent where nothing is kept. */
export function a2aHandlerSuite(
  name: string,
  { open, reopen }: { open: () => Promise<TaskStore>; reopen?: (store: TaskStore) => Promise<TaskStore> },
): void {
  describe(`the SDK's request handler on ${name}`, () => {
    let store: TaskStore;
    let handler: DefaultRequestHandler;

    const handlerOf = (store: TaskStore, executor = new EchoExecutor()) =>
      new DefaultRequestHandler(agentCard, toA2ATaskStore(store), executor, undefined, toPushNotificationStore(store));

    beforeEach(async () => {
      store = await open();
      handler = handlerOf(store);
    });
    afterEach(() => store.close());

    /** By an adapter that has seen nothing, from the storage kept. */
    async function kept(id: string): Promise<Task | undefined> {
      if (reopen) store = await reopen(store);
      return toA2ATaskStore(store).load(id, context);
    }

    test('a blocking send answers with the finished task', async () => {
      const done = (await handler.sendMessage(request('one two three'), context)) as Task;
      expect(done.status?.state).toBe(COMPLETED);
      expect(wordsOf(done)).toEqual(['one', 'two', 'three']);
      expect(await kept(done.id)).toStrictEqual(done);
    });

    test('a send that does not block answers at once, and the task goes on', async () => {
      const { hold, open } = gate();
      handler = handlerOf(store, new EchoExecutor(hold));
      const begun = (await handler.sendMessage({ ...request('one two'), configuration }, context)) as Task;
      expect(begun.status?.state).not.toBe(COMPLETED);
      const updates = collect(handler.resubscribe({ tenant: '', id: begun.id }, context));
      open();
      await updates;
      await expect
        .poll(() => handler.getTask({ tenant: '', id: begun.id }, context))
        .toMatchObject({
          status: { state: COMPLETED },
        });
      expect(wordsOf(await kept(begun.id))).toEqual(['one', 'two']);
    });

    test('a stream tells each chunk, and each is stored', async () => {
      const words = Array.from({ length: 50 }, (_, i) => `w${i}`);
      const events = await collect(handler.sendMessageStream(request(words.join(' ')), context));
      const chunks = events.flatMap(({ payload }) =>
        payload?.$case === 'artifactUpdate' ? textsOf(payload.value.artifact?.parts) : [],
      );
      expect(chunks).toEqual(words);
      const first = events[0]?.payload;
      const id = first?.$case === 'task' ? first.value.id : '';
      const task = await kept(id);
      expect(wordsOf(task)).toEqual(words);
      expect(task?.history).toHaveLength(1);
      expect((await store.listTasks()).tasks).toMatchObject([{ id, status: { state: 'completed' }, artifactCount: 1 }]);
    });

    test('who subscribes again gets the task as it is and what follows', async () => {
      const { hold, open } = gate();
      handler = handlerOf(store, new EchoExecutor((word) => (word === 'two' ? hold() : Promise.resolve())));
      const stream = handler.sendMessageStream(request('one two three'), context);
      const first = (await stream.next()).value?.payload;
      const id = first?.$case === 'task' ? first.value.id : '';
      await stream.next();
      await stream.next();
      const again = handler.resubscribe({ tenant: '', id }, context);
      const snapshot = (await again.next()).value?.payload;
      expect(snapshot?.$case === 'task' && wordsOf(snapshot.value)).toEqual(['one']);
      open();
      const [rest] = await Promise.all([collect(again), collect(stream)]);
      expect(rest.map(({ payload }) => payload?.$case)).toEqual(['artifactUpdate', 'artifactUpdate', 'statusUpdate']);
      expect(wordsOf(await kept(id))).toEqual(['one', 'two', 'three']);
    });

    test('who leaves a task that was begun without waiting ends nothing', async () => {
      const { hold, open } = gate();
      handler = handlerOf(store, new EchoExecutor((word) => (word === 'two' ? hold() : Promise.resolve())));
      const { id } = (await handler.sendMessage({ ...request('one two three'), configuration }, context)) as Task;
      for await (const _ of handler.resubscribe({ tenant: '', id }, context)) break;
      open();
      await expect
        .poll(() => handler.getTask({ tenant: '', id }, context))
        .toMatchObject({ status: { state: COMPLETED } });
      expect(wordsOf(await kept(id))).toEqual(['one', 'two', 'three']);
    });

    test('a task that waits for more goes on with a follow-up', async () => {
      const asked = (await handler.sendMessage(request('wait for me'), context)) as Task;
      expect(asked.status?.state).toBe(INPUT_REQUIRED);
      if (reopen) handler = handlerOf((store = await reopen(store)));
      const followUp = request('now', { taskId: asked.id, contextId: asked.contextId });
      const done = (await handler.sendMessage(followUp, context)) as Task;
      expect(done.status?.state).toBe(COMPLETED);
      expect(done.history.map(({ parts }) => textsOf(parts)[0])).toEqual(['wait for me', 'More?', 'now']);
      expect(await kept(asked.id)).toStrictEqual(done);
    });

    test('a task is canceled, running or waiting', async () => {
      const waiting = (await handler.sendMessage(request('wait'), context)) as Task;
      const running = handlerOf(store, new EchoExecutor(() => new Promise(() => {})));
      const begun = (await running.sendMessage({ ...request('one two'), configuration }, context)) as Task;
      for (const [of, { id }] of [
        [handler, waiting],
        [running, begun],
      ] as const) {
        const canceled = await of.cancelTask({ tenant: '', id, metadata: undefined }, context);
        expect(canceled.status?.state).toBe(CANCELED);
        expect((await store.getTask(id))?.task.status.state).toBe('canceled');
      }
    });

    test('push configurations are kept with the task', async () => {
      const push = {
        tenant: '',
        id: '',
        taskId: '',
        url: 'https://127.0.0.1:1/',
        token: 'x',
        authentication: undefined,
      };
      const sent = { ...request('wait'), configuration: { ...configuration, returnImmediately: false } };
      const { id: taskId } = (await handler.sendMessage(sent, context)) as Task;
      const created = await handler.createTaskPushNotificationConfig({ ...push, taskId }, context);
      expect(created.id).not.toBe('');
      if (reopen) handler = handlerOf((store = await reopen(store)));
      const { id } = created;
      expect(await handler.getTaskPushNotificationConfig({ tenant: '', taskId, id }, context)).toStrictEqual(created);
      const page = { tenant: '', taskId, pageSize: 10, pageToken: '' };
      expect((await handler.listTaskPushNotificationConfigs(page, context)).configs).toStrictEqual([created]);
      await handler.deleteTaskPushNotificationConfig({ tenant: '', taskId, id }, context);
      expect((await handler.listTaskPushNotificationConfigs(page, context)).configs).toEqual([]);
    });

    test('the handler of 0.3 streams, and finds what it stored', async () => {
      const card = { ...agentCard, url: '', protocolVersion: '0.3.0' } as never;
      const words = ['one', 'two', 'three'];
      const text = (value: string) => [{ kind: 'text' as const, text: value }];
      const executor = {
        cancelTask: async () => {},
        async execute(
          { taskId, contextId, userMessage }: { taskId: string; contextId: string; userMessage: never },
          bus: never,
        ) {
          const { publish, finished } = bus as { publish: (event: unknown) => void; finished: () => void };
          const send = publish.bind(bus);
          send({ kind: 'task', id: taskId, contextId, status: { state: 'working' }, history: [userMessage] });
          for (const word of words) {
            const artifact = { artifactId: 'a', parts: text(word) };
            send({ kind: 'artifact-update', taskId, contextId, artifact, append: word !== 'one' });
          }
          send({ kind: 'status-update', taskId, contextId, status: { state: 'completed' }, final: true });
          finished.call(bus);
        },
      };
      const old = new DefaultRequestHandler03(card, toA2ATaskStore(store) as never, executor as never);
      const sent = { kind: 'message' as const, messageId: 'm', role: 'user' as const, parts: text('go') };
      const done = (await old.sendMessage({ message: sent })) as Task03;
      expect(done.artifacts?.[0]?.parts).toEqual(words.flatMap(text));
      if (reopen) store = await reopen(store);
      const again = new DefaultRequestHandler03(card, toA2ATaskStore(store) as never, executor as never);
      expect(await again.getTask({ id: done.id, historyLength: 9 })).toStrictEqual(done);
      expect((await store.getTask(done.id))?.task.artifacts?.[0]?.parts).toHaveLength(3);
      expect((await toA2ATaskStore(store).load(done.id, context))?.status?.state).not.toBe(WORKING);
    });
  });
}
