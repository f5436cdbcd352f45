import type { Metadata, StoredTask } from '../core/task.ts';
import type { TaskStore } from '../task-store.ts';
import { newPlace, say, send, textPart } from './harness.ts';
import type { Suite } from './task-store-suite.ts';

/** `exportTasks`, `importTasks` and `prune`. */
export function testTransfer({ describe, expect, test, rejects, harness }: Suite): void {
  const fill = async (store: TaskStore) => {
    for (let i = 0; i < 7; i++) {
      const callerId = [undefined, 'ann'][i % 2];
      await store.upsertTask(send(`t${i}`, 'one', { metadata: { i } }), { callerId, isStreaming: i > 3 });
      const chunk = { artifactsUpdates: [{ index: 1, name: 'a', parts: [textPart('x')] }], newMessages: [say('two')] };
      await store.updateTask(`t${i}`, { callerId, ...chunk, pushNotification: { url: 'https://p.example' } });
    }
    await store.upsertTaskForClient({ id: 'out', status: { state: 'working' } }, 'https://a.example');
  };

  const exported = async (store: TaskStore, options?: { callerId?: string }) => {
    const lines: string[] = [];
    for await (const line of store.exportTasks(options)) lines.push(line);
    return lines;
  };

  const sorted = (lines: readonly string[]) =>
    lines.map((line) => JSON.parse(line) as StoredTask).sort((a, b) => (a.id < b.id ? -1 : 1));

  describe('exportTasks and importTasks', () => {
    test('are refused where the store declares so', async ({ store }) => {
      if (store.capabilities.transfer) return;
      await rejects(
        Promise.resolve().then(() => store.exportTasks().next()),
        'UNSUPPORTED',
      );
      await rejects(
        Promise.resolve().then(() => store.importTasks('')),
        'UNSUPPORTED',
      );
      await rejects(
        Promise.resolve().then(() => store.prune({ olderThan: new Date() })),
        'UNSUPPORTED',
      );
    });

    test('carry every task from one store to another, whole', async ({ store }) => {
      if (!store.capabilities.transfer) return;
      await fill(store);
      const lines = await exported(store);
      expect(lines.length).toBe(8);
      for (const line of lines) expect(line.indexOf('\n')).toBe(line.length - 1);
      const place = newPlace();
      const other = await harness.open(place);
      try {
        expect(await other.importTasks(lines.join(''))).toEqual({ imported: 8, skipped: 0, failed: [] });
        expect(sorted(await exported(other))).toEqual(sorted(lines));
        expect((await exported(store, { callerId: 'ann' })).length).toBe(3);
        expect((await other.getTask('t1', { callerId: 'ann' }))?.task).toEqual(
          (await store.getTask('t1', { callerId: 'ann' }))?.task,
        );
      } finally {
        await other.close();
        await harness.cleanUp?.(place);
      }
    });

    test('leave out what is deleted meanwhile', async ({ store }) => {
      if (!store.capabilities.transfer || !store.capabilities.delete) return;
      for (const id of ['t1', 't2', 't3']) await store.upsertTask(send(id, 'one'));
      const left = ['t1', 't2', 't3'];
      const ids: string[] = [];
      for await (const line of store.exportTasks()) {
        const { id } = JSON.parse(line) as StoredTask;
        ids.push(id);
        left.splice(left.indexOf(id), 1);
        const gone = ids.length === 1 && left.shift();
        if (gone) await store.deleteTask(gone);
      }
      expect(ids.length).toBe(2);
    });

    test('end with their signal, half way', async ({ store }) => {
      if (!store.capabilities.transfer) return;
      await fill(store);
      const lines = await exported(store);
      const end = new AbortController();
      const exporting = store.exportTasks({ signal: end.signal });
      await exporting.next();
      let taken = 0;
      const source = async function* () {
        for (const line of lines) {
          if (taken++ === 2) end.abort(new Error('enough'));
          yield line;
        }
      };
      const outcome = await store.importTasks(source(), { signal: end.signal }).catch((error: Error) => error.message);
      expect(outcome).toBe('enough');
      // Nothing goes on behind the caller's back.
      await new Promise<void>((resolve) => setTimeout(resolve));
      expect(taken).toBe(3);
      expect(await exporting.next().catch((error: Error) => error.message)).toBe('enough');
    });

    test('take a task that is there already as they are told', async ({ store }) => {
      if (!store.capabilities.transfer) return;
      await store.upsertTask(send('t1', 'one'));
      const lines = await exported(store);
      await store.upsertTask(send('t1', 'two'));
      expect(await store.importTasks(lines)).toMatchObject({ imported: 0, skipped: 1 });
      expect((await store.getTask('t1'))?.task.history?.length).toBe(2);
      expect(await store.importTasks(lines, { onConflict: 'replace' })).toMatchObject({ imported: 1, skipped: 0 });
      expect((await store.getTask('t1'))?.task.history?.length).toBe(1);
    });

    test('name bad lines and take the others, however the input is cut', async ({ store }) => {
      if (!store.capabilities.transfer) return;
      await fill(store);
      const good = await exported(store);
      const first = JSON.parse(good[0] ?? '') as StoredTask;
      const ofTwoIds = `${JSON.stringify({ ...first, id: 'another' })}\n`;
      const text = [good[0], '\n', 'not json\n', good[1], '{"id":"x"}\n', ofTwoIds, ...good.slice(2)].join('');
      const bytes = new TextEncoder().encode(text);
      const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) => bytes.subarray(i * 7, i * 7 + 7));
      const place = newPlace();
      const other = await harness.open(place);
      try {
        const result = await other.importTasks(
          (async function* () {
            yield* pieces;
          })(),
        );
        expect([result.imported, result.skipped]).toEqual([8, 0]);
        expect(result.failed.map(({ line, error }) => [line, error.code])).toEqual([
          [3, 'INVALID_ARGUMENT'],
          [5, 'INVALID_ARGUMENT'],
          [6, 'INVALID_ARGUMENT'],
        ]);
      } finally {
        await other.close();
        await harness.cleanUp?.(place);
      }
    });

    test('take one object that the source fills again and again', async ({ store }) => {
      if (!store.capabilities.transfer) return;
      await store.upsertTask(send('t', 'one'));
      const [line = ''] = await exported(store);
      const stored = JSON.parse(line) as StoredTask;
      const source = function* () {
        for (let i = 0; i < 5; i++) {
          stored.id = stored.task.id = `t${i}`;
          yield stored;
        }
      };
      expect(await store.importTasks(source())).toEqual({ imported: 5, skipped: 0, failed: [] });
      expect((await exported(store)).length).toBe(6);
    });

    test('carry values as deep as the store takes them', async ({ store, reopen }) => {
      if (!store.capabilities.transfer) return;
      const deep: Metadata = {};
      for (let depth = 1, inner = deep; depth < 500; depth++) inner = inner.in = {} as Metadata;
      await rejects(store.upsertTask(send('deeper', 'x', { metadata: { deep } })), 'INVALID_ARGUMENT');
      const message = { ...say('x'), metadata: deep.in as Metadata };
      await store.upsertTask(send('t', 'x', { message, metadata: deep }));
      const reopened = store.backend.survives === 'nothing' ? store : await reopen();
      const lines = await exported(reopened);
      expect(lines.length).toBe(1);
      expect(await reopened.importTasks(lines, { onConflict: 'replace' })).toMatchObject({ imported: 1 });
      expect((await reopened.getTask('t'))?.task.metadata).toEqual(deep);
    });

    test('end while a task keeps changing, and with the store', async () => {
      const place = newPlace();
      let time = Date.now();
      // Each change has a time of its own, however fast they come.
      const store = await harness.open(place, { environment: { now: () => ++time } });
      try {
        if (!store.capabilities.transfer || harness.clock === false) return;
        for (const id of ['t1', 't2', 't3']) await store.upsertTask(send(id, 'one'));
        let changes = 0;
        let isDone = false;
        const streaming = (async () => {
          for (; !isDone && changes < 5000; changes++) await store.updateTask('t1', { metadata: { changes } });
        })();
        expect((await exported(store)).length).toBe(3);
        isDone = true;
        await streaming;
        expect(changes < 5000).toBe(true);
        const lines = store.exportTasks();
        await lines.next();
        await store.close();
        await rejects(lines.next(), 'STORE_CLOSED');
      } finally {
        await store.close();
        await harness.cleanUp?.(place);
      }
    });
  });

  describe('prune', () => {
    test('deletes old finished tasks, and no others', async ({ store }) => {
      if (!store.capabilities.transfer) return;
      for (const state of ['completed', 'failed', 'canceled', 'rejected', 'working', 'input-required'] as const) {
        await store.upsertTask(send(state, 'x'), { callerId: 'ann' });
        await store.updateTask(state, { callerId: 'ann', status: { state } });
      }
      expect(await store.prune({ olderThan: new Date(Date.now() - 60_000) })).toBe(0);
      const future = new Date(Date.now() + 60_000);
      expect(await store.prune({ olderThan: future, states: ['failed', 'working'] })).toBe(1);
      expect(await store.getTask('failed', { callerId: 'ann' })).toBe(undefined);
      expect(await store.prune({ olderThan: future.toISOString() })).toBe(3);
      const left = await store.listTasks({ callerId: 'ann' });
      expect(left.tasks.map(({ id }) => id).sort()).toEqual(['input-required', 'working']);
      await rejects(store.prune({ olderThan: 'soon' }), 'INVALID_ARGUMENT');
      await rejects(store.prune({ olderThan: future, states: ['done' as 'failed'] }), 'INVALID_ARGUMENT');
      await store.updateTask('working', { callerId: 'ann', status: { state: 'completed' } });
      expect(await store.prune({ olderThan: new Date(8.64e15) })).toBe(1);
    });
  });
}
