/** What the store itself adds to its backends, be they what they may. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Backend, BackendFactory } from '../src/backends/backend.ts';
import { memory } from '../src/backends/memory.ts';
import { openTaskStore } from '../src/memory.ts';
import { createOpenTaskStore, type OpenOptions } from '../src/open-task-store.ts';

const say = (text: string) => ({ role: 'user' as const, parts: [{ type: 'text' as const, text }] });

/** A backend of memory, some of whose functions are others. */
const backendWith = (changes: (backend: Backend) => Partial<Backend>): BackendFactory => ({
  ...memory(),
  open: async (context) => {
    const backend = await memory().open(context);
    return Object.assign(backend, changes(backend));
  },
});

describe('arguments changed after the call', () => {
  it('change no answer', async () => {
    await using store = await openTaskStore();
    for (const id of ['a', 'b', 'c']) await store.upsertTask({ id, message: say('x') });
    const query = { limit: 2 };
    const listing = store.listTasks(query);
    query.limit = 3;
    const page = await listing;
    expect(page.tasks).toHaveLength(2);
    expect(page.nextCursor).toBeDefined();

    const view = { includeArtifacts: false };
    const writing = store.updateTask('a', { artifactsUpdates: [say('y')] }, view);
    const reading = store.getTask('a', view);
    view.includeArtifacts = true;
    expect((await writing).task).not.toHaveProperty('artifacts');
    expect((await reading)?.task).not.toHaveProperty('artifacts');
  });

  it('change nothing of what is exported', async () => {
    await using store = await openTaskStore();
    for (const callerId of ['ann', 'bob']) await store.upsertTask({ id: 'a', message: say('x') }, { callerId });
    const options = { callerId: 'ann' };
    const exporting = store.exportTasks(options);
    options.callerId = 'bob';
    const callers: string[] = [];
    for await (const line of exporting) callers.push(JSON.parse(line).callerId);
    expect(callers).toEqual(['ann']);
  });

  it('change nothing of what a watch gives', async () => {
    await using store = await openTaskStore();
    await store.upsertTask({ id: 'a', message: say('x') });
    const view = { includeArtifacts: false, historyLength: 1 };
    const watch = store.watch('a', view);
    await watch.next();
    Object.assign(view, { includeArtifacts: true, historyLength: 9 });
    await store.updateTask('a', { newMessages: [say('y')], artifactsUpdates: [say('z')] });
    const { value } = await watch.next();
    expect(value.task.history).toEqual([say('y')]);
    expect(value.task).not.toHaveProperty('artifacts');
  });
});

describe('arguments that are none', () => {
  it('are refused by name, whatever they are', async () => {
    await using store = await openTaskStore();
    // As from code without types.
    const any = store as unknown as Record<string, (...args: unknown[]) => unknown>;
    const refused: [call: string, ...args: unknown[]][] = [
      ...[Symbol('id'), () => {}, 10n, 5, null].map((id): [string, unknown] => ['getTask', id]),
      // A caller's name, or how many messages, as other stores take them.
      // The controller, in place of its signal.
      ...[null, 'ann', 5, ['ann'], { signal: new AbortController() }].flatMap((options): [string, ...unknown[]][] => [
        ...['getTask', 'getTaskForClient', 'deleteTask', 'watch'].map((call): [string, string, unknown] => [
          call,
          't',
          options,
        ]),
        ['upsertTask', { id: 't', message: say('x') }, options],
        ['updateTask', 't', {}, options],
        ['upsertTaskForClient', { id: 't', status: { state: 'working' } }, 'https://a.example', options],
        ['listTasks', options],
        ['exportTasks', options],
        ['importTasks', '', options],
        ['prune', options],
      ]),
      ['prune'],
      ['watch'],
      ['watch', ''],
      ...[undefined, null, {}].map((listener): [string, unknown] => ['subscribe', listener]),
      ...[undefined, 5, new Blob(['x'])].map((source): [string, unknown] => ['importTasks', source]),
      ['importTasks', '', { onConflict: 'overwrite' }],
      ...['', null, 5].map((callerId): [string, object] => ['exportTasks', { callerId }]),
    ];
    for (const [call, ...args] of refused) {
      const refusal = expect(async () => any[call]?.(...args), call).rejects;
      await refusal.toMatchObject({ name: 'TaskStoreError', code: 'INVALID_ARGUMENT', operation: call });
    }
    expect(await store.listTasks()).toEqual({ tasks: [] });
  });

  it('are refused by watch as by any other call: with its name, the task and the field', async () => {
    await using store = await openTaskStore();
    const refused: [id: unknown, options: object, field: string][] = [
      ['t', { callerId: '' }, 'callerId'],
      ['t', { historyLength: -1 }, 'historyLength'],
      ['t', { taskType: 'any' }, 'taskType'],
      ...['', null, undefined, 5].map((id): [unknown, object, string] => [id, {}, 'taskId']),
    ];
    for (const [id, options, field] of refused) {
      const watch = () => store.watch(id as string, options);
      expect(watch).toThrow(expect.objectContaining({ operation: 'watch', taskId: id }));
      expect(watch).toThrow(expect.objectContaining({ issues: [expect.objectContaining({ path: [field] })] }));
    }
  });
});

