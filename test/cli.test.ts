import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { StoredTask } from '../src/core/task.ts';
import { openTaskStore } from '../src/json-file.ts';
import { ask, chunk, says } from './support/agent.ts';
import { runCli, startCli, startServe } from './support/cli.ts';
import { crashCopy } from './support/json-file.ts';
import { newFolder } from './support/places.ts';

const commands = ['replay', 'serve', 'list', 'show', 'export', 'import', 'prune', 'compact', 'check'];

let cwd: string;
beforeEach(() => {
  cwd = newFolder();
});
const run = (...args: string[]) => runCli(args, { cwd });

/** A small store of two callers and three states. */
async function makeStore(path = join(cwd, 'holdfast.json')): Promise<void> {
  await using store = await openTaskStore({ path });
  await store.upsertTask(ask('t1', 'one'), { callerId: 'ann' });
  await store.updateTask('t1', {
    callerId: 'ann',
    status: { state: 'completed', message: says('done') },
    artifactsUpdates: [chunk('result', { name: 'answer' })],
  });
  await store.upsertTask(ask('t2', 'two'));
  await store.updateTask('t2', { status: { state: 'working' } });
  await store.upsertTaskForClient({ id: 't3', status: { state: 'failed' } }, 'https://agent.example');
}

test('a store that was never closed is there: held by its process, and as that left it when it was killed', async () => {
  const path = join(cwd, 'holdfast.json');
  await using store = await openTaskStore({ path });
  await store.upsertTask(ask('t1', 'one'));
  expect(existsSync(path)).toBe(false);
  expect((await run('list')).stdout).toMatch(/^t1 /m);
  const copy = crashCopy(path);
  expect((await run('compact', '--store', copy)).status).toBe(0);
  expect(JSON.parse(readFileSync(copy, 'utf8')).tasks).toHaveLength(1);
});

describe('help', () => {
  test('lists the commands, and every command has its own with examples', async () => {
    const { status, stdout } = await run('--help');
    expect(status).toBe(0);
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'));
    for (const command of commands) {
      const answer = await run(command, '--help');
      expect([answer.status, answer.stderr]).toEqual([0, '']);
      expect(answer.stdout).toMatch(new RegExp(`^holdfast ${command} `));
      expect(answer.stdout).toMatch(/\nExamples\n {2}holdfast/);
      // Options stand in one column, the first of them too.
      expect(answer.stdout).not.toMatch(/^-/m);
    }
  });

  test('tells the version', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
    expect((await run('--version')).stdout).toBe(`${version}\n`);
  });
});

