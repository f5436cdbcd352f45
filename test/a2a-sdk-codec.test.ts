import type { Task as Task10 } from '@a2a-js/sdk';
import { ServerCallContext, type TaskStore as TaskStore10 } from '@a2a-js/sdk/server';
import type { TaskStore as TaskStore03 } from 'a2a-sdk-03/server';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toA2ATaskStore } from '../src/a2a.ts';
import { openTaskStore } from '../src/memory.ts';
import { storedTaskSchema } from '../src/schemas.ts';
import { newId, task03, task10 } from './support/a2a-arbitraries.ts';
import { scaled, seeded } from './support/long.ts';

const open = () => openTaskStore({ environment: { now: () => 1_800_000_000_000 } });
const context = new ServerCallContext();
const numRuns = scaled(150, 4_000);

type AnyTask = Record<string, unknown> & { id: string };

/** The two versions' stores are one; so are these tests of it. */
const protocols = [
  { name: '1.x', arbitrary: task10, context },
  { name: '0.3', arbitrary: task03, context: undefined },
];

async function adapter() {
  const store = await open();
  const save = (task: unknown, context?: ServerCallContext) =>
    (toA2ATaskStore(store) as TaskStore10).save(task as Task10, context as ServerCallContext);
  /** By an adapter that has not seen the task, so that all of it is read. */
  const load = (id: string, context?: ServerCallContext) =>
    (toA2ATaskStore(store) as TaskStore10).load(id, context as ServerCallContext) as Promise<AnyTask | undefined>;
  return { store, save, load };
}

for (const { name, arbitrary, context } of protocols) {
  test(`every task of ${name} comes back deeply equal, and is an ordinary task of the store`, async () => {
    await fc.assert(
      fc.asyncProperty(arbitrary(), async (task) => {
        const { store, save, load } = await adapter();
        const copy = structuredClone(task) as AnyTask;
        await save(task, context);
        expect(await load(copy.id, context)).toStrictEqual(copy);
        expect(task).toStrictEqual(copy);

        const stored = JSON.parse(JSON.stringify(await store.getTask(copy.id)));
        expect(storedTaskSchema.safeParse(stored).error).toBeUndefined();
        expect((await store.listTasks()).tasks.map(({ id }) => id)).toEqual([copy.id]);

        const moved = await open();
        await moved.importTasks(store.exportTasks());
        expect(await (toA2ATaskStore(moved) as TaskStore10).load(copy.id, context as ServerCallContext)).toStrictEqual(
          copy,
        );
      }),
      { numRuns, ...seeded(`a2a codec ${name}`) },
    );
  });

  test(`whatever is saved over a task of ${name}, the last save is what comes back`, async () => {
    const sameId = newId.chain((id) => fc.array(arbitrary(fc.constant(id)), { minLength: 2, maxLength: 4 }));
    await fc.assert(
      fc.asyncProperty(sameId, async (tasks) => {
        const store = await open();
        const sdk = toA2ATaskStore(store) as TaskStore10;
        for (const task of tasks) {
          const copy = structuredClone(task) as AnyTask;
          await sdk.save(task as unknown as Task10, context as ServerCallContext);
          expect(await sdk.load(copy.id, context as ServerCallContext)).toStrictEqual(copy);
          expect(await toA2ATaskStore(store).load(copy.id, context as ServerCallContext)).toStrictEqual(copy);
        }
      }),
      { numRuns: numRuns / 2, ...seeded(`a2a saves ${name}`) },
    );
  });
}

test('the adapter has the types of both versions', async () => {
  const store = await open();
  const of10: TaskStore10 = toA2ATaskStore(store);
  const of03 = toA2ATaskStore(store) as unknown as TaskStore03;
  await of03.save({ kind: 'task', id: 't', contextId: 'c', status: { state: 'rejected' } });
  expect(await of03.load('t')).toStrictEqual({ kind: 'task', id: 't', contextId: 'c', status: { state: 'rejected' } });
  // A new version of an app finds what the old one stored.
  expect(await of10.load('t', context)).toMatchObject({ id: 't', contextId: 'c', status: { state: 7 }, history: [] });
});
