import { expect, it } from 'vitest';
import type { Backend, BackendFactory } from '../src/backends/backend.ts';
import { memory } from '../src/backends/memory.ts';
import { TaskStoreError } from '../src/core/errors.ts';
import { openTaskStore } from '../src/memory.ts';

/** A storage that does not answer at first. */
function slowToWake(): BackendFactory {
  const factory = memory();
  return {
    ...factory,
    async open(context) {
      const backend = await factory.open(context);
      let asked = 0;
      const { getMeta } = backend;
      backend.getMeta = async (name) => {
        if (asked++ === 0) throw new TaskStoreError('STORE_TIMEOUT', 'no answer');
        return getMeta.call(backend, name);
      };
      return backend;
    },
  };
}

it('a storage that fails to answer the first change takes the next', async () => {
  await using store = await openTaskStore({ backend: slowToWake() });
  const say = (text: string) =>
    store.upsertTask({ id: 't', message: { role: 'user', parts: [{ type: 'text', text }] } });
  await expect(say('lost')).rejects.toMatchObject({ code: 'STORE_TIMEOUT', operation: 'upsertTask', taskId: 't' });
  expect((await say('kept')).task.history).toHaveLength(1);
});

it('from when another context has opened it with sync, changes are kept for the remote', async () => {
  let tell: Parameters<Backend['listen']>[0] = () => {};
  let meta: unknown;
  const factory = memory();
  const backend: BackendFactory = {
    ...factory,
    async open(context) {
      const opened = await factory.open(context);
      const others: Pick<Backend, 'getMeta' | 'listen'> = {
        getMeta: async () => meta,
        listen: (listener) => {
          tell = listener;
          return () => {};
        },
      };
      return Object.assign(opened, others);
    },
  };
  await using store = await openTaskStore({ backend });
  const say = (id: string) => store.upsertTask({ id, message: { role: 'user', parts: [{ type: 'text', text: 'x' }] } });
  await say('before');
  meta = { identity: 'theirs' };
  tell([]);
  await say('after');
  const { tasks } = await store.listTasks({ order: 'oldest' });
  const pending = Object.fromEntries(tasks.map((task) => [task.id, task.pending]));
  expect(pending).toEqual({ before: false, after: true });
  // What is not with the remote yet is neither replaced nor pruned.
  await store.updateTask('after', { status: { state: 'completed' } });
  let lines = '';
  for await (const line of store.exportTasks()) lines += line;
  expect(await store.importTasks(lines, { onConflict: 'replace' })).toMatchObject({ imported: 1, skipped: 1 });
  expect(await store.prune({ olderThan: new Date(8.64e15) })).toBe(0);
});
