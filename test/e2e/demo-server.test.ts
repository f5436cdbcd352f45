/** The demo's server as strangers meet it: nothing that is asked for ends it. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startDemo } from '../../demo/server.mjs';
import { root } from '../support/demo.ts';
import { newFolder } from '../support/places.ts';

async function start() {
  const folder = newFolder();
  for (const name of ['index.html', 'page.css']) writeFileSync(join(folder, name), name);
  const storePath = join(newFolder(), 'endpoint.json');
  const demo = await startDemo({ folder, storePath });
  onTestFinished(() => demo.close());
  return { demo, folder, storePath };
}

async function statusOf(url: string, target: string): Promise<string | undefined> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(`GET ${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
  let answer = '';
  socket.setEncoding('utf8').on('data', (text) => {
    answer += text;
  });
  await once(socket, 'close');
  return answer.split(' ')[1];
}

test('a target that is no URL is not found', async () => {
  const { demo } = await start();
  for (const target of ['//', 'http://[', '///:0', '*']) expect(await statusOf(demo.url, target)).toMatch(/^40/);
  expect(await statusOf(demo.url, '/?q=1')).toBe('200');
});

test('a file that a build takes away ends its own answer only', async () => {
  const { demo, folder } = await start();
  rmSync(join(folder, 'page.css'));
  await statusOf(demo.url, '/page.css');
  expect(await statusOf(demo.url, '/')).toBe('200');
});

/** What `npm start` says in place of serving. */
function refusalOf(...args: string[]): string {
  const command = ['scripts/start.mjs', '--no-build', ...args];
  const { status, stderr } = spawnSync(process.execPath, command, { cwd: root, encoding: 'utf8', timeout: 60_000 });
  expect(status).toBe(1);
  return stderr;
}

test('npm start says in one line why it does not serve', async () => {
  const { demo, storePath } = await start();
  const free = join(newFolder(), 'free.json');
  const { port } = new URL(demo.url);
  expect(refusalOf('--port', port, '--store', free)).toMatch(/^Port \d+ is taken\. .+\n$/);
  expect(refusalOf('--port', '0', '--store', storePath)).toMatch(
    /^.+ is in use by process \d+ .+ --store other\.json\n$/,
  );
  expect(refusalOf('--port', 'here')).toBe('No such port: here\n');
  expect(refusalOf('no-such-runs')).toBe('No such folder: no-such-runs\n');
});
