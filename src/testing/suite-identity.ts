import { send, textsOf } from './harness.ts';
import type { Suite } from './task-store-suite.ts';

/** Ids that have tripped stores before; each is an id like any other. */
export const hostileIds: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '../../etc/passwd',
  'C:\\con\\nul',
  '%2e%2e%2f?a=b&c=d#e',
  ' ',
  '\u200b',
  '\u0000',
  '👩‍👩‍👧 ä',
  '\ud800',
  'a\nb\r\nc\td',
  '"quoted\\" {}[]',
  'i:t',
  '1:ab',
  'x'.repeat(10_000),
];

/** Who sees what: callers, types and ids kept apart, whatever their text. */
export function testIdentity({ describe, expect, test, rejects }: Suite): void {
  describe('identity', () => {
    test('keeps callers apart; none is a caller of its own', async ({ store }) => {
      const callers = ['ann', 'bob', undefined];
      for (const callerId of callers) await store.upsertTask(send('t1', `of ${callerId}`), { callerId });
      for (const callerId of callers) {
        const stored = await store.getTask('t1', { callerId });
        expect(stored?.callerId).toBe(callerId);
        expect(textsOf(stored?.task.history)).toEqual([`of ${callerId}`]);
      }
      await store.updateTask('t1', { callerId: 'ann', status: { state: 'completed' } });
      expect((await store.getTask('t1', { callerId: 'bob' }))?.task.status.state).toBe('submitted');
      expect((await store.getTask('t1'))?.task.status.state).toBe('submitted');
    });

    test('changes the task of the caller whom the options name, where the change names none', async ({ store }) => {
      for (const callerId of ['ann', undefined]) await store.upsertTask(send('t1', 'x'), { callerId });
      const asAnn = { callerId: 'ann', historyLength: 0 };
      await store.upsertTaskForClient({ id: 't2', status: { state: 'working' } }, 'https://a.example', asAnn);
      await store.updateTask('t1', { status: { state: 'completed' } }, asAnn);
      await store.updateTask('t2', { status: { state: 'failed' } }, { ...asAnn, taskType: 'outgoing' });
      expect((await store.getTask('t1', asAnn))?.task.status.state).toBe('completed');
      expect((await store.getTask('t1'))?.task.status.state).toBe('submitted');
      expect((await store.getTaskForClient('t2', asAnn))?.task.status.state).toBe('failed');
      const asBob = { callerId: 'bob', taskType: 'incoming' as const };
      await store.updateTask('t2', { callerId: 'ann', taskType: 'outgoing', metadata: { a: 1 } }, asBob);
    });

    test("does not reveal another caller's task", async ({ store }) => {
      await store.upsertTask(send('t1', 'secret'), { callerId: 'ann' });
      expect(await store.getTask('t1')).toBe(undefined);
      expect(await store.getTask('t1', { callerId: 'bob' })).toBe(undefined);
      const change = { status: { state: 'failed' as const } };
      const unknown = (await rejects(
        store.updateTask('t2', { ...change, callerId: 'bob' }),
        'TASK_NOT_FOUND',
      )) as Error;
      const others = (await rejects(store.updateTask('t1', { ...change, callerId: 'bob' }), 'TASK_NOT_FOUND')) as Error;
      expect(others.message.replace('t1', 't2')).toBe(unknown.message);
      expect((await store.getTask('t1', { callerId: 'ann' }))?.task.status.state).toBe('submitted');
    });

    test('does not mix up a caller and an id that read alike when joined', async ({ store }) => {
      const pairs = [
        { callerId: 'ab', id: 'c' },
        { callerId: 'a', id: 'bc' },
        { callerId: undefined, id: 'abc' },
        { callerId: '1', id: ':abc' },
        { callerId: 'undefined', id: 'abc' },
      ];
      for (const { callerId, id } of pairs) await store.upsertTask(send(id, `${callerId}/${id}`), { callerId });
      for (const { callerId, id } of pairs) {
        const stored = await store.getTask(id, { callerId });
        expect(textsOf(stored?.task.history)).toEqual([`${callerId}/${id}`]);
      }
    });

    test('takes any text as an id or a caller', async ({ store, reopen }) => {
      if (!store.capabilities.lossless) return;
      for (const id of hostileIds) {
        await store.upsertTask(send(id, id));
        await store.upsertTask(send('t', id), { callerId: id });
      }
      const reopened = store.backend.survives === 'nothing' ? store : await reopen();
      for (const id of hostileIds) {
        const byId = await reopened.getTask(id);
        expect([byId?.id, ...textsOf(byId?.task.history)]).toEqual([id, id]);
        const byCaller = await reopened.getTask('t', { callerId: id });
        expect([byCaller?.callerId, ...textsOf(byCaller?.task.history)]).toEqual([id, id]);
      }
    });
  });
}
