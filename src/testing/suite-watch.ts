import type { StoredTask } from '../core/task.ts';
import type { TaskChange } from '../task-store.ts';
import { say, send, textPart, textsOf } from './harness.ts';
import type { Suite } from './task-store-suite.ts';

/** `watch` and `subscribe` within one context; other tabs are the backends' own tests. */
export function testWatch({ describe, expect, test, rejects }: Suite): void {
  const latest = async (watch: AsyncIterator<StoredTask>) => textsOf((await watch.next()).value?.task.history);

  describe('watch', () => {
    test('is refused where the store declares so', async ({ store }) => {
      if (!store.capabilities.watch)
        await rejects(
          Promise.resolve().then(() => store.watch('t1').next()),
          'UNSUPPORTED',
        );
    });

    test('refuses arguments out of shape', async ({ store }) => {
      if (!store.capabilities.watch) return;
      const refused = [
        () => store.watch(''),
        () => store.watch('t1', { callerId: '' }),
        () => store.watch('t1', { historyLength: -1 }),
        () => store.watch('t1', { taskType: 'sideways' as never }),
      ];
      // Whether the call throws or the first `next` rejects.
      for (const call of refused)
        await rejects(
          Promise.resolve().then(() => call().next()),
          'INVALID_ARGUMENT',
        );
    });

    test('gives the task as it is, then after each change', async ({ store }) => {
      if (!store.capabilities.watch) return;
      await store.upsertTask(send('t1', 'one'));
      const watch = store.watch('t1');
      expect(await latest(watch)).toEqual(['one']);
      const next = latest(watch);
      await store.updateTask('t1', { newMessages: [say('two')] });
      expect(await next).toEqual(['one', 'two']);
      await watch.return?.();
      expect((await watch.next()).done).toBe(true);
    });

    test('gives a slow reader the latest, not a backlog', async ({ store }) => {
      if (!store.capabilities.watch) return;
      await store.upsertTask(send('t1', 'm0'));
      const watch = store.watch('t1', { historyLength: 1 });
      await watch.next();
      for (let i = 1; i <= 20; i++) await store.updateTask('t1', { newMessages: [say(`m${i}`)] });
      expect(await latest(watch)).toEqual(['m20']);
      const pending = watch.next();
      await watch.return?.();
      expect((await pending).done).toBe(true);
    });

    test('waits for a task that is yet to come, of this caller', async ({ store }) => {
      if (!store.capabilities.watch) return;
      const watch = store.watch('t1', { callerId: 'ann' });
      const first = latest(watch);
      await store.upsertTask(send('t1', 'of bob'), { callerId: 'bob' });
      await store.upsertTask(send('t1', 'of ann'), { callerId: 'ann' });
      expect(await first).toEqual(['of ann']);
      await watch.return?.();
    });

    test('ends with the loop, the signal, the task and the store', async ({ store }) => {
      if (!store.capabilities.watch) return;
      await store.upsertTask(send('t1', 'one'));
      let rounds = 0;
      for await (const _ of store.watch('t1')) {
        rounds++;
        break;
      }
      expect(rounds).toBe(1);

      const controller = new AbortController();
      const aborted = store.watch('t1', { signal: controller.signal });
      await aborted.next();
      const waiting = aborted.next();
      controller.abort();
      expect((await waiting).done).toBe(true);

      const deleted = store.watch('t1');
      await deleted.next();
      if (store.capabilities.delete) {
        const end = deleted.next();
        await store.deleteTask('t1');
        expect((await end).done).toBe(true);
      }

      const closed = store.watch('t2');
      const end = closed.next();
      await store.close();
      expect((await end).done).toBe(true);
    });
  });

  describe('subscribe', () => {
    test('tells of every change in order, with what it added', async ({ store }) => {
      if (!store.capabilities.watch) return;
      const changes: TaskChange[] = [];
      const stop = store.subscribe((change) => changes.push(change));
      await store.upsertTask(send('t1', 'one'), { callerId: 'ann' });
      await store.updateTask('t1', {
        callerId: 'ann',
        status: { state: 'working', message: say('status', 'agent') },
        newMessages: [say('two')],
        artifactsUpdates: [{ index: 4, name: 'n', parts: [textPart('a')] }],
      });
      await store.updateTask('t1', { callerId: 'ann', metadata: { a: 1 } });
      await rejects(store.updateTask('t1', { metadata: { no: 1 } }), 'TASK_NOT_FOUND');
      if (store.capabilities.delete) await store.deleteTask('t1', { callerId: 'ann' });
      stop();
      await store.upsertTask(send('t2', 'not told'));

      const told = changes.map((change) => ({
        type: change.type,
        state: change.status?.state,
        messages: textsOf(change.messages),
        artifacts: change.artifacts.map(({ index, name, parts }) => [index, name, textsOf(parts)]),
      }));
      const expected = [
        { type: 'created', state: 'submitted', messages: ['one'], artifacts: [] },
        { type: 'updated', state: 'working', messages: ['status', 'two'], artifacts: [[4, 'n', ['a']]] },
        { type: 'updated', state: undefined, messages: [], artifacts: [] },
        { type: 'deleted', state: undefined, messages: [], artifacts: [] },
      ];
      expect(told).toEqual(store.capabilities.delete ? expected : expected.slice(0, 3));
      for (const change of changes) {
        expect([change.taskId, change.callerId, change.taskType, change.source]).toEqual([
          't1',
          'ann',
          'incoming',
          'local',
        ]);
      }
    });

    test('takes listeners that come and go while it tells', async ({ store }) => {
      if (!store.capabilities.watch) return;
      let told = 0;
      const again = () => {
        told++;
        off();
        // An endless round must end the test, too.
        if (told < 100) off = store.subscribe(again);
      };
      let off = store.subscribe(again);
      const stops = [store.subscribe(() => stops[1]?.()), store.subscribe(() => told++)];
      await store.upsertTask(send('t1', 'one'));
      expect(told).toBe(1);
      await store.upsertTask(send('t1', 'two'));
      expect(told).toBe(2);
    });
  });
}