test.each([
  [[], /expected a command/],
  [['lst'], /no command "lst"/],
  [['list', '--colour'], /--colour/],
  [['list', 'extra'], /unexpected argument "extra"/],
  [['list', '--limit', 'many'], /--limit "many": expected a whole number/],
  [['list', '--store', 'nowhere.json'], /no store at nowhere\.json/],
  [['list', '--type', 'outgoing'], /--type/],
  [['show'], /expected: holdfast show <task>/],
  [['show', 't1', '--type', 'sideways'], /--type/],
  [['import', 'nothing.ndjson'], /no file nothing\.ndjson/],
  [['prune'], /--older-than/],
  [['prune', '--older-than', 'yesterday'], /--older-than/],
  [['prune', '--older-than', '3000'], /--older-than/],
  [['replay', 'nowhere'], /nowhere: there is none/],
  [['replay', '.'], /no \.ndjson files/],
  [['replay', '--url', 'http://127.0.0.1:1', '--store', 'a.json'], /not both/],
  [['replay', '--url', 'http://127.0.0.1:1'], /--api-key/],
  [['replay', '--url', 'there', '--api-key', 'k'], /--url "there"/],
  [['serve', '--port', '70000'], /65535/],
  [['serve', '--api-key', 'with space'], /--api-key/],
  [['serve', '--api-key', ''], /--api-key/],
  [['serve', '--api-key', 'a:same', '--api-key', 'b:same'], /--api-key: the agents "a" and "b" share a key/],
  [['serve', '--host', ''], /--host/],
  [['serve', '--cors', 'example'], /--cors "example"/],
])('what is not understood is said in a line, with status 2: %j', async (args, message) => {
  const { status, stdout, stderr } = await run(...args);
  expect([status, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^holdfast[^\n]*\nSee: holdfast [^\n]*--help\n$/);
});

describe('a store file', () => {
  test('list', async () => {
    await makeStore();
    const { status, stdout } = await run('list');
    expect(status).toBe(0);
    expect(stdout.split('\n')[0]).toMatch(/^TASK +CALLER +TYPE +STATE +MESSAGES/);
    expect(stdout).toMatch(/^t1 +ann +incoming +completed +2 +1 /m);
    const all = JSON.parse((await run('list', '--json')).stdout);
    expect(all.tasks.map(({ id }: { id: string }) => id).sort()).toEqual(['t1', 't2', 't3']);
    const idsOf = async (...args: string[]) =>
      JSON.parse((await run('list', '--json', ...args)).stdout).tasks.map(({ id }: { id: string }) => id);
    expect(await idsOf('--caller', 'ann')).toEqual(['t1']);
    expect((await idsOf('--state', 'working', '--state', 'failed')).sort()).toEqual(['t2', 't3']);
    const page = JSON.parse((await run('list', '--json', '--limit', '2')).stdout);
    const rest = await idsOf('--limit', '2', '--cursor', page.nextCursor);
    expect([...page.tasks.map(({ id }: { id: string }) => id), ...rest].sort()).toEqual(['t1', 't2', 't3']);
    const bad = await run('list', '--state', 'sleeping');
    expect([bad.status, bad.stdout]).toEqual([1, '']);
    expect(bad.stderr).toMatch(/INVALID_ARGUMENT/);
  });

  test('show', async () => {
    await makeStore();
    const shown = await run('show', 't1', '--caller', 'ann');
    expect(shown.status).toBe(0);
    expect(shown.stdout).toMatch(
      /state +completed\n(.|\n)*\nuser\n {2}one\n\nagent\n {2}done\n\nartifact 0 answer\n {2}result\n$/,
    );
    const stored: StoredTask = JSON.parse(
      (await run('show', 't1', '--caller', 'ann', '--history', '1', '--json')).stdout,
    );
    expect(stored.task.history).toEqual([says('done')]);
    expect(JSON.parse((await run('show', 't3', '--type', 'outgoing', '--json')).stdout).agentUrl).toBe(
      'https://agent.example',
    );
    const strange = await run('show', 't1');
    expect([strange.status, strange.stdout]).toEqual([1, '']);
    expect(strange.stderr).toMatch(/the caller without an id has no task "t1"/);
  });

  test('show joins the text of an artifact that was streamed', async () => {
    await using store = await openTaskStore({ path: join(cwd, 'holdfast.json') });
    await store.upsertTask(ask('t1'));
    for (const text of ['Day ', '1: ', 'rest']) await store.updateTask('t1', { artifactsUpdates: [chunk(text)] });
    await store.close();
    expect((await run('show', 't1')).stdout).toMatch(/\nartifact 0\n {2}Day 1: rest\n$/);
  });

  test('what a task holds cannot steer the terminal', async () => {
    await using store = await openTaskStore({ path: join(cwd, 'holdfast.json') });
    await store.upsertTask(ask('\u001b[2Jid', 'clear\u001b[2J\nsecond\u0007'), { callerId: '\u009bcaller' });
    await store.close();
    const listed = (await run('list')).stdout;
    const shown = (await run('show', '\u001b[2Jid', '--caller', '\u009bcaller')).stdout;
    expect(listed).toContain('\\x1b[2Jid');
    expect(shown).toContain('clear\\x1b[2J\n  second\\x07');
    const missing = (await run('show', '\u009b2Jno', '--caller', '\u009bcaller')).stderr;
    expect(missing).toContain('\\x9b2Jno');
    expect(`${listed}${shown}${missing}`.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });

  test('a task may be called like an option', async () => {
    await using store = await openTaskStore({ path: join(cwd, 'holdfast.json') });
    await store.upsertTask(ask('-h', 'one'));
    await store.close();
    expect((await run('show', '--', '-h')).stdout).toMatch(/^task +-h$/m);
  });

  test('export and import carry everything over', async () => {
    await makeStore();
    const { status, stdout } = await run('export');
    expect(status).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(3);
    await run('export', 'all.ndjson');
    expect(readFileSync(join(cwd, 'all.ndjson'), 'utf8')).toBe(stdout);
    expect((await run('export', '-')).stdout).toBe(stdout);
    expect(existsSync(join(cwd, '-'))).toBe(false);
    expect((await run('export', '--caller', 'ann')).stdout.trimEnd().split('\n')).toHaveLength(1);

    expect((await run('import', 'all.ndjson', '--store', 'new.json')).status).toBe(0);
    expect((await run('export', '--store', 'new.json')).stdout).toBe(stdout);
    const again = await runCli(['import', '-', '--store', 'new.json', '--json'], { cwd, input: stdout });
    expect(JSON.parse(again.stdout)).toEqual({ imported: 0, skipped: 3, failed: [] });
    const replaced = await runCli(['import', '-', '--store', 'new.json', '--replace'], { cwd, input: stdout });
    expect(replaced.stdout).toBe('3 imported, 0 there already, 0 lines not understood\n');
  });

  test('export does not write over a store, closed or not', async () => {
    await makeStore();
    await makeStore(join(cwd, 'closed.json'));
    await using open = await openTaskStore({ path: join(cwd, 'open.json') });
    await open.upsertTask(ask('t1', 'one'));
    for (const file of ['holdfast.json', 'closed.json', 'open.json']) {
      const { status, stderr } = await run('export', file);
      expect([status, stderr.split('\n')[0]]).toEqual([
        2,
        `holdfast export: ${file} is a store, which would be overwritten`,
      ]);
      expect((await run('check', '--store', file)).stdout).toMatch(/ 0 problems\n$/);
    }
    await run('export', 'all.ndjson');
    expect((await run('export', 'all.ndjson')).status).toBe(0);
  });

  test('import takes nothing out of a store file, and says how to', async () => {
    await makeStore();
    const { status, stderr } = await run('import', 'holdfast.json', '--store', 'new.json');
    expect([status, stderr.split('\n')[0]]).toEqual([
      2,
      'holdfast import: holdfast.json is a store: holdfast export --store holdfast.json | holdfast import -',
    ]);
    expect(existsSync(join(cwd, 'new.json'))).toBe(false);
  });

  test('import reports bad lines by number and takes the others', async () => {
    await makeStore();
    const lines = (await run('export')).stdout.split('\n');
    lines.splice(1, 0, 'nonsense', '{"id":"x"}');
    writeFileSync(join(cwd, 'bad.ndjson'), lines.join('\n'));
    const { status, stdout, stderr } = await run('import', 'bad.ndjson', '--store', 'new.json', '--json');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^bad\.ndjson:2: .*\nbad\.ndjson:3: .*$/m);
    expect(JSON.parse(stdout)).toMatchObject({ imported: 3, failed: [{ line: 2 }, { line: 3 }] });
  });

  test('import refuses a line that is no UTF-8, wherever it is cut, and takes what was meant to be a strange character', async () => {
    // A millisecond each: those of one would stand in the order of their ids.
    let now = Date.parse('2026-01-01');
    const store = await openTaskStore({ path: join(cwd, 'holdfast.json'), environment: { now: () => now++ } });
    for (const id of ['é', '\ufffd', '\ud800', 'last é']) await store.upsertTask(ask(id, id));
    await store.close();
    const [first = '', ...others] = (await run('export')).stdout.trimEnd().split('\n');
    // One line in the letters of another time, and an end in the middle of a character.
    const end = Buffer.from(`\n${others.join('\n')}é`).subarray(0, -1);
    writeFileSync(join(cwd, 'bad.ndjson'), Buffer.concat([Buffer.from(first, 'latin1'), end]));
    const { status, stdout, stderr } = await run('import', 'bad.ndjson', '--store', 'new.json', '--json');
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ imported: 2, failed: [{ line: 1 }, { line: 4 }] });
    expect(stderr).toMatch(/^bad\.ndjson:1: .*not JSON in UTF-8\nbad\.ndjson:4: .*not JSON in UTF-8$/m);
    await using taken = await openTaskStore({ path: join(cwd, 'new.json') });
    const { tasks } = await taken.listTasks();
    expect(tasks.map(({ id }) => id).sort()).toEqual(['\ud800', '\ufffd']);
  });

  test('prune deletes finished tasks only', async () => {
    await makeStore();
    const pruned = await run('prune', '--older-than', '2999-01-01', '--json');
    expect(JSON.parse(pruned.stdout)).toMatchObject({ pruned: 2 });
    expect(JSON.parse((await run('list', '--json')).stdout).tasks).toMatchObject([{ id: 't2' }]);
    expect((await run('prune', '--older-than', '1d')).stdout).toMatch(/^0 tasks deleted/);
  });

  test('compact leaves the file alone complete', async () => {
    await makeStore();
    const { status, stdout } = await run('compact', '--json');
    expect(status).toBe(0);
    const { after } = JSON.parse(stdout);
    expect(after).toBe(statSync(join(cwd, 'holdfast.json')).size);
    expect(JSON.stringify(JSON.parse(readFileSync(join(cwd, 'holdfast.json'), 'utf8')))).toContain('"result"');
  });

  test('check says that all is sound, or what is not, and changes nothing', async () => {
    await makeStore();
    const path = join(cwd, 'holdfast.json');
    expect((await run('check')).stdout).toBe('holdfast.json: 3 tasks, 0 problems\n');
    const before = readFileSync(path, 'utf8');
    expect(JSON.parse((await run('check', '--json')).stdout)).toEqual({
      store: 'holdfast.json',
      tasks: 3,
      problems: [],
    });
    expect(readFileSync(path, 'utf8')).toBe(before);

    const damaged = before.replace('"completed"', '"compl');
    expect(damaged).not.toBe(before);
    writeFileSync(path, damaged);
    const { status, stderr } = await run('check');
    expect(status).toBe(1);
    expect(stderr).not.toBe('');
    expect(readFileSync(path, 'utf8')).toBe(damaged);
  });

  test('can be looked at, but not changed, while another process holds it', async () => {
    await makeStore();
    await using store = await openTaskStore({ path: join(cwd, 'holdfast.json') });
    await store.upsertTask(ask('t4', 'just now'));
    expect((await run('list')).stdout).toContain('t4');
    expect((await run('show', 't4')).stdout).toContain('just now');
    expect((await run('export')).stdout.trimEnd().split('\n')).toHaveLength(4);
    expect((await run('check')).stdout).toBe('holdfast.json: 4 tasks, 0 problems\n');
    for (const args of [
      ['prune', '--older-than', '1d'],
      ['compact'],
      ['import', '-'],
      ['replay', '--store', 'holdfast.json'],
    ]) {
      const { status, stderr } = await run(...args);
      expect(status, args[0]).toBe(1);
      expect(stderr).toMatch(/STORE_LOCKED/);
    }
    await store.updateTask('t4', { status: { state: 'working' } });
    expect((await store.getTask('t4'))?.task.status.state).toBe('working');
  });

  test('that is no store is refused, and stays as it is', async () => {
    writeFileSync(join(cwd, 'other.json'), '"something else"');
    mkdirSync(join(cwd, 'folder.json'));
    for (const store of ['other.json', 'folder.json']) {
      const { status, stdout, stderr } = await run('list', '--store', store);
      expect([status, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/^holdfast list: .*\([A-Z_]+\)\n$/);
    }
    expect(readFileSync(join(cwd, 'other.json'), 'utf8')).toBe('"something else"');
  });

  test.runIf(existsSync('/dev/full'))('an answer that cannot be written is said in a line', async () => {
    await makeStore();
    const full = openSync('/dev/full', 'w');
    onTestFinished(() => closeSync(full));
    const child = await startCli(['export'], { cwd, stdout: full });
    const stderr: string[] = [];
    child.stderr?.setEncoding('utf8').on('data', (text: string) => stderr.push(text));
    const status = await new Promise((resolve) => child.once('close', resolve));
    expect([status, stderr.join('')]).toEqual([1, expect.stringMatching(/^holdfast: the answer .*ENOSPC.*\n$/)]);
  });

  test('may be read by who stops reading', async () => {
    await using store = await openTaskStore({ path: join(cwd, 'holdfast.json') });
    for (let i = 0; i < 200; i++) await store.upsertTask(ask(`t${i}`, 'x'.repeat(5_000)));
    await store.close();
    const child = await startCli(['export'], { cwd });
    const stderr: string[] = [];
    child.stderr?.setEncoding('utf8').on('data', (text: string) => stderr.push(text));
    child.stdout?.once('data', () => child.stdout?.destroy());
    const status = await new Promise((resolve) => child.once('exit', resolve));
    expect([status, stderr]).toEqual([0, []]);
  });
});

