import type { UpdateTaskParams } from '../core/task.ts';
import { say, send, textPart, textsOf } from './harness.ts';
import type { Suite } from './task-store-suite.ts';

/** Every way a field can be wrong, with the path that the error has to name. */
const wrong: readonly [path: string, params: unknown][] = [
  ['', null],
  ['', 'text'],
  ['', []],
  ['status', { status: 1 }],
  ['status.state', { status: {} }],
  ['status.state', { status: { state: 'done' } }],
  ['status.timestamp', { status: { state: 'working', timestamp: 'yesterday' } }],
  ['status.timestamp', { status: { state: 'working', timestamp: 5 } }],
  ['status.message', { status: { state: 'working', message: 'hi' } }],
  ['status.message.role', { status: { state: 'working', message: { role: 'system', parts: [] } } }],
  ['newMessages', { newMessages: say('x') }],
  ['newMessages.1.parts', { newMessages: [say('x'), { role: 'user' }] }],
  ['newMessages.0.parts.0', { newMessages: [{ role: 'user', parts: ['x'] }] }],
  ['newMessages.0.parts.0.type', { newMessages: [{ role: 'user', parts: [{ text: 'x' }] }] }],
  ['newMessages.0.parts.0.type', { newMessages: [{ role: 'user', parts: [{ type: 'toString' }] }] }],
  ['newMessages.0.parts.0.type', { newMessages: [{ role: 'user', parts: [{ type: { toString: null } }] }] }],
  ['newMessages.0.parts.0.text', { newMessages: [{ role: 'user', parts: [{ type: 'text', text: 1 }] }] }],
  ['newMessages.0.parts.0.data', { newMessages: [{ role: 'user', parts: [{ type: 'data' }] }] }],
  ['newMessages.0.parts.0.file', { newMessages: [{ role: 'user', parts: [{ type: 'file' }] }] }],
  ['newMessages.0.parts.0.file', { newMessages: [{ role: 'user', parts: [{ type: 'file', file: {} }] }] }],
  [
    'newMessages.0.parts.0.file',
    { newMessages: [{ role: 'user', parts: [{ type: 'file', file: { bytes: 'AA==', uri: 'a:b' } }] }] },
  ],
  [
    'newMessages.0.parts.0.file.name',
    { newMessages: [{ role: 'user', parts: [{ type: 'file', file: { uri: 'a:b', name: 1 } }] }] },
  ],
  ['newMessages.0.metadata', { newMessages: [{ ...say('x'), metadata: [] }] }],
  ['metadata', { metadata: 'x' }],
  ['metadata', { metadata: null }],
  ['metadata.a.b', { metadata: { a: { b: () => 1 } } }],
  ['metadata.a.0', { metadata: { a: [Number.NaN] } }],
  ['metadata.when', { metadata: { when: new Date(0) } }],
  ['metadata.big', { metadata: { big: 1n } }],
  ['artifactsUpdates', { artifactsUpdates: {} }],
  ['artifactsUpdates.0.parts', { artifactsUpdates: [{}] }],
  ['artifactsUpdates.0.index', { artifactsUpdates: [{ index: -1, parts: [] }] }],
  ['artifactsUpdates.0.index', { artifactsUpdates: [{ index: 0.5, parts: [] }] }],
  ['artifactsUpdates.0.lastChunk', { artifactsUpdates: [{ parts: [], lastChunk: 'yes' }] }],
  ['artifactsUpdates.0.append', { artifactsUpdates: [{ parts: [], append: 1 }] }],
  ['artifactsUpdates.0.name', { artifactsUpdates: [{ parts: [], name: 1 }] }],
  ['artifactsUpdates.0.description', { artifactsUpdates: [{ parts: [], description: 1 }] }],
  ['pushNotification.url', { pushNotification: {} }],
  ['pushNotification.token', { pushNotification: { url: 'u', token: 1 } }],
  ['pushNotification.authentication.schemes', { pushNotification: { url: 'u', authentication: {} } }],
  ['callerId', { callerId: '' }],
  ['callerId', { callerId: 1 }],
  ['taskType', { taskType: 'sideways' }],
];

