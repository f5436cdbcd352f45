/** The snippets for Node, run as their readers would run them. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { ElkarClientStore } from '../src/elkar.ts';
import { openTaskStore } from '../src/json-file.ts';
import { newFolder } from './support/places.ts';

const snippet = (name: string) => fileURLToPath(new URL(`../demo/snippets/${name}`, import.meta.url));
const apiKey = 'a-key';

async function startServer(cwd: string, port = '0') {
  const env = { ...process.env, PORT: port, API_KEY: apiKey };
  const child = spawn(process.execPath, [snippet('server.mjs')], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = await once(child.stdout, 'data');
  return { child, url: String(line).trim() };
}

async function note(cwd: string, url: string, text: string): Promise<string> {
  const env = { ...process.env, ELKAR_URL: url, ELKAR_API_KEY: apiKey };
  const { stdout } = await promisify(execFile)(process.execPath, [snippet('offline-cli.mjs'), text], { cwd, env });
  return stdout;
}

test('a command-line tool works offline and catches up; the server keeps what it got', async () => {
  const notes = newFolder();
  const kept = newFolder();
  const { child, url } = await startServer(kept);
  expect(await note(notes, url, 'first')).toBe('1 notes, all sent.\n');
  child.kill('SIGTERM');
  await once(child, 'exit');
  expect(await note(notes, url, 'second')).toBe('Offline: kept here for now.\n2 notes, not all sent.\n');
  const { child: again } = await startServer(kept, new URL(url).port);
  expect(await note(notes, url, 'third')).toBe('3 notes, all sent.\n');
  const remote = new ElkarClientStore({ baseUrl: url, apiKey });
  const history = (await remote.getTask('notes'))?.task.history ?? [];
  expect(history.map(({ parts: [part] }) => part?.type === 'text' && part.text)).toEqual(['first', 'second', 'third']);
  const stranger = new ElkarClientStore({ baseUrl: url, apiKey: 'another' });
  await expect(stranger.getTask('notes')).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
  // A browser's, in advance of a request.
  const unused = connect(Number(new URL(url).port), '127.0.0.1');
  await once(unused, 'connect');
  again.kill('SIGTERM');
  await once(again, 'exit');
  unused.destroy();
  await using file = await openTaskStore({ path: `${kept}/tasks.json` });
  expect((await file.listTasks({ allCallers: true })).tasks).toMatchObject([{ id: 'notes', messageCount: 3 }]);
});
