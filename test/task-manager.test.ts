import { once } from 'node:events';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { openTaskStore } from '../src/memory.ts';
import type { TaskHandler } from '../src/task-manager.ts';
import type { TaskChange } from '../src/task-store.ts';
import { ask, brief, card, chunk, collect, gate, openManager, says, unwatched } from './support/agent.ts';

const ann = { callerId: 'ann' };
const bob = { callerId: 'bob' };

const talkative: TaskHandler = async (task) => {
  await task.setStatus({ state: 'working', message: says('On it') });
  await task.upsertArtifacts([chunk('a', { name: 'answer' })]);
  await task.upsertArtifacts([chunk('b')]);
  await task.addMessagesToHistory([says('A note')]);
  await task.upsertArtifacts([chunk('c', { lastChunk: true })]);
  await task.setStatus('completed');
};

describe.each([
  ['a store that tells of changes', () => openTaskStore()],
  ['a store that does not', async () => unwatched(await openTaskStore())],
])('over %s', (_, open) => {
  test('sendTask stores what the handler does and answers the task', async () => {
    const { manager, store } = await openManager({ store: await open(), sendTaskHandler: talkative });
    const task = await manager.sendTask(ask('t1'), ann);
    expect(task.status.state).toBe('completed');
    expect(task.history).toEqual([says('Hi', 'user'), says('On it'), says('A note')]);
    expect(task.artifacts).toEqual([
      {
        index: 0,
        name: 'answer',
        lastChunk: true,
        parts: ['a', 'b', 'c'].map((text) => ({ type: 'text', text })),
      },
    ]);
    expect((await store.getTask('t1', ann))?.task).toEqual(task);
    expect((await manager.sendTask({ ...ask('t2'), historyLength: 1 }, ann)).history).toEqual([says('A note')]);
  });

  test('a stream tells every event once, in order, each after it was stored', async () => {
    const { manager, store } = await openManager({ store: await open(), sendTaskStreamingHandler: talkative });
    const seen: string[] = [];
    let parts = 0;
    for await (const event of manager.sendTaskStreaming(ask('t1'), ann)) {
      const stored = await store.getTask('t1', ann);
      if ('artifact' in event) {
        parts += event.artifact.parts.length;
        expect(stored?.task.artifacts?.[0]?.parts.length).toBeGreaterThanOrEqual(parts);
      }
      seen.push(...brief([event]));
    }
    expect(seen[0]).toBe('submitted');
    expect(seen.at(-1)).toBe('completed!');
    expect(parts).toBe(3);
    expect((await store.getTask('t1', ann))?.isStreaming).toBe(true);
  });

  test('a reader that keeps up gets each change as an event of its own', async () => {
    const read = [gate(), gate(), gate(), gate(), gate()];
    const { manager } = await openManager({
      store: await open(),
      sendTaskHandler: async (task) => {
        await read[0]?.opened;
        await task.setStatus('working');
        await read[1]?.opened;
        await task.upsertArtifacts([chunk('a', { append: true })]);
        await read[2]?.opened;
        await task.upsertArtifacts([chunk('b')]);
        await read[3]?.opened;
        await task.setStatus({ state: 'input-required', message: says('Which?') });
      },
    });
    const seen: string[] = [];
    for await (const event of manager.sendTaskStreaming(ask('t1'))) {
      seen.push(...brief([event]));
      read[seen.length - 1]?.open();
    }
    expect(seen).toEqual(['submitted', 'working', '0:a', '0+:b', 'input-required!']);
  });

  test('the next turn of a task streams what it adds, and nothing of the turn before', async () => {
    let turn = 0;
    const { manager } = await openManager({
      store: await open(),
      sendTaskHandler: async (task) => {
        await task.upsertArtifacts([chunk(`${++turn}`)]);
        await task.setStatus('input-required');
      },
    });
    expect(brief(await collect(manager.sendTaskStreaming(ask('t1'))))).toEqual(['submitted', '0:1', 'input-required!']);
    expect(brief(await collect(manager.sendTaskStreaming(ask('t1', 'More'))))).toEqual(['0+:2', 'input-required!']);
  });

  test('a slow reader delays nobody and misses nothing; what waits for it is joined', async () => {
    const count = 5_000;
    const { manager, store } = await openManager({
      store: await open(),
      sendTaskHandler: async (task) => {
        for (let i = 0; i < count; i++) await task.upsertArtifacts([chunk(`${i},`)]);
        await task.setStatus('completed');
      },
    });
    const slow = manager.sendTaskStreaming(ask('t1'));
    await slow.ready;
    const quickEvents = await collect(manager.resubscribeToTask({ id: 't1' }));
    // The turn is over, and the slow reader has taken one event so far.
    expect((await store.getTask('t1'))?.task.status.state).toBe('completed');
    const rest = await collect(slow);
    const textOf = (events: typeof rest) =>
      events
        .flatMap((event) => ('artifact' in event ? event.artifact.parts : []))
        .map((part) => (part as { text: string }).text);
    const all = Array.from({ length: count }, (_, i) => `${i},`);
    expect(textOf(rest)).toEqual(all);
    expect(textOf(quickEvents)).toEqual(all);
    expect(rest.length).toBeLessThan(10);
    expect(brief(rest).at(-1)).toBe('completed!');
  });

  test('what later chunks say of an artifact reaches a reader who was not there for them, too', async () => {
    const over = gate();
    const { manager } = await openManager({
      store: await open(),
      sendTaskHandler: async (task) => {
        await task.upsertArtifacts([chunk('a', { name: 'draft', metadata: { n: 1 } })]);
        await task.upsertArtifacts([chunk('b', { name: 'final', description: 'whole', lastChunk: true })]);
        over.open();
        await task.setStatus('completed');
      },
    });
    const stream = manager.sendTaskStreaming(ask('t1'));
    await over.opened;
    const events = await collect(stream);
    expect(brief(events)).toEqual(['submitted', '0:ab', 'completed!']);
    expect(events[1]).toMatchObject({
      artifact: { name: 'final', description: 'whole', metadata: { n: 1 }, lastChunk: true },
    });
  });

  test('two readers share nothing: one may change its events, or leave', async () => {
    const hold = gate();
    const { manager } = await openManager({
      store: await open(),
      sendTaskHandler: async (task) => {
        await task.upsertArtifacts([chunk('a')]);
        await hold.opened;
        await task.upsertArtifacts([chunk('b')]);
        await task.setStatus('completed');
      },
    });
    const first = manager.sendTaskStreaming(ask('t1'));
    await first.ready;
    const second = manager.resubscribeToTask({ id: 't1' });
    const third = manager.resubscribeToTask({ id: 't1' });
    await Promise.all([second.ready, third.ready]);
    for await (const event of third) {
      if ('artifact' in event) event.artifact.parts.length = 0;
      break;
    }
    expect(await third.next()).toEqual({ done: true, value: undefined });
    hold.open();
    const [one, two] = await Promise.all([collect(first), collect(second)]);
    const texts = (events: typeof one) =>
      brief(events.filter((event) => 'artifact' in event))
        .join('')
        .replace(/\d\+?:/g, '');
    expect(texts(one)).toBe('ab');
    expect(texts(two)).toBe('ab');
    expect(brief(two).at(-1)).toBe('completed!');
    const lastParts = [one, two].map((events) => events.findLast((event) => 'artifact' in event)?.artifact.parts);
    expect(lastParts[0]).not.toBe(lastParts[1]);
  });

  test('who resubscribes gets the stored state, then what follows, at whatever moment it comes', async () => {
    const steps = 30;
    const { manager } = await openManager({
      store: await open(),
      sendTaskHandler: async (task) => {
        for (let i = 0; i < steps; i++) {
          await task.upsertArtifacts([chunk(`${i},`, { index: i % 3 })]);
          if (i % 7 === 0) await task.setStatus({ state: 'working', message: says(`step ${i}`) });
        }
        await task.setStatus('completed');
      },
    });
    const first = manager.sendTaskStreaming(ask('t1'));
    const readers: Promise<string[]>[] = [];
    for await (const _ of first) readers.push(collect(manager.resubscribeToTask({ id: 't1' })).then(assemble));
    readers.push(collect(manager.resubscribeToTask({ id: 't1' })).then(assemble));
    const expected = [0, 1, 2].map((index) =>
      Array.from({ length: steps }, (_, i) => i)
        .filter((i) => i % 3 === index)
        .map((i) => `${i},`)
        .join(''),
    );
    expect(readers.length).toBeGreaterThan(2);
    for (const assembled of await Promise.all(readers)) expect(assembled).toEqual(expected);
  });

  test('the first status after resubscribing carries the history', async () => {
    const { manager } = await openManager({ store: await open(), sendTaskHandler: talkative });
    await manager.sendTask(ask('t1'));
    const [artifact, status, ...rest] = await collect(manager.resubscribeToTask({ id: 't1' }));
    expect(brief([artifact, status] as never)).toEqual(['0:abc', 'completed!']);
    expect(status).toMatchObject({ history: [says('Hi', 'user'), says('On it'), says('A note')] });
    expect(rest).toEqual([]);
    const [, short] = await collect(manager.resubscribeToTask({ id: 't1', historyLength: 1 }));
    expect(short).toMatchObject({ history: [says('A note')] });
  });

  test('a handler that throws leaves the task failed, with a message that says nothing of the error', async () => {
    const { manager, errors } = await openManager({
      store: await open(),
      sendTaskHandler: async (task) => {
        await task.setStatus('working');
        throw new Error('secret');
      },
    });
    const task = await manager.sendTask(ask('t1'));
    expect(task.status.state).toBe('failed');
    expect(task.status.message?.role).toBe('agent');
    expect(JSON.stringify(task)).not.toContain('secret');
    expect(errors).toEqual([new Error('secret')]);
    expect(brief(await collect(manager.sendTaskStreaming(ask('t2'))))).toEqual(['submitted', 'working', 'failed!']);
  });

  test("a refused change is the handler's to catch; uncaught it fails the task", async () => {
    const { manager, errors } = await openManager({
      store: await open(),
      sendTaskHandler: async (task) => {
        await task.upsertArtifacts([chunk('a', { lastChunk: true })]);
        await task.upsertArtifacts([chunk('b')]);
      },
    });
    const task = await manager.sendTask(ask('t1'));
    expect(task.status.state).toBe('failed');
    expect(errors).toMatchObject([{ code: 'ARTIFACT_CLOSED' }]);
  });

  test('a refused change that nobody waits for fails the task, too; one that is caught does not', async () => {
    const { manager, errors } = await openManager({
      store: await open(),
      sendTaskHandler: async (task) => {
        await task.upsertArtifacts([chunk('a', { lastChunk: true })]);
        const refused = task.upsertArtifacts([chunk('b')]);
        if (task.params.id === 'caught') refused.catch(() => {});
        if (task.params.id === 'awaited') await Promise.allSettled([refused]);
        if (task.params.id === 'finished') await task.setStatus('completed');
      },
    });
    for (const [id, state] of [
      ['unseen', 'failed'],
      ['caught', 'submitted'],
      ['awaited', 'submitted'],
      ['finished', 'completed'],
    ] as const) {
      errors.length = 0;
      expect((await manager.sendTask(ask(id))).status.state).toBe(state);
      await expect.poll(() => errors).toMatchObject(state === 'submitted' ? [] : [{ code: 'ARTIFACT_CLOSED' }]);
    }
  });

  test('a stream ends when the handler returns, whatever the status', async () => {
    const { manager } = await openManager({
      store: await open(),
      sendTaskHandler: async (task) => {
        // Not waited for: it belongs to the turn all the same.
        void task.setStatus('working');
      },
    });
    expect(brief(await collect(manager.sendTaskStreaming(ask('t1'))))).toEqual(['submitted', 'working']);
    expect((await manager.getTask({ id: 't1' })).status.state).toBe('working');
  });

  test('finished tasks refuse messages and cancellation, and stay as they are', async () => {
    const { manager } = await openManager({ store: await open(), sendTaskHandler: talkative });
    const done = await manager.sendTask(ask('t1'));
    await expect(manager.sendTask(ask('t1', 'More'))).rejects.toMatchObject({ code: -32004 });
    await expect(manager.sendTaskStreaming(ask('t1', 'More')).next()).rejects.toMatchObject({ code: -32004 });
    await expect(manager.sendTaskStreaming(ask('t1', 'More')).ready).rejects.toMatchObject({ code: -32004 });
    await expect(manager.cancelTask({ id: 't1' })).rejects.toMatchObject({ code: -32002 });
    expect(await manager.getTask({ id: 't1' })).toEqual(done);
  });

  test('cancelling stops the handler, ends the streams, and stays', async () => {
    const started = gate();
    const finished = gate();
    let late: unknown;
    const { manager, errors } = await openManager({
      store: await open(),
      sendTaskHandler: async (task) => {
        await task.setStatus('working');
        started.open();
        await new Promise<void>((resolve) => task.signal.addEventListener('abort', () => resolve()));
        late = await task.setStatus('completed').catch((error: unknown) => error);
        finished.open();
        throw task.signal.reason;
      },
    });
    const sent = manager.sendTask(ask('t1'));
    await started.opened;
    const reader = manager.resubscribeToTask({ id: 't1' });
    await reader.ready;
    expect((await manager.cancelTask({ id: 't1' })).status.state).toBe('canceled');
    expect((await sent).status.state).toBe('canceled');
    await finished.opened;
    expect(late).toMatchObject({ name: 'AbortError' });
    expect(brief(await collect(reader))).toEqual(['working', 'canceled!']);
    expect((await manager.getTask({ id: 't1' })).status.state).toBe('canceled');
    expect(errors).toEqual([]);
    await expect(manager.cancelTask({ id: 't1' })).rejects.toMatchObject({ code: -32002 });
  });

  test('nobody waits for a handler that does not heed the cancellation', async () => {
    const started = gate();
    const { manager } = await openManager({
      store: await open(),
      sendTaskHandler: async () => {
        started.open();
        await new Promise(() => {});
      },
    });
    const sent = manager.sendTask(ask('t1'));
    await started.opened;
    await manager.cancelTask({ id: 't1' });
    expect((await sent).status.state).toBe('canceled');
  });

  test('after the status that ends a turn its handler can change nothing', async () => {
    const { manager, errors } = await openManager({
      store: await open(),
      sendTaskHandler: async (task) => {
        await task.setStatus('input-required');
        await task.upsertArtifacts([chunk('late')]);
      },
    });
    const task = await manager.sendTask(ask('t1'));
    expect(task.status.state).toBe('input-required');
    await expect.poll(() => errors).toMatchObject([{ code: 'CONFLICT' }]);
    expect(await manager.getTask({ id: 't1' })).toEqual(task);
    expect(task.artifacts).toBeUndefined();
  });

  test('turns of one task happen one after the other; other tasks do not wait', async () => {
    const hold = gate();
    const log: string[] = [];
    const { manager } = await openManager({
      store: await open(),
      sendTaskHandler: async (task) => {
        const [part] = task.params.message.parts;
        const text = part?.type === 'text' ? part.text : '';
        log.push(`${task.params.id}:${text} begins after ${task.stored.task.history?.length} messages`);
        if (text === 'one') await hold.opened;
        await task.setStatus({ state: 'input-required', message: says(`done ${text}`) });
      },
    });
    const one = manager.sendTask(ask('t1', 'one'));
    const two = manager.sendTask(ask('t1', 'two'));
    await manager.sendTask(ask('t2', 'other'));
    hold.open();
    await Promise.all([one, two]);
    expect(log).toEqual([
      't1:one begins after 1 messages',
      't2:other begins after 1 messages',
      't1:two begins after 3 messages',
    ]);
  });

  test('a message behind a turn that finishes the task is refused, and not stored', async () => {
    const { manager } = await openManager({ store: await open(), sendTaskHandler: talkative });
    const [first, second] = await Promise.allSettled([manager.sendTask(ask('t1')), manager.sendTask(ask('t1', 'two'))]);
    expect(first.status).toBe('fulfilled');
    expect(second).toMatchObject({ status: 'rejected', reason: { code: -32004 } });
    expect((await manager.getTask({ id: 't1' })).history).toHaveLength(3);
  });

  test('callers are kept apart in every call', async () => {
    const { manager, store } = await openManager({
      store: await open(),
      sendTaskHandler: async (task, context) =>
        task.setStatus({ state: 'input-required', message: says(`for ${context.callerId}`) }),
    });
    await manager.sendTask(ask('t1', 'from ann'), ann);
    for (const stranger of [bob, {}]) {
      const calls = [
        manager.getTask({ id: 't1' }, stranger),
        manager.cancelTask({ id: 't1' }, stranger),
        manager.getTaskPushNotification({ id: 't1' }, stranger),
        manager.setTaskPushNotification({ id: 't1', pushNotificationConfig: { url: 'http://x' } }, stranger),
        manager.resubscribeToTask({ id: 't1' }, stranger).next(),
      ];
      for (const call of calls) await expect(call).rejects.toMatchObject({ code: -32001 });
    }
    const bobs = await collect(manager.sendTaskStreaming(ask('t1', 'from bob'), bob));
    expect(bobs.at(-1)).toMatchObject({ status: { message: says('for bob') } });
    expect((await manager.getTask({ id: 't1' }, ann)).history).toEqual([says('from ann', 'user'), says('for ann')]);
    const [replayed] = await collect(manager.resubscribeToTask({ id: 't1' }, ann));
    expect(replayed).toMatchObject({ history: [says('from ann', 'user'), says('for ann')] });
    expect((await manager.cancelTask({ id: 't1' }, ann)).status.state).toBe('canceled');
    await expect(manager.sendTask(ask('t1'), ann)).rejects.toMatchObject({ code: -32004 });
    expect((await store.getTask('t1', bob))?.task.status.state).toBe('input-required');
    expect(await store.getTask('t1')).toBeUndefined();
  });

  test("a handler reads its own caller's task, as it is by then", async () => {
    const { manager, errors } = await openManager({
      store: await open(),
      sendTaskHandler: async (task, context) => {
        await task.setStatus('working');
        const { status, history } = (await task.getTask()).task;
        expect(status.state).toBe('working');
        expect(history).toEqual([says(`from ${context.callerId}`, 'user')]);
        await task.setStatus('completed');
      },
    });
    for (const caller of [ann, bob]) await manager.sendTask(ask('t1', `from ${caller.callerId}`), caller);
    expect(errors).toEqual([]);
  });

  test('push configurations are kept where the card offers them', async () => {
    const { manager, store } = await openManager({ store: await open(), sendTaskHandler: talkative });
    const pushNotificationConfig = { url: 'https://example.org/hook', token: 't' };
    await manager.sendTask(ask('t1'), ann);
    await expect(manager.getTaskPushNotification({ id: 't1' }, ann)).rejects.toMatchObject({ code: -32003 });
    const set = await manager.setTaskPushNotification({ id: 't1', pushNotificationConfig }, ann);
    expect(set).toEqual({ id: 't1', pushNotificationConfig });
    expect(await manager.getTaskPushNotification({ id: 't1' }, ann)).toEqual(set);

    const agentCard = { ...card, capabilities: {} };
    const { manager: without } = await openManager({ store, agentCard, sendTaskHandler: talkative });
    const refused = { code: -32003 };
    await expect(without.setTaskPushNotification({ id: 't1', pushNotificationConfig }, ann)).rejects.toMatchObject(
      refused,
    );
    await expect(without.sendTask({ ...ask('t9'), pushNotification: pushNotificationConfig })).rejects.toMatchObject(
      refused,
    );
    await expect(without.getTask({ id: 't9' })).rejects.toMatchObject({ code: -32001 });
  });

  test('bad arguments are refused by the store and leave nothing waiting', async () => {
    const { manager } = await openManager({ store: await open(), sendTaskHandler: talkative });
    const bad = { id: 't1', message: { role: 'nobody', parts: [] } } as never;
    await expect(manager.sendTask(bad)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(manager.sendTaskStreaming(bad).next()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(manager.getTask({ id: '' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect((await manager.sendTask(ask('t1'))).status.state).toBe('completed');
  });

  test.each([-1, 1.5, '1'] as number[])(
    'a historyLength of %j is refused before anything is stored',
    async (historyLength) => {
      let turns = 0;
      const { manager, store } = await openManager({
        store: await open(),
        sendTaskHandler: async () => {
          turns++;
        },
      });
      const bad = { ...ask('t1'), historyLength };
      await expect(manager.sendTask(bad)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await expect(manager.sendTaskStreaming(bad).next()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(turns).toBe(0);
      expect(await store.getTask('t1')).toBeUndefined();
    },
  );

  test('closing stops handlers by their signal and ends the streams', async () => {
    const started = gate();
    const { manager } = await openManager({
      store: await open(),
      sendTaskHandler: async (task) => {
        started.open();
        await new Promise((_, reject) => task.signal.addEventListener('abort', () => reject(task.signal.reason)));
      },
    });
    const stream = manager.sendTaskStreaming(ask('t1'));
    const queued = manager.sendTask(ask('t1', 'behind')).catch((error: unknown) => error);
    await started.opened;
    const begun = manager.sendTask(ask('t3')).catch((error: unknown) => error);
    await manager.close();
    expect(brief(await collect(stream))).toEqual(['submitted', 'failed!']);
    expect(await queued).toMatchObject({ code: -32603 });
    expect(await begun).toMatchObject({ code: -32603 });
    await expect(manager.sendTask(ask('t2'))).rejects.toMatchObject({ code: -32603 });
  });
});

test('after closing nothing is opened', async () => {
  const { manager } = await openManager({ sendTaskHandler: (task) => task.setStatus('working') });
  await manager.sendTask(ask('t1'));
  await manager.close();
  for (const stream of [manager.resubscribeToTask({ id: 't1' }), manager.sendTaskStreaming(ask('t1'))])
    await expect(stream.next()).rejects.toMatchObject({ code: -32603 });
});

test('one handler serves both ways to send, whichever it was given for', async () => {
  const handler: TaskHandler = (task) => task.setStatus('completed');
  for (const options of [{ sendTaskHandler: handler }, { sendTaskStreamingHandler: handler }]) {
    const { manager } = await openManager(options);
    expect((await manager.sendTask(ask('t1'))).status.state).toBe('completed');
    expect(brief(await collect(manager.sendTaskStreaming(ask('t2')))).at(-1)).toBe('completed!');
  }
});

test('who listens to errors is told whose task it was', async () => {
  const told: unknown[] = [];
  const bug = new Error('a bug');
  const { manager } = await openManager({
    onError: (...args) => told.push(args),
    sendTaskHandler: async () => {
      throw bug;
    },
  });
  for (const context of [ann, {}]) await manager.sendTask(ask('t1'), context);
  expect(told).toStrictEqual([
    [bug, { taskId: 't1', callerId: 'ann' }],
    [bug, { taskId: 't1' }],
  ]);
});

test('closing waits for messages that are being stored', async () => {
  const ended: string[] = [];
  const inner = await openTaskStore();
  const hold = gate();
  const slow = unwatched(inner);
  slow.upsertTask = async (...args) => {
    await hold.opened;
    ended.push('stored');
    return inner.upsertTask(...args);
  };
  const { manager } = await openManager({ store: slow, sendTaskHandler: talkative });
  const sending = manager.sendTask(ask('t1')).finally(() => ended.push('sent'));
  await new Promise(setImmediate);
  const closing = manager.close().then(() => ended.push('closed'));
  await new Promise(setImmediate);
  expect(ended).toEqual([]);
  hold.open();
  await closing;
  expect(ended[0]).toBe('stored');
  expect((await inner.getTask('t1'))?.task.status.state).toBe('failed');
  expect((await sending).status.state).toBe('failed');
});

test('a push configuration is stored when it is answered', async () => {
  const inner = await openTaskStore();
  const slow = unwatched(inner);
  slow.updateTask = async (...args) => {
    await new Promise(setImmediate);
    return inner.updateTask(...args);
  };
  const { manager } = await openManager({ store: slow, sendTaskHandler: async () => {} });
  await manager.sendTask(ask('t1'));
  const configs = ['https://a.example', 'https://b.example'].map((url) => ({
    id: 't1',
    pushNotificationConfig: { url },
  }));
  for (const config of configs) {
    expect(await manager.setTaskPushNotification(config)).toEqual(config);
    expect((await inner.getTask('t1'))?.pushNotification).toEqual(config.pushNotificationConfig);
  }
});

test('what a handler throws is printed where nobody else is told of it', async () => {
  const print = vi.spyOn(console, 'error').mockImplementation(() => {});
  onTestFinished(() => print.mockRestore());
  const bug = new Error('a bug');
  const { manager } = await openManager({
    onError: undefined,
    sendTaskHandler: async () => {
      throw bug;
    },
  });
  expect((await manager.sendTask(ask('t1'))).status.state).toBe('failed');
  expect(print.mock.calls).toEqual([[expect.stringContaining('"t1"'), bug]]);
});

test('closing waits for a handler that is still at work, though its turn was cancelled', async () => {
  const [started, hold] = [gate(), gate()];
  const ended: string[] = [];
  const { manager } = await openManager({
    sendTaskHandler: async () => {
      started.open();
      await hold.opened;
      ended.push('handler');
    },
  });
  const sending = manager.sendTask(ask('t1'));
  await started.opened;
  await manager.cancelTask({ id: 't1' });
  await sending;
  const closing = manager.close().then(() => ended.push('closed'));
  await new Promise(setImmediate);
  expect(ended).toEqual([]);
  hold.open();
  await closing;
  expect(ended).toEqual(['handler', 'closed']);
});

describe('beside other writers of the store', () => {
  test('their changes reach the readers, and a cancellation of theirs stops the handler', async () => {
    const started = gate();
    const { manager, store } = await openManager({
      sendTaskHandler: async (task) => {
        await task.upsertArtifacts([chunk('a')]);
        started.open();
        await new Promise<void>((resolve) => task.signal.addEventListener('abort', () => resolve()));
      },
    });
    const stream = manager.sendTaskStreaming(ask('t1'));
    await started.opened;
    await store.updateTask('t1', { artifactsUpdates: [chunk('b'), chunk('z', { index: 1 })] });
    await store.updateTask('t1', { status: { state: 'canceled' } });
    expect(brief(await collect(stream)).join(' ')).toMatch(/^submitted 0:a(b| 0\+:b) 1:z canceled!$/);
  });

  test('a reader that comes in the midst of their changes gets each once', async () => {
    const { manager, store } = await openManager({ sendTaskHandler: (task) => task.setStatus('working') });
    await manager.sendTask(ask('t1'));
    const writing = (async () => {
      for (let i = 0; i < 200; i++) await store.updateTask('t1', { artifactsUpdates: [chunk(`${i},`)] });
      await store.updateTask('t1', { status: { state: 'completed' } });
    })();
    const readers: Promise<string[]>[] = [];
    for (let i = 0; i < 50; i++) {
      readers.push(collect(manager.resubscribeToTask({ id: 't1' })).then(assemble));
      await store.getTask('t1');
    }
    await writing;
    const expected = [Array.from({ length: 200 }, (_, i) => `${i},`).join('')];
    for (const assembled of await Promise.all(readers)) expect(assembled).toEqual(expected);
  });

  test('what takes the place of an artifact is not joined to what it was', async () => {
    const { manager, store } = await openManager({ sendTaskHandler: (task) => task.setStatus('working') });
    await manager.sendTask(ask('t1'));
    const before = await store.getTask('t1');
    const stream = manager.resubscribeToTask({ id: 't1' });
    await stream.ready;
    await store.updateTask('t1', { artifactsUpdates: [chunk('old')] });
    const anew = { ...before, task: { ...before?.task, artifacts: [chunk('new')] } };
    await store.importTasks([JSON.stringify(anew)], { onConflict: 'replace' });
    await store.updateTask('t1', { artifactsUpdates: [chunk('er')], status: { state: 'completed' } });
    const events = brief(await collect(stream)).filter((event) => event.startsWith('0'));
    expect(events).toEqual(['0:old', '0:new', '0+:er']);
  });

  test('a deleted task ends its streams', async () => {
    const { manager, store } = await openManager({ sendTaskHandler: (task) => task.setStatus('working') });
    await manager.sendTask(ask('t1'));
    const stream = manager.resubscribeToTask({ id: 't1' });
    await stream.ready;
    await store.deleteTask('t1');
    expect(brief(await collect(stream))).toEqual(['working']);
  });

  test('a deleted task stops its handler', async () => {
    const started = gate();
    let reason: unknown;
    const { manager, store, errors } = await openManager({
      sendTaskHandler: async (task) => {
        started.open();
        await once(task.signal, 'abort');
        reason = task.signal.reason;
        await task.setStatus('completed');
      },
    });
    const stream = manager.sendTaskStreaming(ask('t1'));
    await started.opened;
    await store.deleteTask('t1');
    expect(brief(await collect(stream))).toEqual(['submitted']);
    await manager.close();
    expect(reason).toMatchObject({ name: 'AbortError' });
    expect(errors).toEqual([]);
    expect(await store.getTask('t1')).toBeUndefined();
  });
});

test('a reader that falls too far behind is told so, and finds everything by resubscribing', async () => {
  const { manager } = await openManager({
    sendTaskHandler: async (task) => {
      for (let i = 0; i < 10_100; i++) await task.setStatus({ state: 'working', message: says(`${i}`) });
      await task.setStatus('completed');
    },
  });
  const stream = manager.sendTaskStreaming(ask('t1'));
  await stream.ready;
  await collect(manager.resubscribeToTask({ id: 't1' }));
  await expect(collect(stream)).rejects.toMatchObject({ code: -32603 });
  const again = await collect(manager.resubscribeToTask({ id: 't1' }));
  expect(again).toMatchObject([{ status: { state: 'completed' }, final: true }]);
  expect((again[0] as { history: unknown[] }).history).toHaveLength(10_101);
});

test('who resubscribes to a task of very many artifacts gets them all, and then what follows', async () => {
  const { manager, store } = await openManager();
  await store.upsertTask(ask('t1'));
  const artifactsUpdates = Array.from({ length: 20_000 }, (_, index) => chunk('x', { index }));
  await store.updateTask('t1', { artifactsUpdates });
  const stream = manager.resubscribeToTask({ id: 't1' });
  await stream.ready;
  await store.updateTask('t1', { status: { state: 'completed' } });
  const events = await collect(stream);
  expect(events).toHaveLength(20_002);
  expect(brief(events.slice(-2))).toEqual(['submitted', 'completed!']);
});

test('a change of more parts than a call takes arguments is joined like any other', async () => {
  const count = 200_000;
  const many = Array.from({ length: count }, () => ({ type: 'text' as const, text: '' }));
  const { manager } = await openManager({
    sendTaskHandler: async (task) => {
      for (const parts of [[], many])
        await task.upsertArtifacts([{ index: 0, parts: [...parts, ...chunk('x').parts] }]);
      await task.setStatus('completed');
    },
  });
  const slow = manager.sendTaskStreaming(ask('t1'));
  await slow.ready;
  await collect(manager.resubscribeToTask({ id: 't1' }));
  const [, event, ...rest] = await collect(slow);
  expect(event && 'artifact' in event && event.artifact.parts).toHaveLength(count + 2);
  expect(brief(rest)).toEqual(['completed!']);
});

test('a listener of errors that throws does not keep a task from being failed', async () => {
  const { manager } = await openManager({
    sendTaskHandler: () => Promise.reject(new Error('the handler')),
    onError: () => {
      throw new Error('the listener');
    },
  });
  await expect(collect(manager.sendTaskStreaming(ask('t1')))).resolves.toMatchObject([{}, { final: true }]);
  expect((await manager.getTask({ id: 't1' })).status.state).toBe('failed');
});

test('a store that fails rejects the call and ends the stream with its error', async () => {
  const { manager, store, errors } = await openManager({
    sendTaskHandler: async (task) => {
      await task.setStatus('working');
      await store.close();
      await task.setStatus('completed');
    },
  });
  const stream = manager.sendTaskStreaming(ask('t1'));
  await expect(collect(stream)).rejects.toMatchObject({ code: 'STORE_CLOSED' });
  expect(errors).toMatchObject([{ code: 'STORE_CLOSED' }]);
  await expect(manager.sendTask(ask('t2'))).rejects.toMatchObject({ code: 'STORE_CLOSED' });
});

test('without a handler, or without streaming, the operation is not supported', async () => {
  const { manager } = await openManager();
  await expect(manager.sendTask(ask('t1'))).rejects.toMatchObject({ code: -32004 });
  const agentCard = { ...card, capabilities: { streaming: false } };
  const { manager: still } = await openManager({ agentCard, sendTaskHandler: talkative });
  await expect(still.sendTaskStreaming(ask('t1')).next()).rejects.toMatchObject({ code: -32004 });
  await expect(still.resubscribeToTask({ id: 't1' }).next()).rejects.toMatchObject({ code: -32004 });
  await expect(still.getTask({ id: 't1' })).rejects.toMatchObject({ code: -32001 });
});

/** What a reader holds that applied every event: the text of each artifact. */
function assemble(events: Awaited<ReturnType<typeof collect>>): string[] {
  const texts: string[] = [];
  for (const event of events) {
    if (!('artifact' in event)) continue;
    const { index = 0, append, parts } = event.artifact;
    const text = parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
    texts[index] = append ? `${texts[index]}${text}` : text;
  }
  return texts;
}

describe('what is handed over', () => {
  test('is taken when the call is made: a chunk may be filled again and again, a message changed afterwards', async () => {
    const { manager } = await openManager({
      sendTaskHandler: async (task) => {
        const part = { type: 'text' as const, text: '' };
        for (const text of ['a', 'b', 'c']) {
          part.text = text;
          void task.upsertArtifacts([{ index: 0, parts: [part] }]);
        }
      },
    });
    const message = says('as said', 'user');
    const sending = manager.sendTask({ id: 't1', message });
    message.parts = [{ type: 'text', text: 'changed later' }];
    const { artifacts, history } = await sending;
    expect(artifacts?.[0]?.parts.map(({ text }) => text)).toEqual(['a', 'b', 'c']);
    expect(history).toEqual([says('as said', 'user')]);
  });

  test('is taken when the call is made: its id, its caller and the length of its history too', async () => {
    const { manager } = await openManager({ sendTaskHandler: async (task) => task.setStatus('input-required') });
    for (const context of [ann, bob]) await manager.sendTask(ask('t1', context.callerId), context);
    const config = { id: 't1', pushNotificationConfig: { url: 'https://ann.example' } };
    const calls = {
      send: (context: typeof ann) => manager.sendTask(ask('t1', 'more'), context),
      resubscribe: async (context: typeof ann) => {
        const params = { id: 't1', historyLength: 1 };
        const stream = manager.resubscribeToTask(params, context);
        Object.assign(params, { id: 'another', historyLength: 9 });
        return (await collect(stream))[0];
      },
      push: (context: typeof ann) => manager.setTaskPushNotification(config, context),
      cancel: (context: typeof ann) => {
        const params = { id: 't1' };
        const canceled = manager.cancelTask(params, context);
        params.id = 'another';
        return canceled;
      },
    };
    const answers: { readonly [call in keyof typeof calls]: object } = {
      send: { history: [says('ann', 'user'), says('more', 'user')] },
      resubscribe: { history: [says('more', 'user')] },
      push: config,
      cancel: { status: { state: 'canceled' } },
    };
    for (const name of ['send', 'resubscribe', 'push', 'cancel'] as const) {
      const context = { ...ann };
      const call = calls[name](context);
      Object.assign(context, bob);
      expect(await call, name).toMatchObject(answers[name]);
    }
    expect((await manager.getTask({ id: 't1' }, bob)).status.state).toBe('input-required');
  });

  test('and is refused, where nobody waits for it, without ending the process', async () => {
    const [begun, over] = [gate(), gate()];
    const { manager } = await openManager({
      sendTaskHandler: async (task) => {
        begun.open();
        await once(task.signal, 'abort');
        void task.setStatus('working');
        void task.upsertArtifacts([{ index: 0, parts: [Number.NaN as never] }]);
        await new Promise(setImmediate);
        over.open();
      },
    });
    const sending = manager.sendTask(ask('t1'));
    await begun.opened;
    await manager.cancelTask({ id: 't1' });
    expect((await sending).status.state).toBe('canceled');
    await over.opened;
  });
});

describe('the turn that a message begins', () => {
  test('ends for whoever resubscribed before it, while nobody was at the task', async () => {
    const store = await openTaskStore();
    await store.upsertTask(ask('t1'));
    await store.updateTask('t1', { status: { state: 'working' } });
    const { manager } = await openManager({ store, sendTaskHandler: (task) => task.setStatus('working') });
    const stream = manager.resubscribeToTask({ id: 't1' });
    await stream.ready;
    const read = collect(stream);
    await manager.sendTask(ask('t1', 'go on'));
    expect(brief(await read).at(-1)).toBe('working');
  });

  test('is not ended by news of before it that come late', async () => {
    const store = await openTaskStore();
    await store.upsertTask(ask('t1'));
    await store.updateTask('t1', { status: { state: 'input-required' } });
    const listeners: ((change: TaskChange) => void)[] = [];
    const subscribe = store.subscribe.bind(store);
    store.subscribe = (listener) => {
      listeners.push(listener);
      return subscribe(listener);
    };
    const late = { type: 'updated', source: 'elsewhere', taskId: 't1', taskType: 'incoming', revision: 2 } as const;
    const { manager } = await openManager({
      store,
      sendTaskHandler: async (task) => {
        for (const tell of listeners) {
          tell({ ...late, status: { state: 'input-required' }, messages: [], artifacts: [] });
        }
        await task.setStatus('completed');
      },
    });
    expect((await manager.sendTask(ask('t1', 'an answer'))).status.state).toBe('completed');
  });

  test('is not ended by a question that somebody asks while the message is being stored: it is the answer', async () => {
    const store = await openTaskStore();
    await store.upsertTask(ask('t1'));
    const upsert = store.upsertTask.bind(store);
    store.upsertTask = async (...args) => {
      await store.updateTask('t1', { status: { state: 'input-required' } });
      return upsert(...args);
    };
    const { manager } = await openManager({ store, sendTaskHandler: (task) => task.setStatus('completed') });
    expect((await manager.sendTask(ask('t1', 'an answer'))).status.state).toBe('completed');
  });

  test('is over before its handler begins where the task is cancelled while the message is being stored', async () => {
    const store = await openTaskStore();
    const upsert = store.upsertTask.bind(store);
    store.upsertTask = async (...args) => {
      const stored = await upsert(...args);
      await store.updateTask('t1', { status: { state: 'canceled' } });
      return stored;
    };
    let begun = 0;
    const { manager, errors } = await openManager({ store, sendTaskHandler: async () => void begun++ });
    expect((await manager.sendTask(ask('t1'))).status.state).toBe('canceled');
    expect([begun, errors]).toEqual([0, []]);
  });

  test('is not over, for who waits for one, with a message that was refused', async () => {
    const store = await openTaskStore();
    await store.upsertTask(ask('t1'));
    const { manager } = await openManager({ store, sendTaskHandler: (task) => task.setStatus('working') });
    const stream = manager.resubscribeToTask({ id: 't1' });
    await stream.ready;
    const read = collect(stream);
    const refused = { id: 't1', message: { role: 'user' as const, parts: 'none' as never } };
    await expect(manager.sendTask(refused)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await manager.sendTask(ask('t1', 'again'));
    expect(brief(await read)).toEqual(['submitted', 'working']);
  });

  test('ends for every reader, also where another has left before', async () => {
    const [begun, hold] = [gate(), gate()];
    const { manager } = await openManager({
      sendTaskHandler: async (task) => {
        await task.setStatus('working');
        begun.open();
        await hold.opened;
      },
    });
    const sending = manager.sendTask(ask('t1'));
    await begun.opened;
    const [leaving, staying] = [manager.resubscribeToTask({ id: 't1' }), manager.resubscribeToTask({ id: 't1' })];
    await Promise.all([leaving.ready, staying.ready]);
    await leaving.return?.();
    const read = collect(staying);
    hold.open();
    await sending;
    expect(brief(await read)).toEqual(['working']);
  });

  test('is not over for who resubscribes while the status is still the question of the turn before', async () => {
    const [begun, hold] = [gate(), gate()];
    let turn = 0;
    const { manager } = await openManager({
      sendTaskHandler: async (task) => {
        if (++turn === 1) return task.setStatus('input-required');
        begun.open();
        await hold.opened;
        await task.setStatus('completed');
      },
    });
    await manager.sendTask(ask('t1'));
    expect(brief(await collect(manager.resubscribeToTask({ id: 't1' })))).toEqual(['input-required!']);
    const sending = manager.sendTask(ask('t1', 'an answer'));
    await begun.opened;
    const stream = manager.resubscribeToTask({ id: 't1' });
    await stream.ready;
    hold.open();
    await sending;
    expect(brief(await collect(stream))).toEqual(['input-required', 'completed!']);
  });
});

test('over a store that does not tell of changes, the first of two chunks of one change begins the artifact', async () => {
  const { manager } = await openManager({
    store: unwatched(await openTaskStore()),
    sendTaskHandler: (task) => task.upsertArtifacts([chunk('a'), chunk('b')]),
  });
  const events = await collect(manager.sendTaskStreaming(ask('t1')));
  const appends = events.flatMap((event) => ('artifact' in event ? [event.artifact.append ?? false] : []));
  expect(appends).toEqual([false, true]);
});

test('over a store that does not tell of changes, chunks of several artifacts in one change are told apart', async () => {
  const over = gate();
  const { manager } = await openManager({
    store: unwatched(await openTaskStore()),
    sendTaskHandler: async (task) => {
      await task.upsertArtifacts([chunk('a')]);
      await over.opened;
      await task.upsertArtifacts([chunk('b'), chunk('x', { index: 1 }), chunk('c'), chunk('y', { index: 1 })]);
      await task.setStatus('completed');
    },
  });
  const seen: string[] = [];
  for await (const event of manager.sendTaskStreaming(ask('t1'))) {
    seen.push(...brief([event]));
    over.open();
  }
  expect(seen).toEqual(['submitted', '0:a', '0+:b', '1:x', '0+:c', '1+:y', 'completed!']);
});
