/** Sync over real HTTP, through a proxy that spoils three requests of ten: all recorded agent runs arrive exact. */
import { describe, expect, test } from 'vitest';
import { ElkarTransport } from '../src/elkar/transport.ts';
import { openTaskStore } from '../src/memory.ts';
import { createElkarHandler } from '../src/server.ts';
import { elkarSync } from '../src/sync.ts';
import { agentRuns, type Run, replay, type Step } from './support/agent-runs.ts';
import { elkarImitation } from './support/elkar-imitation.ts';
import { type FaultyProxy, faultyProxy } from './support/faulty-proxy.ts';
import { serveRequests } from './support/http.ts';
import { scaled, seededRandom } from './support/long.ts';

/** A clock that goes a hundred times as fast, so that no backoff takes long. */
const speed = 100;
const now = () => Date.parse('2026-01-01') + (Date.now() - Date.parse('2026-01-01')) * speed;
const later = (ms: number, call: () => void) => {
  const timer = setTimeout(call, ms / speed);
  return () => clearTimeout(timer);
};

const remotes = {
  "Elkar's server": async () => elkarImitation().handle,
  'our endpoint': async () => createElkarHandler({ store: await openTaskStore(), authorize: () => 'agent' }),
};

async function settle(proxy: FaultyProxy, flush: () => Promise<void>): Promise<void> {
  await flush();
  proxy.rate = 0;
  // Requests that were given up may still be on their way.
  await expect.poll(() => proxy.underWay).toBe(0);
}

/** The same run on a task of its own. */
function renamed({ name, steps }: Run, n: number): Run {
  const rename = (step: Step) =>
    'upsert' in step ? { upsert: { ...step.upsert, id: `${step.upsert.id}-${n}` } } : step;
  return { name, steps: steps.map(rename) };
}

describe.each(Object.entries(remotes))('against %s', (name, remote) => {
  test('every run arrives, each message and part once, in order', async () => {
    const random = seededRandom(`sync over HTTP with ${name}`);
    const server = await serveRequests(await remote());
    const runs = agentRuns().flatMap((run) => Array.from({ length: scaled(1, 5) }, (_, n) => renamed(run, n)));
    const proxy = await faultyProxy(server.origin, 0.3, random);
    const platform = { later, random };
    const sync = elkarSync({ baseUrl: `${proxy.origin}/api`, apiKey: 'secret', platform, maxBackoffMs: 5000 });
    const store = await openTaskStore({ sync, environment: { now } });
    try {
      const tasks = await Promise.all(runs.map((run) => replay(store, run)));
      await settle(proxy, () => store.sync?.flush() as Promise<void>);
      const direct = new ElkarTransport({ baseUrl: `${server.origin}/api`, apiKey: 'secret' });
      for (const { id } of tasks) {
        const local = (await store.getTask(id))?.task;
        const { task } = await direct.getTask(id, { callerId: 'holdfast' });
        expect(task.history).toEqual(local?.history);
        expect(task.artifacts).toEqual(local?.artifacts);
        expect(task.status.state).toBe(local?.status.state);
      }
      expect(await store.sync?.blocked()).toEqual([]);
      console.log(`${name}: ${tasks.length} tasks in ${proxy.counts.requests} requests`, proxy.counts);
    } finally {
      await store.close();
      await proxy.close();
      await server.close();
    }
  });
});
