import type { ListQuery, TaskPage, TaskStore } from '../task-store.ts';
import { send } from './harness.ts';
import type { Suite } from './task-store-suite.ts';

/** `listTasks` and `deleteTask`. */
export function testList({ describe, expect, test, rejects }: Suite): void {
  const idsOf = ({ tasks }: TaskPage) => tasks.map(({ id }) => id);

  const allPages = async (store: TaskStore, query: ListQuery) => {
    const ids: string[] = [];
    let cursor = query.cursor;
    do {
      const page = await store.listTasks({ ...query, cursor });
      expect(page.tasks.length <= (query.limit ?? 50)).toBe(true);
      ids.push(...idsOf(page));
      cursor = page.nextCursor;
    } while (cursor);
    return ids;
  };

  const fill = async (store: TaskStore, count: number) => {
    for (let i = 0; i < count; i++) await store.upsertTask(send(`t${i}`, 'x', { sessionId: `s${i % 2}` }));
  };

  describe('listTasks', () => {
    test('is refused where the store declares so', async ({ store }) => {
      if (store.capabilities.list) expect(await store.listTasks()).toEqual({ tasks: [] });
      else await rejects(store.listTasks(), 'UNSUPPORTED');
      if (!store.capabilities.delete) await rejects(store.deleteTask('t1'), 'UNSUPPORTED');
    });

    test('gives summaries, the latest change first, without histories', async ({ store }) => {
      if (!store.capabilities.list) return;
      await fill(store, 4);
      await pastThisMillisecond();
      await store.updateTask('t1', {
        status: { state: 'working' },
        metadata: { a: 1 },
        artifactsUpdates: [{ parts: [] }],
      });
      const page = await store.listTasks();
      expect(page.nextCursor).toBe(undefined);
      expect(page.tasks.length).toBe(4);
      const { createdAt, updatedAt, status, ...first } = page.tasks[0] ?? ({} as TaskPage['tasks'][number]);
      expect(first).toEqual({
        id: 't1',
        taskType: 'incoming',
        sessionId: 's1',
        metadata: { a: 1 },
        isStreaming: false,
        messageCount: 1,
        artifactCount: 1,
        pending: first.pending,
      });
      expect(status.state).toBe('working');
      expect(updatedAt > createdAt).toBe(true);
    });

    test('names no next page where none follows', async ({ store }) => {
      if (!store.capabilities.list) return;
      await fill(store, 3);
      const { nextCursor } = await store.listTasks({ limit: 2 });
      for (const page of [
        await store.listTasks({ limit: 3 }),
        await store.listTasks({ limit: 1, cursor: nextCursor }),
      ]) {
        expect(page.tasks.length > 0).toBe(true);
        expect(page.nextCursor).toBe(undefined);
      }
    });

    test('takes a time to list from in any zone', async ({ store }) => {
      if (!store.capabilities.list) return;
      const { updatedAt } = await store.upsertTask(send('t1', 'x'));
      const inZone = (ms: number, hours: number) => {
        const local = new Date(ms + hours * 3_600_000).toISOString();
        return local.replace('Z', `${hours < 0 ? '-' : '+'}0${Math.abs(hours)}:00`);
      };
      for (const hours of [-2, 2]) {
        const at = Date.parse(updatedAt);
        expect(idsOf(await store.listTasks({ updatedAfter: inZone(at - 1, hours) }))).toEqual(['t1']);
        expect(idsOf(await store.listTasks({ updatedAfter: inZone(at, hours) }))).toEqual([]);
      }
    });

    test('pages through all of them once, in both orders', async ({ store }) => {
      if (!store.capabilities.list) return;
      await fill(store, 23);
      const newest = await allPages(store, { limit: 5 });
      expect([...newest].sort()).toEqual(Array.from({ length: 23 }, (_, i) => `t${i}`).sort());
      expect(await allPages(store, { limit: 5, order: 'oldest' })).toEqual([...newest].reverse());
      expect(await allPages(store, { limit: 23 })).toEqual(newest);
      expect(await allPages(store, { limit: 1000 })).toEqual(newest);
    });

    test('takes any limit', async ({ store }) => {
      if (!store.capabilities.list) return;
      await fill(store, 3);
      for (const order of ['newest', 'oldest'] as const) {
        expect(await allPages(store, { limit: Number.MAX_SAFE_INTEGER, order })).toHaveLength(3);
      }
    });

    test('filters by state, session, time and type', async ({ store }) => {
      if (!store.capabilities.list) return;
      await fill(store, 6);
      await pastThisMillisecond();
      const { updatedAt } = await store.updateTask('t0', { status: { state: 'completed' } });
      await pastThisMillisecond();
      await store.updateTask('t1', { status: { state: 'failed' } });
      await store.upsertTaskForClient({ id: 'out', status: { state: 'working' } }, 'https://a.example');
      expect(idsOf(await store.listTasks({ state: 'completed' }))).toEqual(['t0']);
      expect(idsOf(await store.listTasks({ state: ['completed', 'failed'] }))).toEqual(['t1', 't0']);
      expect(idsOf(await store.listTasks({ sessionId: 's1', state: 'submitted' })).sort()).toEqual(['t3', 't5']);
      expect(await allPages(store, { sessionId: 's0', limit: 1 })).toHaveLength(3);
      expect(idsOf(await store.listTasks({ updatedAfter: updatedAt }))).toEqual(['t1']);
      expect(idsOf(await store.listTasks({ updatedAfter: updatedAt, order: 'oldest' }))).toEqual(['t1']);
      expect(idsOf(await store.listTasks({ taskType: 'outgoing' }))).toEqual(['out']);
    });

    test("shows nobody another caller's tasks, and the owner all", async ({ store }) => {
      if (!store.capabilities.list) return;
      await store.upsertTask(send('a', 'x'), { callerId: 'ann' });
      await store.upsertTask(send('b', 'x'), { callerId: 'bob' });
      await store.upsertTask(send('c', 'x'));
      expect(idsOf(await store.listTasks({ callerId: 'ann' }))).toEqual(['a']);
      expect(idsOf(await store.listTasks())).toEqual(['c']);
      expect(idsOf(await store.listTasks({ callerId: 'eve' }))).toEqual([]);
      const all = await store.listTasks({ allCallers: true });
      expect(all.tasks.map(({ id, callerId }) => [id, callerId]).sort()).toEqual([
        ['a', 'ann'],
        ['b', 'bob'],
        ['c', undefined],
      ]);
    });

    test('stays correct while tasks change between pages', async ({ store }) => {
      if (!store.capabilities.list) return;
      await fill(store, 12);
      const first = await store.listTasks({ limit: 4 });
      const rest = (await allPages(store, {})).slice(4);
      await pastThisMillisecond();
      await store.updateTask(rest[5] as string, { status: { state: 'working' } });
      await store.upsertTask(send('new', 'x'));
      if (store.capabilities.delete) await store.deleteTask(idsOf(first).at(-1) as string);
      const after = await allPages(store, { limit: 3, cursor: first.nextCursor });
      const unchanged = rest.filter((id) => id !== rest[5]);
      expect(after).toEqual(unchanged);
    });

    test('refuses bad queries', async ({ store }) => {
      if (!store.capabilities.list) return;
      const bad = [
        { limit: 0 },
        { limit: 1.5 },
        { cursor: 'nonsense' },
        { cursor: '%' },
        { cursor: encodeURIComponent('["today","i:t1"]') },
        { cursor: encodeURIComponent('["2026-01-01T00:00:00.000Z",1]') },
        { state: 'done' },
        { updatedAfter: 'x' },
        { order: 'up' },
      ];
      for (const query of bad) await rejects(store.listTasks(query as ListQuery), 'INVALID_ARGUMENT');
    });
  });

  describe('deleteTask', () => {
    test('removes the task and all it held, for this caller alone', async ({ store, reopen }) => {
      if (!store.capabilities.delete) return;
      await store.upsertTask(send('t1', 'one'));
      await store.upsertTask(send('t1', 'of ann'), { callerId: 'ann' });
      for (let i = 0; i < 50; i++) await store.upsertTask(send('t1', `m${i}`));
      expect(await store.deleteTask('t1')).toBe(true);
      expect(await store.deleteTask('t1')).toBe(false);
      expect(await store.getTask('t1')).toBe(undefined);
      const anew = await store.upsertTask(send('t1', 'anew'));
      expect(anew.task.history?.length).toBe(1);
      const reopened = store.backend.survives === 'nothing' ? store : await reopen();
      expect((await reopened.getTask('t1'))?.task.history?.length).toBe(1);
      expect((await reopened.getTask('t1', { callerId: 'ann' }))?.task.history?.length).toBe(1);
    });
  });
}

/** Lets the clock that orders changes move on, however fast the store. */
async function pastThisMillisecond(): Promise<void> {
  const start = Date.now();
  while (Date.now() <= start) await new Promise((resolve) => setTimeout(resolve, 0));
}
