import { expect, it } from 'vitest';
import type { BackendFactory } from '../src/backends/backend.ts';
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
