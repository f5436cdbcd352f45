/** Several devices on one remote, each with a store of its own. */
import { describe, expect, test } from 'vitest';
import { type Device, DevicesWorld } from './support/devices-world.ts';
import type { Handle } from './support/remote-world.ts';
import { remotes, says } from './support/sync-play.ts';

const polling = { pollMs: 8000, maxBackoffMs: 10_000 };

const part = (text: string) => ({ type: 'text' as const, text });

async function worldOf(remote: string): Promise<DevicesWorld> {
  return new DevicesWorld(await (remotes[remote] as () => Promise<Handle>)());
}

async function pair(remote: string) {
  const world = await worldOf(remote);
  return { world, a: await world.add(polling), b: await world.add(polling) };
}

async function exported({ store }: Device): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of store.exportTasks()) lines.push(line);
  return lines;
}

async function stateIn({ store }: Device): Promise<string | undefined> {
  return (await store.getTask('t'))?.task.status.state;
}

describe.each(Object.keys(remotes))('two devices against %s', (remote) => {
  test('agree on the status of a task that both have created', async () => {
    const { world, a, b } = await pair(remote);
    await b.store.upsertTask({ id: 't', message: says('b') });
    await b.store.updateTask('t', { status: { state: 'working' } });
    await world.runFor(1000);
    await a.store.upsertTask({ id: 't', message: says('a') });
    await world.runFor(60_000);
    world.changes.length = 0;
    await world.runFor(60_000);
    expect(world.changes).toEqual([]);
    // The later one.
    expect([await stateIn(a), await stateIn(b)]).toEqual(['submitted', 'submitted']);
  });

  test.each(['working', 'failed'] as const)('agree where one submits again what the other has as %s', async (state) => {
    const { world, a, b } = await pair(remote);
    await b.store.upsertTask({ id: 't', message: says('b') });
    await world.runFor(1000);
    await a.store.importTasks(await exported(b));
    await world.runFor(1000);
    await a.store.updateTask('t', { status: { state } });
    await world.runFor(20_000);
    await b.sync.pull('t');
    expect(await stateIn(b)).toBe(state);
    await b.store.updateTask('t', { status: { state: 'submitted' } });
    await world.runFor(1000);
    await a.sync.pull('t');
    await world.runFor(60_000);
    world.changes.length = 0;
    await world.runFor(60_000);
    expect(world.changes).toEqual([]);
    expect([await stateIn(a), await stateIn(b)]).toEqual(['submitted', 'submitted']);
  });

  test('agree where one goes back to a status of the same time', async () => {
    const { world, a, b } = await pair(remote);
    const timestamp = '2026-01-01T00:00:00Z';
    await b.store.upsertTask({ id: 't', message: says('b') });
    await b.store.updateTask('t', { status: { state: 'working', timestamp } });
    await world.runFor(1000);
    await a.store.importTasks(await exported(b));
    await world.runFor(1000);
    await a.store.updateTask('t', { status: { state: 'input-required', timestamp } });
    await world.runFor(20_000);
    await b.store.updateTask('t', { status: { state: 'working', timestamp } });
    await world.runFor(60_000);
    world.changes.length = 0;
    await world.runFor(60_000);
    expect(world.changes).toEqual([]);
    expect(await stateIn(a)).toBe(await stateIn(b));
  });

  test('see that an artifact of the other is complete', async () => {
    const { world, a, b } = await pair(remote);
    await a.store.upsertTask({ id: 't', message: says('a') });
    await world.runFor(1000);
    await b.store.importTasks(await exported(a));
    for (const n of [1, 2, 3]) {
      const artifact = { index: 0, name: 'report', parts: [part(`${n}`)], lastChunk: n === 3 };
      await a.store.updateTask('t', { artifactsUpdates: [artifact] });
      await world.runFor(20_000);
    }
    const [artifact] = (await b.store.getTask('t'))?.task.artifacts ?? [];
    expect(artifact).toMatchObject({ parts: [{ text: '1' }, { text: '2' }, { text: '3' }], lastChunk: true });
    const more = b.store.updateTask('t', { artifactsUpdates: [{ index: 0, parts: [part('4')] }] });
    await expect(more).rejects.toMatchObject({ code: 'ARTIFACT_CLOSED' });
  });
});
