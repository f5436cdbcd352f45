import { say, send, textsOf } from './harness.ts';
import type { Suite } from './task-store-suite.ts';

/** `upsertTask`, `getTask`, and the whole-task upsert of the client side. */
export function testUpsert({ describe, expect, test, rejects }: Suite): void {
  describe('upsertTask', () => {
    test('creates a submitted task with the message as its history', async ({ store }) => {
      const push = { url: 'https://example.org/push', token: 'secret' };
      const params = send('t1', 'hello', { metadata: { a: 1 }, pushNotification: push });
      const stored = await store.upsertTask(params, { isStreaming: true, callerId: 'ann' });
      expect(stored).toMatchObject({ id: 't1', callerId: 'ann', taskType: 'incoming', isStreaming: true });
      expect(stored.task).toMatchObject({
        id: 't1',
        sessionId: 'session-1',
        status: { state: 'submitted', message: params.message },
        history: [params.message],
        metadata: { a: 1 },
      });
      expect(new Date(stored.task.status.timestamp as string).toISOString()).toBe(stored.task.status.timestamp);
      if (store.capabilities.lossless) expect(stored.pushNotification).toEqual(push);
      expect(Date.parse(stored.updatedAt)).toBeGreaterThanOrEqual(Date.parse(stored.createdAt));
      expect(stored.agentUrl).toBe(undefined);
    });

    test('gives a task without a session a fresh one, each its own', async ({ store }) => {
      const [a, b] = await Promise.all(['a', 'b'].map((id) => store.upsertTask({ id, message: say('hi') })));
      expect(typeof a?.task.sessionId).toBe('string');
      expect(a?.task.sessionId).not.toBe('');
      expect(a?.task.sessionId).not.toBe(b?.task.sessionId);
      const again = await store.upsertTask({ id: 'a', message: say('more') });
      expect(again.task.sessionId).toBe(a?.task.sessionId);
    });

    test('appends to a known task, merges metadata, and keeps status and session', async ({ store }) => {
      await store.upsertTask(send('t1', 'one', { metadata: { a: 1, b: { deep: true } } }));
      await store.updateTask('t1', { status: { state: 'input-required' } });
      const before = await store.getTask('t1');
      const more = send('t1', 'two', { sessionId: 'session-2', metadata: { b: 2, c: 3 } });
      const after = await store.upsertTask(more);
      expect(textsOf(after.task.history)).toEqual(['one', 'two']);
      expect(after.task.status).toEqual(before?.task.status);
      expect(after.task.sessionId).toBe('session-1');
      if (store.capabilities.lossless) expect(after.task.metadata).toEqual({ a: 1, b: 2, c: 3 });
      expect(after.createdAt).toBe(before?.createdAt);
      expect(after.updatedAt >= (before?.updatedAt as string)).toBe(true);
    });

    test('replaces the push configuration only where one is given', async ({ store }) => {
      if (!store.capabilities.lossless) return;
      await store.upsertTask(send('t1', 'one', { pushNotification: { url: 'https://a.example', token: 't' } }));
      expect((await store.upsertTask(send('t1', 'two'))).pushNotification).toEqual({
        url: 'https://a.example',
        token: 't',
      });
      const replaced = await store.upsertTask(send('t1', 'three', { pushNotification: { url: 'https://b.example' } }));
      expect(replaced.pushNotification).toEqual({ url: 'https://b.example' });
    });

    test('answers what getTask then gives', async ({ store }) => {
      const first = await store.upsertTask(send('t1', 'one'));
      expect(await store.getTask('t1')).toEqual(first);
      const second = await store.upsertTask(send('t1', 'two'));
      expect(await store.getTask('t1')).toEqual(second);
    });

    test('leaves a finished task finished', async ({ store }) => {
      await store.upsertTask(send('t1', 'one'));
      await store.updateTask('t1', { status: { state: 'completed' } });
      const after = await store.upsertTask(send('t1', 'two'));
      expect(after.task.status.state).toBe('completed');
      expect(textsOf(after.task.history)).toEqual(['one', 'two']);
    });
  });

  describe('getTask', () => {
    test('answers undefined for a task that is not there', async ({ store }) => {
      expect(await store.getTask('nothing')).toBe(undefined);
      expect(await store.getTaskForClient('nothing')).toBe(undefined);
    });

    test('gives the last messages that historyLength asks for', async ({ store }) => {
      for (let i = 0; i < 40; i++) await store.upsertTask(send('t1', `m${i}`));
      const texts = async (historyLength?: number) =>
        textsOf((await store.getTask('t1', { historyLength }))?.task.history);
      expect(await texts(3)).toEqual(['m37', 'm38', 'm39']);
      expect(await texts(25)).toEqual(Array.from({ length: 25 }, (_, i) => `m${i + 15}`));
      expect((await texts(1000)).length).toBe(40);
      expect((await texts()).length).toBe(40);
      expect((await store.getTask('t1', { historyLength: 0 }))?.task.history).toEqual([]);
    });

    test('answers writes with the last messages that historyLength asks for', async ({ store }) => {
      const upsert = async (text: string, inParams?: number, inOptions?: number) => {
        const params = send('t1', text, { historyLength: inParams });
        return textsOf((await store.upsertTask(params, { historyLength: inOptions })).task.history);
      };
      expect(await upsert('one', 0)).toEqual([]);
      expect(await upsert('two', 1)).toEqual(['two']);
      expect(await upsert('three', undefined, 2)).toEqual(['two', 'three']);
      // The call's own option is the nearer one.
      expect(await upsert('four', 3, 1)).toEqual(['four']);
      expect(await upsert('five')).toEqual(['one', 'two', 'three', 'four', 'five']);
      const update = { newMessages: [say('six')] };
      expect(textsOf((await store.updateTask('t1', update, { historyLength: 2 })).task.history)).toEqual([
        'five',
        'six',
      ]);
    });

    test('refuses a negative or fractional historyLength', async ({ store }) => {
      await store.upsertTask(send('t1', 'one'));
      for (const historyLength of [-1, 1.5, Number.NaN, '1']) {
        await rejects(store.getTask('t1', { historyLength: historyLength as number }), 'INVALID_ARGUMENT');
      }
    });

    test('leaves the artifacts out where asked', async ({ store }) => {
      await store.upsertTask(send('t1', 'one'));
      await store.updateTask('t1', { artifactsUpdates: [{ parts: [{ type: 'text', text: 'x' }] }] });
      expect((await store.getTask('t1', { includeArtifacts: false }))?.task.artifacts).toBe(undefined);
      expect((await store.getTask('t1'))?.task.artifacts?.length).toBe(1);
    });
  });

  describe('upsertTaskForClient', () => {
    const task = {
      id: 't1',
      sessionId: 's',
      status: { state: 'working' as const, timestamp: '2026-01-01T00:00:00.000Z' },
      history: [say('one'), say('two', 'agent')],
      artifacts: [{ index: 0, name: 'a', parts: [{ type: 'text' as const, text: 'x' }] }],
      metadata: { k: [1, null, { z: 'ü' }] },
    };

    test('stores the whole task, in place of what was there', async ({ store }) => {
      const first = await store.upsertTaskForClient(task, 'https://agent.example');
      expect(first).toMatchObject({ id: 't1', taskType: 'outgoing', agentUrl: 'https://agent.example' });
      expect(first.task).toEqual(task);
      const shorter = { id: 't1', sessionId: 's', status: task.status, history: [say('only')] };
      const second = await store.upsertTaskForClient(shorter, 'https://other.example');
      expect(second.task.history).toEqual(shorter.history);
      expect(second.task.artifacts ?? []).toEqual([]);
      expect(second.agentUrl).toBe('https://other.example');
      expect(second.createdAt).toBe(first.createdAt);
      expect(await store.getTaskForClient('t1')).toEqual(second);
    });

    test('keeps it through a reopening, and honours historyLength', async ({ store, reopen }) => {
      await store.upsertTaskForClient(task, 'https://agent.example', { callerId: 'ann' });
      if (!store.backend || store.backend.survives === 'nothing') return;
      const reopened = await reopen();
      expect((await reopened.getTaskForClient('t1', { callerId: 'ann' }))?.task).toEqual(task);
      const last = await reopened.getTaskForClient('t1', { callerId: 'ann', historyLength: 1 });
      expect(textsOf(last?.task.history)).toEqual(['two']);
    });

    test('is a task of its own beside an incoming one of the same id', async ({ store }) => {
      await store.upsertTaskForClient(task, 'https://agent.example');
      expect(await store.getTask('t1')).toBe(undefined);
      await store.upsertTask(send('t1', 'incoming'));
      expect(textsOf((await store.getTaskForClient('t1'))?.task.history)).toEqual(['one', 'two']);
      expect(textsOf((await store.getTask('t1'))?.task.history)).toEqual(['incoming']);
    });
  });
}