describe('options of openTaskStore', () => {
  it('name a backend that is there', async () => {
    const open = createOpenTaskStore([memory()]);
    for (const backend of [null, 'json-file'] as never[])
      await expect(open({ backend })).rejects.toThrow(
        expect.objectContaining({ code: 'STORE_UNAVAILABLE', operation: 'openTaskStore' }),
      );
  });

  it('are refused by name where they are none, or ask for another fallback than there is', async () => {
    const open = createOpenTaskStore([memory()]);
    // Opened, each would be another store than was meant, or one that keeps nothing.
    const refused: [options: unknown, ...path: string[]][] = [
      ['my-agent'],
      [null],
      [[]],
      [{ fallback: 'json-file' }, 'fallback'],
      [{ fallback: true, name: '' }, 'name', 'fallback'],
      [{ durability: 'none', timeoutMs: 0 }, 'durability', 'timeoutMs'],
      // The options of `elkarSync`, without it.
      [{ sync: { baseUrl: 'https://a.example' } }, 'sync.start'],
    ];
    for (const [options, ...fields] of refused) {
      const refusal = expect(open(options as OpenOptions), JSON.stringify(options)).rejects;
      const issues = (fields[0] ? fields : [undefined]).map((field) => ({ path: field ? field.split('.') : [] }));
      await refusal.toMatchObject({ code: 'INVALID_ARGUMENT', operation: 'openTaskStore', issues });
    }
  });
});

describe('a listener', () => {
  it('may do with its news what it likes', async () => {
    await using store = await openTaskStore();
    await store.upsertTask({ id: 't', message: say('one') });
    const others: unknown[] = [];
    store.subscribe(({ messages, artifacts }) => {
      (messages as unknown[]).push('of the listener');
      (artifacts as unknown[]).push('of the listener');
    });
    await store.updateTask('t', { status: { state: 'working' } });
    await store.updateTask('t', { newMessages: [say('two')] });
    await using another = await openTaskStore();
    another.subscribe(({ messages }) => others.push(messages));
    await another.upsertTask({ id: 't', message: say('one') });
    await another.updateTask('t', { metadata: {} });
    expect(others).toEqual([[say('one')], []]);
    expect((await store.getTask('t'))?.task.history).toEqual([say('one'), say('two')]);
    expect((await another.getTask('t'))?.task.history).toEqual([say('one')]);
  });
});

describe('an aborted signal', () => {
  it('ends the wait for a storage that does not answer', async () => {
    const never = () => new Promise<never>(() => {});
    const backend = backendWith(() => ({ read: never, commit: never, list: never }));
    const store = await openTaskStore({ backend });
    const controller = new AbortController();
    const { signal } = controller;
    const task = { id: 't', status: { state: 'working' as const } };
    const calls = [
      store.upsertTask({ id: 't', message: say('x') }, { signal }),
      store.updateTask('t', {}, { signal }),
      store.upsertTaskForClient(task, 'https://a.example', { signal }),
      store.getTask('t', { signal }),
      store.getTaskForClient('t', { signal }),
      store.listTasks({ signal }),
      store.deleteTask('t', { signal }),
      store.prune({ olderThan: new Date(), signal }),
    ];
    controller.abort(new Error('enough'));
    for (const call of calls) await expect(call).rejects.toThrow('enough');
  });
});

