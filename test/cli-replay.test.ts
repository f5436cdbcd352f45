import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, test } from 'vitest';
import { openTaskStore } from '../src/json-file.ts';
import { ask, chunk, says } from './support/agent.ts';
import { runCli, startServe } from './support/cli.ts';
import { newFolder } from './support/places.ts';

const recorded = fileURLToPath(new URL('../../shared/agent-runs', import.meta.url));

let cwd: string;
beforeEach(() => {
  cwd = newFolder();
});
const replay = (...args: string[]) => runCli(['replay', ...args], { cwd });

/** A folder of runs, each a list of lines. */
function makeRuns(runs: Record<string, readonly unknown[]>): void {
  mkdirSync(join(cwd, 'runs'));
  for (const [name, lines] of Object.entries(runs)) {
    const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
    writeFileSync(join(cwd, 'runs', name), text);
  }
}

test('without a folder, generated runs are kept, always the same', async () => {
  const { status, stdout, stderr } = await replay('--store', 'a.json');
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(
    /^runs +6\noperations +199\ntasks +6\n {2}completed +5\n {2}failed +1\nmessages +36\nartifact parts +163\n/,
  );
  expect(stdout).toMatch(/Kept in a\.json\. Closed and opened again: 6 of 6 tasks equal what was acknowledged\.\n$/);
  const { store: _, seconds, operationsPerSecond, ...counts } = JSON.parse((await replay('--json')).stdout);
  expect(seconds).toBeGreaterThan(0);
  expect(operationsPerSecond).toBeGreaterThan(0);
  expect(counts).toMatchObject({ runs: 6, operations: 199, tasks: 6, problems: [], skipped: [], different: [] });
});

test('what is left in the store is what the runs say', async () => {
  makeRuns({
    'a.ndjson': [
      { upsert: ask('t1', 'one') },
      { update: { artifactsUpdates: [chunk('a')] } },
      '',
      { update: { artifactsUpdates: [chunk('b')], status: { state: 'input-required', message: says('which?') } } },
      { upsert: ask('t1', 'two') },
      { upsert: ask('t2', 'other') },
      { update: { status: { state: 'completed' } } },
    ],
    'b.ndjson': [{ upsert: ask('t3', 'three') }],
    'notes.txt': ['not a run'],
  });
  const { status, stdout } = await replay('runs', '--store', 'a.json', '--json');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    runs: 2,
    operations: 7,
    tasks: 3,
    states: { 'input-required': 1, completed: 1, submitted: 1 },
    messages: 5,
    artifactParts: 2,
    fileSize: readFileSync(join(cwd, 'a.json')).length,
  });
  await using store = await openTaskStore({ path: join(cwd, 'a.json') });
  const stored = await store.getTask('t1');
  expect(stored?.task.history).toEqual([says('one', 'user'), says('which?'), says('two', 'user')]);
  expect(stored?.task.artifacts?.[0]?.parts).toEqual([chunk('a').parts[0], chunk('b').parts[0]]);
});

test('a line that cannot be replayed is reported with file and number; the rest goes on', async () => {
  makeRuns({
    'a.ndjson': [
      { update: { status: { state: 'working' } } },
      { upsert: ask('t1') },
      '{"update": {"status"',
      { update: { status: { state: 'asleep' } } },
      { insert: {} },
      { update: {}, upsert: ask('t1') },
      '[]',
      { update: { artifactsUpdates: [chunk('a', { lastChunk: true })] } },
      { update: { artifactsUpdates: [chunk('b')] } },
      { upsert: { id: 't1' } },
      { upsert: null },
      { update: { status: { state: 'completed' } } },
    ],
    'b.ndjson': [{ upsert: ask('t2') }],
  });
  mkdirSync(join(cwd, 'runs', 'c.ndjson'));
  writeFileSync(join(cwd, 'runs', 'd.ndjson'), Buffer.from(JSON.stringify({ upsert: ask('é') }), 'latin1'));
  const { status, stdout, stderr } = await replay('runs', '--store', 'a.json');
  expect(status).toBe(1);
  const places = stderr
    .trimEnd()
    .split('\n')
    .map((line) => line.split(': ')[0]);
  expect(places.sort()).toEqual(
    ['a.ndjson:1', ...[3, 4, 5, 6, 7, 9, 10, 11].map((line) => `a.ndjson:${line}`), 'c.ndjson:1', 'd.ndjson:1'].sort(),
  );
  expect(stdout).toMatch(/^operations +4$/m);
  expect(stdout).toMatch(/^lines not replayed +11$/m);
  expect(stdout).toMatch(/2 of 2 tasks equal/);
  const { problems } = JSON.parse((await replay('runs', '--json')).stdout);
  expect(problems).toContainEqual({ file: 'a.ndjson', line: 4, message: expect.stringContaining('status.state') });
});

test('tasks that are in the store already are left alone', async () => {
  expect((await replay('--store', 'a.json')).status).toBe(0);
  const before = readFileSync(join(cwd, 'a.json'), 'utf8');
  const { status, stdout } = await replay('--store', 'a.json', '--json');
  expect(status).toBe(0);
  const { operations, skipped } = JSON.parse(stdout);
  expect(operations).toBe(0);
  expect(skipped).toHaveLength(6);
  expect(readFileSync(join(cwd, 'a.json'), 'utf8')).toBe(before);
});

test('runs that share a task are compared with the last answer of all', async () => {
  const lines = (text: string) => [
    { upsert: ask('t1', text) },
    ...Array(20).fill({ update: { newMessages: [says(text)] } }),
  ];
  makeRuns({ 'a.ndjson': lines('a'), 'b.ndjson': lines('b'), 'c.ndjson': lines('c') });
  const { status, stdout } = await replay('runs', '--json');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ tasks: 1, messages: 63, different: [] });
});

test('replays to an endpoint', async () => {
  const { url } = await startServe(['--api-key', 'secret'], { cwd });
  const { status, stdout } = await replay('--url', url, '--api-key', 'secret', '--json');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ store: url, runs: 6, operations: 199, tasks: 6, different: [] });
  const refused = await replay('--url', url, '--api-key', 'wrong');
  expect(refused.status).toBe(1);
  expect(refused.stderr).toMatch(/UNAUTHORIZED/);
  const nobody = await replay('--url', 'http://127.0.0.1:9/api', '--api-key', 'secret');
  expect(nobody.status).toBe(1);
  expect(nobody.stderr).toMatch(/REMOTE_UNREACHABLE/);
});

test.runIf(existsSync(recorded))('replays the recorded runs', async () => {
  const { status, stdout } = await replay(recorded, '--store', 'a.json', '--json');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ runs: 85, operations: 2391, tasks: 85, problems: [], different: [] });
});