test('serve goes on where nobody reads any more where it listens', async () => {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  const child = await startCli(['serve', '--port', `${port}`, '--api-key', 'k'], { cwd });
  child.stdout?.destroy();
  const ask = () => fetch(`http://127.0.0.1:${port}/api/tasks/t1`, { headers: { 'x-api-key': 'k' } }).catch(() => null);
  await vi.waitUntil(ask, { timeout: 10_000 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect((await ask())?.status).toBe(404);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('serve ends well, its store closed, from the moment at which it says that it listens', async () => {
  for (const store of ['a.json', 'b.json', 'c.json', 'd.json', 'e.json']) {
    const { child, exited } = await startServe(['--store', store], { cwd });
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
    expect(existsSync(join(cwd, `${store}.lock`))).toBe(false);
  }
});

test('prune refuses a day that its month does not have, which would be taken for a later one', async () => {
  await makeStore();
  const { status, stderr } = await run('prune', '--older-than', '2026-02-31');
  expect([status, stderr]).toEqual([2, expect.stringContaining('--older-than')]);
});

test('the cursor that list shows can be pasted into a shell, whatever the ids', async () => {
  await using store = await openTaskStore({ path: join(cwd, 'holdfast.json') });
  for (const id of ["it's 1", "it's 2"]) await store.upsertTask(ask(id));
  await store.close();
  const { stdout, stderr } = await run('list', '--limit', '1');
  const word = stderr.trim().replace('There are more: --cursor ', '');
  const cursor = execFileSync('sh', ['-c', `printf %s ${word}`], { encoding: 'utf8' });
  const rest = await run('list', '--json', '--cursor', cursor);
  const [{ id }] = JSON.parse(rest.stdout).tasks;
  expect(id).toMatch(/^it's [12]$/);
  expect(stdout).not.toContain(id);
});

test('what is no file is not imported, nor is a store made for it', async () => {
  mkdirSync(join(cwd, 'folder'));
  expect((await run('import', 'folder', '--store', 'new.json')).status).toBe(2);
  expect(existsSync(join(cwd, 'new.json'))).toBe(false);
});

test('an export that fails leaves the file that is there as it was', async () => {
  await using store = await openTaskStore({ path: join(cwd, 'holdfast.json') });
  for (let i = 0; i < 50; i++) await store.upsertTask(ask(`t${i}`, 'x'.repeat(1_000)));
  await store.close();
  expect((await run('export', 'backup.ndjson')).status).toBe(0);
  const backup = readFileSync(join(cwd, 'backup.ndjson'), 'utf8');
  // Of files over 8 kB this process may write no more.
  const limited = await runCli(['export', 'backup.ndjson'], { cwd, shell: "ulimit -f 8; trap '' XFSZ" });
  expect(limited.status).not.toBe(0);
  expect(readFileSync(join(cwd, 'backup.ndjson'), 'utf8')).toBe(backup);
  expect(readdirSync(cwd).filter((name) => name.endsWith('.part'))).toEqual([]);
});

test('where nobody reads the answer a command goes on to its end: the store closed, the status what was found', async () => {
  writeFileSync(join(cwd, 'bad.ndjson'), 'no task\n');
  const child = await startCli(['import', 'bad.ndjson'], { cwd });
  child.stdout?.destroy();
  expect(await once(child, 'exit')).toEqual([1, null]);
  expect(existsSync(join(cwd, 'holdfast.json.lock'))).toBe(false);
  const help = await startCli(['--help'], { cwd });
  help.stdout?.destroy();
  expect(await once(help, 'exit')).toEqual([0, null]);
});

test('an export touches nothing but its own file, be the names alike', async () => {
  await makeStore();
  await makeStore(join(cwd, 'backup.part'));
  const before = readFileSync(join(cwd, 'backup.part'), 'utf8');
  expect((await run('export', 'backup', '--store', 'backup.part')).status).toBe(0);
  expect(readFileSync(join(cwd, 'backup.part'), 'utf8')).toBe(before);
  const both = await Promise.all([run('export', 'backup'), run('export', 'backup')]);
  expect(both.map(({ status }) => status)).toEqual([0, 0]);
  expect(readFileSync(join(cwd, 'backup'), 'utf8').match(/\n/g)).toHaveLength(3);
  expect(readdirSync(cwd).filter((name) => name.startsWith('backup.') && name.endsWith('.part'))).toEqual([
    'backup.part',
  ]);
});

test('an export into a pipe or a device that has no disk is no failure', async () => {
  await makeStore();
  expect((await run('export', '/dev/null')).status).toBe(0);
  const { status } = await runCli(['export', 'pipe'], { cwd, shell: 'mkfifo pipe; (cat pipe > read &)' });
  expect(status).toBe(0);
  await vi.waitFor(() => expect(readFileSync(join(cwd, 'read'), 'utf8').match(/\n/g)).toHaveLength(3));
});

test('an export that is interrupted leaves nothing of itself behind', async () => {
  await using store = await openTaskStore({ path: join(cwd, 'holdfast.json') });
  for (let i = 0; i < 300; i++) await store.upsertTask(ask(`t${i}`, 'x'.repeat(20_000)));
  await store.close();
  const parts = () => readdirSync(cwd).filter((name) => name.endsWith('.part'));
  const child = await startCli(['export', 'backup.ndjson'], { cwd });
  const exited = once(child, 'exit');
  await vi.waitUntil(() => parts().length > 0 || child.exitCode !== null, { timeout: 10_000, interval: 1 });
  child.kill('SIGINT');
  const [, signal] = await exited;
  // It may have been done by then.
  if (signal) expect([signal, existsSync(join(cwd, 'backup.ndjson'))]).toEqual(['SIGINT', false]);
  expect(parts()).toEqual([]);
});
