/** The store contract as tests: every promise of `TaskStore`, on any store, the storage reopened where it persists. */
import type { TaskStore } from '../task-store.ts';
import { type Harness, newPlace, type Runner } from './harness.ts';
import { testGuarantees } from './suite-guarantees.ts';
import { testIdentity } from './suite-identity.ts';
import { testInput } from './suite-input.ts';
import { testList } from './suite-list.ts';
import { testTransfer } from './suite-transfer.ts';
import { testUpdate } from './suite-update.ts';
import { testUpsert } from './suite-upsert.ts';
import { testWatch } from './suite-watch.ts';

export type { Harness, Runner } from './harness.ts';
export { hostileIds } from './suite-identity.ts';

/** What each part of the suite is given. */
export interface Suite extends Runner {
  readonly harness: Harness;
  /** A test with a store of its own, closed afterwards. `reopen` closes it and opens the place again. */
  test(name: string, body: (tools: { store: TaskStore; reopen: () => Promise<TaskStore> }) => Promise<void>): void;
  /** Expects a rejection with this code. */
  rejects(promise: Promise<unknown>, code: string): Promise<unknown>;
}

/**
 * Runs the suite. What a store's `capabilities` say that it cannot do is tested to be refused with `UNSUPPORTED`.
 * @param runner `{ describe, it, expect }` of vitest or jest
 */
export function testTaskStore(runner: Runner, harness: Harness): void {
  const suite: Suite = {
    ...runner,
    harness,
    test: (name, body) =>
      runner.it(name, async () => {
        const place = newPlace();
        const opened: TaskStore[] = [];
        const open = async () => {
          const store = await harness.open(place);
          opened.push(store);
          return store;
        };
        const reopen = async () => {
          await opened.at(-1)?.close();
          return open();
        };
        try {
          await body({ store: await open(), reopen });
        } finally {
          for (const store of opened) await store.close();
          await harness.cleanUp?.(place);
        }
      }),
    rejects: async (promise, code) => {
      const error = await promise.then(
        () => 'it resolved',
        (reason: unknown) => reason,
      );
      runner.expect((error as { code?: string }).code ?? error).toBe(code);
      return error;
    },
  };
  runner.describe(`task store: ${harness.name}`, () => {
    testUpsert(suite);
    testUpdate(suite);
    testIdentity(suite);
    testInput(suite);
    testGuarantees(suite);
    testList(suite);
    testWatch(suite);
    testTransfer(suite);
  });
}
