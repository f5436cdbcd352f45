/** The parts of the demo page that show sync: faults, comparison, words. */
import { expect, test } from 'vitest';
import { compare } from '../demo/page/sync/compare.ts';
import { type Attempt, countItems, faultyFetch } from '../demo/page/sync/faulty-fetch.ts';
import { inWords } from '../demo/page/sync/status-words.ts';
import { fromKey, keyOf } from '../demo/page/task-key.ts';
import { duration, size } from '../demo/page/ui/format.ts';
import { type Message, type StoredTask, TaskStoreError } from '../src/index.ts';

const say = (text: string): Message => ({ role: 'agent', parts: [{ type: 'text', text }] });

function setUp(offline = false, loseAnswers = false) {
  const switches = { offline, loseAnswers };
  const attempts: Attempt[] = [];
  const reached: string[] = [];
  const fetch = faultyFetch({
    switches: () => switches,
    onAttempt: (attempt) => attempts.push(attempt),
    fetch: async (input) => {
      reached.push((input as Request).url);
      return Response.json({ ok: true });
    },
    now: () => 0,
  });
  return { switches, attempts, reached, fetch };
}

test('of every three answers one is lost, after the server had the request', async () => {
  const { fetch, reached, attempts } = setUp(false, true);
  const outcomes = [];
  for (let i = 0; i < 6; i++) outcomes.push(await fetch('http://h/api/tasks/a%20b').then(() => 'ok', String));
  expect(outcomes).toEqual(['ok', 'ok', 'TypeError: Failed to fetch', 'ok', 'ok', 'TypeError: Failed to fetch']);
  expect(reached).toHaveLength(6);
  expect(attempts.filter(({ outcome }) => outcome === 'answer lost')).toHaveLength(2);
  expect(attempts[0]).toMatchObject({ method: 'GET', path: '/api/tasks/a b', outcome: 'under way' });
});

test('offline, nothing is sent', async () => {
  const { fetch, reached, attempts, switches } = setUp(true);
  await expect(fetch('http://h/api')).rejects.toThrow(TypeError);
  expect(reached).toEqual([]);
  expect(attempts.map(({ outcome }) => outcome)).toEqual(['under way', 'not sent']);
  switches.offline = false;
  expect((await fetch('http://h/api')).status).toBe(200);
});

test('the changes in a request are counted', () => {
  const body = { status: {}, new_messages: [1, 2], artifacts_updates: [{ parts: [1] }, { parts: [1, 2] }] };
  expect(countItems(JSON.stringify(body))).toBe(6);
  expect(countItems(JSON.stringify({ send_task_params: {} }))).toBe(1);
  expect(countItems('')).toBe(0);
});

test('both sides are compared item by item', () => {
  const stored = (history: Message[], parts: number): StoredTask => ({
    id: 't',
    taskType: 'incoming',
    isStreaming: false,
    createdAt: '',
    updatedAt: '',
    task: {
      id: 't',
      status: { state: 'working' },
      history,
      artifacts: [
        { index: 2, name: 'Sum', parts: Array.from({ length: parts }, () => ({ type: 'data', data: { a: 1, b: 2 } })) },
      ],
    },
  });
  const verdicts = (a: StoredTask | undefined, b: StoredTask | undefined) =>
    compare(a, b).map(({ name, verdict }) => `${name}: ${verdict}`);
  const whole = stored([say('a'), say('b')], 1);
  expect(verdicts(whole, structuredClone(whole))).toEqual([
    'State: equal',
    'Message 1: equal',
    'Message 2: equal',
    'Sum, part 1: equal',
  ]);
  expect(verdicts(whole, undefined).every((line) => line.endsWith('pending'))).toBe(true);
  expect(verdicts(stored([say('a')], 2), stored([say('x'), say('b')], 1))).toEqual([
    'State: equal',
    'Message 1: different',
    'Message 2: only there',
    'Sum, part 1: equal',
    'Sum, part 2: pending',
  ]);
  const reordered = {
    ...whole,
    task: {
      ...whole.task,
      history: [{ parts: [{ text: 'a', type: 'text' as const }], role: 'agent' as const }, say('b')],
    },
  };
  expect(verdicts(whole, reordered)).not.toContain('Message 1: different');
});

test('the state of sync is said in words', () => {
  const base = { pendingTasks: 1, oldestPendingAt: 0, blockedTasks: 0, leader: true };
  expect(inWords({ ...base, state: 'idle', pendingTasks: 0 }, 0)).toBe('The remote has everything.');
  expect(inWords({ ...base, state: 'offline' }, 5_000)).toBe(
    'The remote cannot be reached. Everything is kept here and goes up later: 1 task with changes that the remote has not got, the oldest for 5 s.',
  );
  const lastError = new TaskStoreError('UNAUTHORIZED', 'no');
  expect(inWords({ ...base, state: 'paused', lastError }, 0)).toMatch(/^The remote refuses the key/);
  expect(inWords({ ...base, state: 'paused' }, 0)).toMatch(/^Paused: 1 task/);
});

test('keys of tasks come back, and nonsense is none', () => {
  for (const ref of [
    { id: '["', taskType: 'incoming' as const },
    { id: 'a', taskType: 'outgoing' as const, callerId: '' },
  ])
    expect(fromKey(keyOf(ref))).toEqual({ callerId: undefined, ...ref });
  for (const key of ['', '[]', '{}', '["other","a"]', '["incoming",1]']) expect(fromKey(key)).toBeUndefined();
});

test('sizes and times read well', () => {
  expect([0, 999, 1_000, 5_400_000_000].map(size)).toEqual(['0 B', '999 B', '1.0 kB', '5.4 GB']);
  expect([-5, 59_000, 120_000, 7_200_000].map(duration)).toEqual(['0 s', '59 s', '2 min', '2 h']);
});
