import type { StoredTask } from '../core/task.ts';
import { say, send, textPart, textsOf } from './harness.ts';
import type { Suite } from './task-store-suite.ts';

/** Concurrency, snapshots, reopening and closing. */
export function testGuarantees({ describe, expect, test, rejects }: Suite): void {
  describe('guarantees', () => {
    test('applies concurrent changes to one task one after the other', async ({ store }) => {
      await store.upsertTask(send('t1', 'start'));
      const texts = Array.from({ length: 60 }, (_, i) => `m${i}`);
      const answers = await Promise.all(
        texts.map((text, i) =>
          store.updateTask('t1', {
            newMessages: [say(text)],
            artifactsUpdates: [{ index: i % 3, parts: [textPart(text)] }],
          }),
        ),
      );
      const { task } = (await store.getTask('t1')) as StoredTask;
      const kept = textsOf(task.history);
      expect([...kept].sort()).toEqual(['start', ...texts].sort());
      expect(task.artifacts?.flatMap(({ parts }) => textsOf(parts)).sort()).toEqual([...texts].sort());
      // Each answer holds its own change, and is one of the states the task went through.
      answers.forEach((answer, i) => {
        const seen = textsOf(answer.task.history);
        expect(seen).toContain(`m${i}`);
        expect(seen).toEqual(kept.slice(0, seen.length));
      });
    });

    test('keeps the order in which calls were made', async ({ store }) => {
      await store.upsertTask(send('t1', 'm0'));
      const calls = Array.from({ length: 30 }, (_, i) => store.updateTask('t1', { newMessages: [say(`m${i + 1}`)] }));
      await Promise.all(calls);
      const expected = Array.from({ length: 31 }, (_, i) => `m${i}`);
      expect(textsOf((await store.getTask('t1'))?.task.history)).toEqual(expected);
    });

    test('creates one task where several calls create it at once', async ({ store }) => {
      await Promise.all(Array.from({ length: 10 }, (_, i) => store.upsertTask(send('t1', `m${i}`))));
      expect(textsOf((await store.getTask('t1'))?.task.history).sort()).toEqual(
        Array.from({ length: 10 }, (_, i) => `m${i}`),
      );
    });

    test('lets one refused call not disturb those beside it', async ({ store }) => {
      await store.upsertTask(send('t1', 'one'));
      const results = await Promise.allSettled([
        store.updateTask('t1', { newMessages: [say('two')] }),
        store.updateTask('nothing', { newMessages: [say('no')] }),
        store.updateTask('t1', { newMessages: [say('three')] }),
      ]);
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(textsOf((await store.getTask('t1'))?.task.history)).toEqual(['one', 'two', 'three']);
    });

    test('hands out snapshots: nothing done to them or to arguments changes the store', async ({ store }) => {
      const params = send('t1', 'one', { metadata: { list: [1] } });
      const first = await store.upsertTask(params);
      const chunk = { index: 0, parts: [textPart('a')] };
      const second = await store.updateTask('t1', { artifactsUpdates: [chunk], newMessages: [say('two')] });
      const before = structuredClone(await store.getTask('t1'));

      const tamper = (change: () => unknown) => {
        try {
          change();
        } catch (error) {
          // A frozen snapshot may refuse; that protects the store just as well.
          expect(error instanceof TypeError).toBe(true);
        }
      };
      for (const stored of [first, second, (await store.getTask('t1')) as StoredTask]) {
        tamper(() => stored.task.history?.push(say('x')));
        tamper(() => stored.task.history?.splice(0, 1));
        tamper(() => Object.assign(stored.task.status, { state: 'failed' }));
        tamper(() => Object.assign(stored.task.history?.[0]?.parts[0] ?? {}, { text: 'tampered' }));
        tamper(() => stored.task.artifacts?.[0]?.parts.push(textPart('x')));
        tamper(() => Object.assign(stored.task.metadata ?? {}, { list: 'x' }));
        tamper(() => Object.assign(stored, { id: 'x', updatedAt: 'x' }));
      }
      tamper(() => params.message.parts.push(textPart('x')));
      tamper(() => Object.assign(params.metadata ?? {}, { list: 'x' }));
      tamper(() => chunk.parts.push(textPart('x')));
      expect(await store.getTask('t1')).toEqual(before);
    });

    test('keeps a snapshot as it was while the task goes on', async ({ store }) => {
      const first = await store.upsertTask(send('t1', 'one'));
      const early = (await store.getTask('t1')) as StoredTask;
      await store.updateTask('t1', { newMessages: [say('two')], artifactsUpdates: [{ parts: [textPart('a')] }] });
      expect(textsOf(first.task.history)).toEqual(['one']);
      expect(textsOf(early.task.history)).toEqual(['one']);
      expect(early.task.artifacts ?? []).toEqual([]);
    });

    test('takes a change as it was when the call was made', async ({ store }) => {
      await store.upsertTask(send('t1', 'one'));
      const message = { role: 'user' as const, parts: [textPart('as called')] };
      const call = store.updateTask('t1', { newMessages: [message] });
      message.parts[0] = textPart('changed later');
      await call;
      expect(textsOf((await store.getTask('t1'))?.task.history)).toEqual(['one', 'as called']);
    });

    test('has what was acknowledged when it is opened again', async ({ store, reopen }) => {
      if (store.backend.survives === 'nothing') return;
      for (let i = 0; i < 50; i++) {
        await store.upsertTask(send(`t${i % 5}`, `m${i}`, { metadata: { i } }));
        await store.updateTask(`t${i % 5}`, {
          status: { state: 'working' },
          artifactsUpdates: [{ index: i % 2, name: 'n', parts: [textPart(`p${i}`)] }],
        });
      }
      const before = await Promise.all(Array.from({ length: 5 }, (_, i) => store.getTask(`t${i}`)));
      let reopened = await reopen();
      for (const stored of before) expect(await reopened.getTask(stored?.id as string)).toEqual(stored);
      const more = await reopened.updateTask('t0', { newMessages: [say('later')], status: { state: 'completed' } });
      reopened = await reopen();
      expect(await reopened.getTask('t0')).toEqual(more);
      expect(await reopened.getTask('t1')).toEqual(before[1]);
    });

    test('keeps histories far longer than a segment, whole and in order', async ({ store, reopen }) => {
      await store.upsertTask(send('t1', 'm0'));
      const texts = Array.from({ length: 300 }, (_, i) => `m${i + 1}`);
      for (const text of texts) {
        await store.updateTask('t1', {
          newMessages: [say(text)],
          artifactsUpdates: [{ index: 0, parts: [textPart(text)] }],
        });
      }
      const reopened = store.backend.survives === 'nothing' ? store : await reopen();
      const { task } = (await reopened.getTask('t1')) as StoredTask;
      expect(textsOf(task.history)).toEqual(['m0', ...texts]);
      expect(textsOf(task.artifacts?.[0]?.parts)).toEqual(texts);
      const last = await reopened.getTask('t1', { historyLength: 100 });
      expect(textsOf(last?.task.history)).toEqual(texts.slice(-100));
    });

    test('closes once, and refuses calls afterwards', async ({ store }) => {
      await store.upsertTask(send('t1', 'one'));
      const underWay = store.updateTask('t1', { newMessages: [say('two')] });
      await Promise.all([store.close(), store.close()]);
      expect(textsOf((await underWay).task.history)).toEqual(['one', 'two']);
      await store.close();
      await rejects(store.getTask('t1'), 'STORE_CLOSED');
      await rejects(store.upsertTask(send('t1', 'late')), 'STORE_CLOSED');
    });

    test('is closed by await using', async ({ store }) => {
      await store[Symbol.asyncDispose]();
      await rejects(store.getTask('t1'), 'STORE_CLOSED');
    });

    test('ends a call whose signal is aborted', async ({ store }) => {
      await store.upsertTask(send('t1', 'one'));
      const signal = AbortSignal.abort(new Error('enough'));
      const outcome = await store.getTask('t1', { signal }).catch((error: Error) => error.message);
      expect(outcome).toBe('enough');
    });
  });
}