/** Bad input is refused with its path and changes nothing; odd but good input is kept to the letter. */
export function testInput({ describe, expect, test, rejects, harness }: Suite): void {
  describe('input', () => {
    test('names the bad field and changes nothing', async ({ store }) => {
      const before = await store.upsertTask(send('t1', 'one'));
      for (const [path, params] of wrong) {
        const good = { newMessages: [say('must not be kept')] };
        const mixed = typeof params === 'object' && params && !Array.isArray(params) ? { ...good, ...params } : params;
        const error = await rejects(store.updateTask('t1', mixed as UpdateTaskParams), 'INVALID_ARGUMENT');
        const { issues, message } = error as { issues: { path: unknown[] }[]; message: string };
        expect([path, issues.map((issue) => issue.path.join('.'))]).toEqual([path, [path]]);
        expect(message).toContain('updateTask');
        expect(message).toContain('t1');
      }
      expect(await store.getTask('t1')).toEqual(before);
    });

    test('refuses empty ids, and other arguments out of shape', async ({ store }) => {
      // biome-ignore lint/suspicious/noExplicitAny: wrong on purpose
      const any = (value: unknown) => value as any;
      const refused = [
        store.upsertTask(send('', 'x')),
        store.upsertTask(any({ id: 't1' })),
        store.upsertTask(any(undefined)),
        store.upsertTask(send('t1', 'x'), { callerId: '' }),
        store.upsertTask(send('t1', 'x'), any({ isStreaming: 'yes' })),
        store.upsertTask(send('t1', 'x', { historyLength: -1 })),
        store.upsertTask(send('t1', 'x', any({ acceptedOutputModes: [1] }))),
        store.getTask(''),
        store.getTask(any(5)),
        store.updateTask('', {}),
        store.upsertTaskForClient(any({ id: 't1' }), 'https://a.example'),
        store.upsertTaskForClient({ id: 't1', status: { state: 'working' } }, any(undefined)),
      ];
      if (store.capabilities.delete) {
        refused.push(any(store.deleteTask('')), any(store.deleteTask('t1', { callerId: '' })));
      }
      for (const call of refused) await rejects(call, 'INVALID_ARGUMENT');
      expect(await store.getTask('t1')).toBe(undefined);
    });

    test('keeps keys that A2A does not name, and the order of items', async ({ store, reopen }) => {
      if (!store.capabilities.lossless) return;
      const message = {
        ...say('x'),
        messageId: 'm1',
        kind: 'message',
        extensions: [],
        parts: [{ ...textPart('p'), x: null }],
      };
      const artifact = { index: 2, parts: [textPart('a')], artifactId: 'a1', deep: { er: [{}] } };
      const task = {
        id: 't1',
        contextId: 'c1',
        kind: 'task',
        status: { state: 'rejected' as const, timestamp: '2026-01-01T00:00:00Z', extra: 1 },
        history: [message],
        artifacts: [artifact],
      };
      await store.upsertTaskForClient(task, 'https://a.example');
      await store.upsertTask({ id: 't1', sessionId: 's', message });
      await store.updateTask('t1', { artifactsUpdates: [artifact] });
      const reopened = store.backend.survives === 'nothing' ? store : await reopen();
      expect((await reopened.getTaskForClient('t1'))?.task).toEqual(task);
      const incoming = (await reopened.getTask('t1'))?.task;
      expect(incoming?.history).toEqual([message]);
      expect(incoming?.artifacts).toEqual([artifact]);
    });

    test('keeps hostile content to the letter', async ({ store, reopen }) => {
      if (!store.capabilities.lossless) return;
      const odd = JSON.parse(
        '{"__proto__":{"polluted":true},"constructor":1,"":"empty","a\\u0000b":"\\ud800 \\u2028"}',
      );
      let deep: unknown = 'bottom';
      for (let i = 0; i < 200; i++) deep = i % 2 ? [deep] : { deep };
      const texts = [
        '',
        ' ',
        '\u0000',
        '\ud800',
        '\udc00\ud800',
        '\u2028\u2029',
        '"\\\n\r\t',
        '</script>',
        '𝕏'.repeat(100),
      ];
      const params: UpdateTaskParams = {
        newMessages: texts.map((text) => say(text)),
        metadata: { odd, deep, numbers: [0, -1.5, 1e300, 5e-324, 2 ** 53], flags: [true, false, null] },
      };
      await store.upsertTask(send('t1', 'x'));
      await store.updateTask('t1', params);
      const reopened = store.backend.survives === 'nothing' ? store : await reopen();
      const { metadata, history } = (await reopened.getTask('t1'))?.task ?? {};
      expect(history?.slice(1)).toEqual(params.newMessages);
      expect(JSON.stringify(metadata)).toBe(JSON.stringify(params.metadata));
      expect(({} as { polluted?: boolean }).polluted).toBe(undefined);
    });

    test('leaves out what is undefined, as JSON does', async ({ store }) => {
      await store.upsertTask({ ...send('t1', 'x'), metadata: undefined, sessionId: undefined });
      await store.updateTask('t1', { status: undefined, newMessages: [{ ...say('y'), metadata: undefined }] });
      const history = (await store.getTask('t1'))?.task.history ?? [];
      expect(Object.keys(history[1] ?? {}).sort()).toEqual(['parts', 'role']);
    });

    test('refuses nesting without end, with the field', async ({ store }) => {
      const before = await store.upsertTask(send('t1', 'x'));
      const cycle: Record<string, unknown> = {};
      cycle.again = cycle;
      const ring: unknown[] = [];
      ring.push(ring);
      for (const metadata of [cycle, { ring }]) {
        const error = await rejects(store.updateTask('t1', { metadata }), 'INVALID_ARGUMENT');
        expect((error as { issues: { path: unknown[] }[] }).issues[0]?.path[0]).toBe('metadata');
      }
      expect(await store.getTask('t1')).toEqual(before);
    });

    if (harness.hugeMessages === false) return;
    test('keeps a message of 50 MB', async ({ store, reopen }) => {
      const huge = 'ä0123456789'.repeat(5_000_000).slice(0, 50_000_000);
      await store.upsertTask(send('t1', huge));
      await store.updateTask('t1', { newMessages: [say('after')] });
      const reopened = store.backend.survives === 'nothing' ? store : await reopen();
      const history = (await reopened.getTask('t1'))?.task.history ?? [];
      expect(history.length).toBe(2);
      expect(textsOf(history)[0] === huge).toBe(true);
    });
  });
}
