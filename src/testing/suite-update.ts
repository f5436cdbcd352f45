import { say, send, textPart, textsOf } from './harness.ts';
import type { Suite } from './task-store-suite.ts';

/** `updateTask`: its five parts, their order, and that it is all or nothing. */
export function testUpdate({ describe, expect, test, rejects }: Suite): void {
  describe('updateTask', () => {
    test('refuses a task that is not there', async ({ store }) => {
      await rejects(store.updateTask('nothing', { status: { state: 'working' } }), 'TASK_NOT_FOUND');
      expect(await store.getTask('nothing')).toBe(undefined);
    });

    test('replaces the status, now where it has no time', async ({ store }) => {
      await store.upsertTask(send('t1', 'one'));
      const before = Date.now();
      const { task } = await store.updateTask('t1', { status: { state: 'working' } });
      expect(task.status.state).toBe('working');
      expect(task.status.message).toBe(undefined);
      expect(Math.abs(Date.parse(task.status.timestamp as string) - before)).toBeLessThan(60_000);
      expect(task.history?.length).toBe(1);
      const timestamp = '2026-02-03T04:05:06.007Z';
      const timed = await store.updateTask('t1', { status: { state: 'working', timestamp } });
      expect(Date.parse(timed.task.status.timestamp as string)).toBe(Date.parse(timestamp));
    });

    test("appends the status's message, then the new messages", async ({ store }) => {
      await store.upsertTask(send('t1', 'user'));
      const { task } = await store.updateTask('t1', {
        newMessages: [say('first', 'agent'), say('second')],
        status: { state: 'working', message: say('status', 'agent') },
      });
      expect(textsOf(task.history)).toEqual(['user', 'status', 'first', 'second']);
      expect(task.status.message).toEqual(say('status', 'agent'));
    });

    test('replaces the metadata where given', async ({ store }) => {
      if (!store.capabilities.lossless) return;
      await store.upsertTask(send('t1', 'one', { metadata: { a: 1 } }));
      expect((await store.updateTask('t1', { status: { state: 'working' } })).task.metadata).toEqual({ a: 1 });
      expect((await store.updateTask('t1', { metadata: { b: 2 } })).task.metadata).toEqual({ b: 2 });
    });

    test('creates artifacts and appends to known ones by index', async ({ store }) => {
      await store.upsertTask(send('t1', 'one'));
      await store.updateTask('t1', { artifactsUpdates: [{ index: 3, name: 'n', parts: [textPart('a')] }] });
      await store.updateTask('t1', {
        artifactsUpdates: [
          { index: 3, parts: [textPart('b'), textPart('c')] },
          { index: 1, parts: [textPart('x')] },
          { index: 3, parts: [textPart('d')] },
        ],
      });
      const artifacts = (await store.getTask('t1'))?.task.artifacts ?? [];
      expect(artifacts.map(({ index, parts }) => [index, textsOf(parts)])).toEqual([
        [3, ['a', 'b', 'c', 'd']],
        [1, ['x']],
      ]);
      expect(artifacts[0]?.name).toBe('n');
    });

    test('takes index 0 where none is given', async ({ store }) => {
      await store.upsertTask(send('t1', 'one'));
      await store.updateTask('t1', { artifactsUpdates: [{ parts: [textPart('a')] }] });
      const { task } = await store.updateTask('t1', { artifactsUpdates: [{ index: 0, parts: [textPart('b')] }] });
      expect(task.artifacts?.map(({ index, parts }) => [index, textsOf(parts)])).toEqual([[0, ['a', 'b']]]);
    });

    test('changes name, description and metadata of an artifact where given', async ({ store }) => {
      if (!store.capabilities.lossless) return;
      await store.upsertTask(send('t1', 'one'));
      const first = { index: 0, name: 'n', description: 'd', metadata: { a: 1 }, parts: [textPart('a')] };
      await store.updateTask('t1', { artifactsUpdates: [first] });
      const { task } = await store.updateTask('t1', { artifactsUpdates: [{ index: 0, name: 'm', parts: [] }] });
      expect(task.artifacts).toEqual([{ ...first, name: 'm' }]);
    });

    test('closes an artifact with lastChunk, and refuses the whole of a later call', async ({ store }) => {
      await store.upsertTask(send('t1', 'one'));
      await store.updateTask('t1', { artifactsUpdates: [{ index: 0, parts: [textPart('a')], lastChunk: true }] });
      const before = await store.getTask('t1');
      const late = {
        status: { state: 'failed' as const, message: say('no', 'agent') },
        newMessages: [say('no')],
        metadata: { no: true },
        artifactsUpdates: [
          { index: 1, parts: [textPart('no')] },
          { index: 0, parts: [textPart('no')] },
        ],
      };
      await rejects(store.updateTask('t1', late), 'ARTIFACT_CLOSED');
      expect(await store.getTask('t1')).toEqual(before);
    });

    test('refuses a chunk that follows the last one within a call', async ({ store }) => {
      await store.upsertTask(send('t1', 'one'));
      const chunk = { index: 0, parts: [textPart('a')] };
      const late = store.updateTask('t1', { artifactsUpdates: [{ ...chunk, lastChunk: true }, chunk] });
      await rejects(late, 'ARTIFACT_CLOSED');
      expect((await store.getTask('t1'))?.task.artifacts ?? []).toEqual([]);
    });

    test('replaces the push configuration', async ({ store }) => {
      if (!store.capabilities.lossless) return;
      await store.upsertTask(send('t1', 'one'));
      const push = { url: 'https://p.example', authentication: { schemes: ['bearer'], credentials: 'c' } };
      expect((await store.updateTask('t1', { pushNotification: push })).pushNotification).toEqual(push);
      expect((await store.updateTask('t1', { status: { state: 'working' } })).pushNotification).toEqual(push);
    });

    test('changes an outgoing task where taskType says so', async ({ store }) => {
      if (!store.capabilities.lossless) return;
      await store.upsertTaskForClient({ id: 't1', sessionId: 's', status: { state: 'working' } }, 'https://a.example');
      await rejects(store.updateTask('t1', { status: { state: 'failed' } }), 'TASK_NOT_FOUND');
      const { task } = await store.updateTask('t1', { taskType: 'outgoing', status: { state: 'completed' } });
      expect(task.status.state).toBe('completed');
    });

    test('answers what it is asked for', async ({ store }) => {
      await store.upsertTask(send('t1', 'one'));
      const chunk = { artifactsUpdates: [{ parts: [textPart('a')] }], newMessages: [say('two'), say('three')] };
      const { task } = await store.updateTask('t1', chunk, { historyLength: 1, includeArtifacts: false });
      expect(textsOf(task.history)).toEqual(['three']);
      expect(task.artifacts).toBe(undefined);
    });
  });
}