describe('answers', () => {
  it('that nobody looks at cost no look at the history or the artifacts', async () => {
    let looks = 0;
    const backend = backendWith((backend) => {
      const commit = backend.commit.bind(backend);
      return {
        commit: async (...args) => {
          const { record, ...committed } = await commit(...args);
          if (!record) return { ...committed, record };
          const messages = () => {
            looks++;
            return record.messages();
          };
          const parts = (slot: number) => {
            looks++;
            return record.parts(slot);
          };
          return { ...committed, record: { ...record, messages, parts } };
        },
      };
    });
    await using store = await openTaskStore({ backend });
    await store.upsertTask({ id: 't', message: say('x') });
    const answer = await store.updateTask('t', { newMessages: [say('y')], artifactsUpdates: [say('z')] });
    expect(looks).toBe(0);
    expect(answer.task.history).toHaveLength(2);
    expect(answer.task.artifacts).toHaveLength(1);
    // Put together once, and the caller's own from then on.
    expect(looks).toBe(2);
    expect(answer.task.history).toBe(answer.task.history);
    expect(looks).toBe(2);
  });
});

describe('answers of writes', () => {
  it('are plain objects to whoever copies, prints, changes or freezes them', async () => {
    await using store = await openTaskStore();
    const write = () => store.upsertTask({ id: 't', message: say('x') });
    const read = await write().then(() => store.getTask('t'));
    if (!read) throw new Error('the task is not there');
    await store.deleteTask('t');
    const withoutTimes = (stored: object) =>
      JSON.parse(JSON.stringify(stored).replace(/\d{4}-[^"]+|[-0-9a-f]{36}/g, ''));
    const answers = [
      await write(),
      { ...(await write()) },
      structuredClone(await write()),
      Object.freeze(await write()),
    ];
    answers.forEach((answer, i) => {
      expect(Object.keys(answer).sort()).toEqual(Object.keys(read).sort());
      const history = Array.from({ length: i + 1 }, () => say('x'));
      expect(withoutTimes(answer)).toEqual(withoutTimes({ ...read, task: { ...read.task, history } }));
      expect(answer.task.history).toHaveLength(i + 1);
      expect(Object.hasOwn(answer, 'callerId')).toBe(false);
    });
    const changed = await write();
    changed.task = { ...read.task, metadata: { own: true } };
    expect(changed.task.metadata).toEqual({ own: true });
    expect({ ...changed }.task).toBe(changed.task);
    changed.task = read.task;
    expect(changed.task).toBe(read.task);
    expect(Object.keys(changed)).toContain('task');
  });
});

describe('closing', () => {
  it('ends the listening to other contexts', async () => {
    let listening = 0;
    const listen = () => {
      listening++;
      return () => listening--;
    };
    const store = await openTaskStore({ backend: backendWith(() => ({ listen })) });
    expect(listening).toBe(1);
    await store.close();
    expect(listening).toBe(0);
  });

  it('waits for calls under way, and refuses others meanwhile', async () => {
    const store = await openTaskStore();
    const stored = await store.upsertTask({ id: 't', message: say('x') });
    await store.deleteTask('t');
    let release = () => {};
    const source = async function* () {
      await new Promise<void>((resolve) => (release = resolve));
      yield stored;
    };
    const ended: string[] = [];
    const importing = store.importTasks(source()).then(({ imported }) => ended.push(`imported ${imported}`));
    const closing = store.close().then(() => ended.push('closed'));
    await expect(store.getTask('t')).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(ended).toEqual([]);
    release();
    await Promise.all([importing, closing]);
    expect(ended).toEqual(['imported 1', 'closed']);
  });
});

describe('a watch whose storage fails', () => {
  it('says so once, and is over', async () => {
    let fails = false;
    const backend = backendWith((backend) => {
      const read = backend.read.bind(backend);
      return {
        read: async (...args) => {
          if (fails) throw new Error('no disk');
          return read(...args);
        },
      };
    });
    await using store = await openTaskStore({ backend });
    await store.upsertTask({ id: 't', message: say('x') });
    const watch = store.watch('t');
    await watch.next();
    fails = true;
    const [failing, after] = [watch.next(), watch.next()];
    await store.updateTask('t', { newMessages: [say('y')] });
    await expect(failing).rejects.toThrow('no disk');
    expect(await after).toEqual({ done: true, value: undefined });
    expect(await watch.next()).toEqual({ done: true, value: undefined });
  });
});

describe('a watch at rest', () => {
  it('reads nothing', async () => {
    let reads = 0;
    const backend = backendWith((backend) => {
      const read = backend.read.bind(backend);
      return {
        read: async (...args) => {
          reads++;
          await new Promise(setImmediate);
          return read(...args);
        },
      };
    });
    await using store = await openTaskStore({ backend });
    await store.upsertTask({ id: 't', message: say('x') });
    await store.upsertTask({ id: 'other', message: say('x') });
    const watch = store.watch('t');
    await watch.next();
    const next = watch.next();
    for (let i = 0; i < 10; i++) {
      await store.updateTask('other', { newMessages: [say('y')] });
      await new Promise(setImmediate);
    }
    expect(reads).toBe(1);
    await store.updateTask('t', { newMessages: [say('y')] });
    expect((await next).value.task.history).toHaveLength(2);
    expect(reads).toBe(2);
  });
});

describe('a watch that has ended', () => {
  it('waits for nothing more, not even for an error', async () => {
    let fail = () => {};
    const read = () => new Promise<never>((_, reject) => (fail = () => reject(new Error('no disk'))));
    await using store = await openTaskStore({ backend: backendWith(() => ({ read })) });
    const watch = store.watch('t');
    const pending = watch.next();
    await new Promise(setImmediate);
    await watch.return?.();
    fail();
    expect(await pending).toEqual({ done: true, value: undefined });
  });
});

describe('a store without sync', () => {
  it('acknowledges nothing for the remote', async () => {
    await using store = await openTaskStore();
    const write = store.upsertTask({ id: 't', message: say('x') }, { until: 'remote' });
    await expect(write).rejects.toMatchObject({ code: 'UNSUPPORTED', operation: 'upsertTask' });
    expect(await store.getTask('t')).toBeUndefined();
  });
});

describe('pruning', () => {
  it('looks at finished tasks alone, however many others there are', async () => {
    let looked = 0;
    let commits = 0;
    const backend = backendWith((backend) => {
      const list = backend.list.bind(backend);
      const commit = backend.commit.bind(backend);
      return {
        commit: (...args) => {
          commits++;
          return commit(...args);
        },
        list: async (query) => {
          const heads = await list(query);
          looked += heads.length;
          return heads;
        },
      };
    });
    let time = 0;
    await using store = await openTaskStore({ backend, environment: { now: () => ++time } });
    for (let i = 0; i < 20; i++) await store.upsertTask({ id: `t${i}`, message: say('x') });
    await store.updateTask('t7', { status: { state: 'failed' } });
    await store.updateTask('t8', { status: { state: 'completed' } });
    expect(await store.prune({ olderThan: new Date(8.64e15), states: ['failed'] })).toBe(1);
    expect(looked).toBe(1);
    // Nor is one touched that is too young.
    commits = 0;
    expect(await store.prune({ olderThan: new Date(1) })).toBe(0);
    expect(commits).toBe(0);
  });

  it('spares a task that has changed since it was found', async () => {
    let time = Date.parse('2026-01-01');
    let touch = async () => {};
    const backend = backendWith((backend) => {
      const list = backend.list.bind(backend);
      return {
        list: async (query) => {
          const heads = await list(query);
          await touch();
          return heads;
        },
      };
    });
    await using store = await openTaskStore({ backend, environment: { now: () => time } });
    for (const id of ['first', 'second', 'third']) {
      await store.upsertTask({ id, message: say('x') });
      await store.updateTask(id, { status: { state: 'completed' } });
    }
    time = Date.parse('2026-02-01');
    touch = async () => void (await store.updateTask('second', { metadata: { seen: true } }));
    expect(await store.prune({ olderThan: '2026-01-15' })).toBe(2);
    expect((await store.listTasks()).tasks.map(({ id }) => id)).toEqual(['second']);
  });

  it('ends with its signal, half way', async () => {
    await using store = await openTaskStore();
    for (let i = 0; i < 1_100; i++) {
      await store.upsertTask({ id: `t${i}`, message: say('x') });
      await store.updateTask(`t${i}`, { status: { state: 'completed' } });
    }
    const end = new AbortController();
    store.subscribe(() => end.abort(new Error('enough')));
    await expect(store.prune({ olderThan: new Date(8.64e15), signal: end.signal })).rejects.toThrow('enough');
    await new Promise((resolve) => setImmediate(resolve));
    // What was begun together ends; there is no more.
    expect((await store.listTasks({ limit: 2_000 })).tasks).toHaveLength(600);
  });

  it('has ended with all it began when one failure is told', async () => {
    let breaks = false;
    const backend = backendWith((backend) => {
      const commit = backend.commit.bind(backend);
      return {
        commit: async (key, ...rest) => {
          if (breaks && key.taskId === 't1') throw new Error('broken');
          await new Promise((resolve) => setImmediate(resolve));
          return commit(key, ...rest);
        },
      };
    });
    await using store = await openTaskStore({ backend });
    for (const id of ['t0', 't1', 't2']) {
      await store.upsertTask({ id, message: say('x') });
      await store.updateTask(id, { status: { state: 'completed' } });
    }
    breaks = true;
    await expect(store.prune({ olderThan: new Date(8.64e15) })).rejects.toThrow('broken');
    expect((await store.listTasks()).tasks.map(({ id }) => id)).toEqual(['t1']);
  });
});

describe('a page that did not come by https', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('gets fresh session ids, too', async () => {
    vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
    await using store = await openTaskStore();
    const ids = [];
    for (const id of ['a', 'b']) ids.push((await store.upsertTask({ id, message: say('x') })).task.sessionId);
    expect(new Set(ids.filter(Boolean)).size).toBe(2);
  });
});

describe('lists in memory', () => {
  it('of a store at rest cost little, however many tasks it holds', async () => {
    await using store = await openTaskStore();
    const start = performance.now();
    for (let i = 0; i < 20_000; i++) await store.upsertTask({ id: `t${i}`, message: say('x') });
    const filled = performance.now();
    for (let i = 0; i < 20; i++) expect((await store.listTasks()).tasks).toHaveLength(50);
    // Measured against the store's own work, so that a slow machine does not matter.
    expect(performance.now() - filled).toBeLessThan(2 * (filled - start));
  });
});

describe('an import', () => {
  it('that the storage fails at says so, when all that it had begun has ended', async () => {
    let commits = 0;
    const backend = backendWith((backend) => {
      const commit = backend.commit.bind(backend);
      return {
        commit: async (key, ...args) => {
          if (key.taskId === 't1') throw new Error('no disk');
          await new Promise(setImmediate);
          commits++;
          return commit(key, ...args);
        },
      };
    });
    await using store = await openTaskStore({ backend });
    const stored = { taskType: 'incoming', isStreaming: false, createdAt: '2026-01-01', updatedAt: '2026-01-01' };
    const lines = ['t0', 't1', 't2'].map((id) =>
      JSON.stringify({ ...stored, id, task: { id, status: { state: 'working' } } }),
    );
    await expect(store.importTasks(lines.map((line) => `${line}\n`))).rejects.toThrow('no disk');
    expect(commits).toBe(2);
  });

  it('stores what it has while more comes, and does not gather all of it first', async () => {
    await using store = await openTaskStore();
    const stored = await store.upsertTask({ id: 't', message: say('x') });
    const source = async function* () {
      for (let i = 0; i < 1_200; i++) yield { ...stored, id: `t${i}`, task: { ...stored.task, id: `t${i}` } };
      expect((await store.listTasks({ limit: 2_000 })).tasks.length).toBeGreaterThan(1_000);
    };
    expect(await store.importTasks(source())).toMatchObject({ imported: 1_200 });
  });

  it('over a task is news to who watches it, and so is what follows', async () => {
    await using store = await openTaskStore();
    const stored = await store.upsertTask({ id: 't', message: say('one') });
    await store.updateTask('t', { newMessages: [say('two')] });
    const watch = store.watch('t');
    await watch.next();
    await store.importTasks([JSON.stringify(stored)], { onConflict: 'replace' });
    await store.updateTask('t', { newMessages: [say('after')] });
    expect((await watch.next()).value.task.history).toEqual([say('one'), say('after')]);
  });

  it('of a line in very many pieces takes time in proportion to its length', async () => {
    await using store = await openTaskStore();
    const stored = await store.upsertTask({ id: 't', message: say('x'.repeat(2 ** 22)) });
    const line = JSON.stringify(stored);
    const pieces = Array.from({ length: line.length / 16 + 1 }, (_, i) => line.slice(i * 16, i * 16 + 16));
    await store.deleteTask('t');
    // Looked through anew with each piece it would be hours.
    expect(await store.importTasks(pieces)).toMatchObject({ imported: 1 });
  });
});

it('a call waits for the remote under the signal it was given, whatever its options hold by then', async () => {
  const flushed: unknown[] = [];
  const sync = {
    identity: 'i',
    start: () => ({ flush: async ({ signal }: { signal: unknown }) => flushed.push(signal), stop: async () => {} }),
  };
  await using store = await openTaskStore({ sync: sync as never });
  const { signal } = new AbortController();
  const options = { until: 'remote' as const, signal };
  const writing = store.upsertTask({ id: 't', message: say('x') }, options);
  options.signal = new AbortController().signal;
  await writing;
  expect(flushed).toEqual([signal]);
  expect(flushed[0]).toBe(signal);
});
