/** What lists keep in memory is never out of date, whoever changes and folds what: two contexts beside the same in memory. */
import { expect, it } from 'vitest';
import { openTaskStore } from '../src/index.browser.ts';
import type { ListQuery, TaskStore } from '../src/task-store.ts';
import { pause, say } from './support/indexeddb-calls.ts';
import { newName, open, undoAfterEach } from './support/indexeddb-tools.ts';
import { scaled, seededRandom } from './support/long.ts';

undoAfterEach();

const states = ['submitted', 'working', 'completed'] as const;

it('lists are the same in all contexts as in memory, after each change', async () => {
  const random = seededRandom('lists');
  const draw = (count: number) => Math.floor(random() * count);
  let now = Date.parse('2026-01-01T00:00:00Z');
  const environment = { now: () => now, newId: () => 'session' };
  const name = newName();
  const contexts = [await open({ name, environment }), await open({ name, environment })];
  const inMemory = await openTaskStore({ backend: 'memory', environment });

  const change = () => {
    const id = `t${draw(12)}`;
    const callerId = draw(3) === 0 ? 'other' : undefined;
    const what = draw(8);
    const state = states[draw(3)] as 'working';
    const sessionId = `s${draw(2)}`;
    return async (store: TaskStore) => {
      if (what === 0) await store.deleteTask(id, { callerId });
      else if (what < 4) await store.upsertTask({ id, sessionId, message: say('Hello', 100) }, { callerId });
      else await store.updateTask(id, { status: { state }, callerId }).catch(() => {});
    };
  };
  const query = (): ListQuery => ({
    callerId: draw(2) === 0 ? 'other' : undefined,
    allCallers: draw(3) === 0,
    state: [undefined, 'working', ['submitted', 'completed']][draw(3)] as ListQuery['state'],
    sessionId: draw(4) === 0 ? `s${draw(2)}` : undefined,
    order: draw(4) === 0 ? 'oldest' : 'newest',
    limit: 1 + draw(6),
  });
  // Asked for again and again, as by a page that shows them.
  const queries = Array.from({ length: 6 }, query);

  for (let step = 0; step < scaled(400, 6000); step++) {
    now += draw(3);
    const act = change();
    await act(contexts[draw(2)] as TaskStore);
    await act(inMemory);
    const asked = draw(5) === 0 ? query() : (queries[draw(6)] as ListQuery);
    const expected = await inMemory.listTasks(asked);
    const look = async (context: TaskStore, ms: number) => {
      // Long enough for something to be folded, now and then.
      if (ms > 0) await pause(ms);
      const found = await context.listTasks(asked);
      expect(found, JSON.stringify(asked)).toEqual(expected);
      // What a caller does to an answer, where that is not frozen, is seen by nobody else.
      for (const { status } of found.tasks) Reflect.set(status, 'state', 'unknown');
    };
    const looks = Array.from({ length: draw(4) }, () => look(contexts[draw(2)] as TaskStore, draw(4) && draw(9)));
    await Promise.all(looks);
  }
});
