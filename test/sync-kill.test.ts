/** A process killed at random while it pushes: opened again, it settles with the remote exact. */
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { ElkarTransport } from '../src/elkar/transport.ts';
import { openTaskStore } from '../src/json-file.ts';
import { elkarSync } from '../src/sync.ts';
import { startProgram } from './support/cli.ts';
import { elkarImitation } from './support/elkar-imitation.ts';
import { faultyProxy } from './support/faulty-proxy.ts';
import { serveRequests } from './support/http.ts';
import { scaled, seededRandom } from './support/long.ts';
import { newFolder } from './support/places.ts';

test('kills at random moments of pushing leave every change on the remote once, in order', async () => {
  const random = seededRandom('kills while pushing');
  const elkar = elkarImitation();
  const server = await serveRequests(elkar.handle);
  const proxy = await faultyProxy(server.origin, 0.1, random);
  const path = `${newFolder()}/tasks.json`;
  const kills = scaled(6, 100);
  for (let round = 0; round < kills; round++) {
    const child = await startProgram('test/support/sync-writer.ts', [path, `${proxy.origin}/api`, String(round)]);
    let errors = '';
    child.stderr?.on('data', (data) => {
      errors += data;
    });
    const ended = once(child, 'close');
    await Promise.race([once(child.stdout as NodeJS.EventEmitter, 'data'), ended]);
    // How far it gets is chance; when it is killed must be, too.
    await new Promise((resolve) => setTimeout(resolve, random() * 250));
    child.kill('SIGKILL');
    await ended;
    expect(errors).toBe('');
  }
  proxy.rate = 0;
  // What the last process sent may still be on its way.
  await expect.poll(() => proxy.underWay).toBe(0);
  const sync = elkarSync({ baseUrl: `${server.origin}/api`, apiKey: 'secret', identity: 'same', maxBackoffMs: 20 });
  // The proxy has another address than the server, and so another identity: the changes stay with theirs.
  const stranger = await openTaskStore({ path, sync });
  await expect(stranger.sync?.flush()).rejects.toMatchObject({ code: 'CONFLICT' });
  await stranger.close();

  const own = elkarSync({ baseUrl: `${proxy.origin}/api`, apiKey: 'secret', maxBackoffMs: 20 });
  await using store = await openTaskStore({ path, sync: own });
  await store.sync?.flush();
  expect(await store.sync?.blocked()).toEqual([]);
  const direct = new ElkarTransport({ baseUrl: `${server.origin}/api`, apiKey: 'secret' });
  const { tasks } = await store.listTasks({ limit: 10_000 });
  let messages = 0;
  for (const { id } of tasks) {
    const local = (await store.getTask(id))?.task;
    const { task } = await direct.getTask(id, { callerId: 'holdfast' });
    expect(task.history).toEqual(local?.history);
    expect(task.artifacts).toEqual(local?.artifacts);
    expect(task.status.message).toEqual(local?.status.message);
    messages += task.history?.length ?? 0;
  }
  expect(elkar.misdeeds.filter((misdeed) => misdeed.includes('null'))).toEqual([]);
  console.log(`${kills} kills, ${tasks.length} tasks, ${messages} messages, ${elkar.requests.length} requests`);
  await proxy.close();
  await server.close();
});
