import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Artifact, Message } from '../src/core/task.ts';
import { openTaskStore } from '../src/json-file.ts';
import { ask, brief, chunk, collect, gate, openManager, says } from './support/agent.ts';
import { startProgram } from './support/cli.ts';
import { scaled } from './support/long.ts';
import { newFolder } from './support/places.ts';

interface Result {
  readonly status?: { state: string; message?: Message };
  readonly final?: boolean;
  readonly history?: Message[];
  readonly artifact?: Artifact;
}

async function startAgent(path: string) {
  const child = await startProgram('test/support/agent-program.ts', [path]);
  const [port] = await once(child.stdout as NodeJS.ReadableStream, 'data');
  const post = (method: string, params: unknown, signal?: AbortSignal) =>
    fetch(`http://127.0.0.1:${Number(port)}`, {
      method: 'POST',
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      ...(signal && { signal }),
    });
  return { child, post };
}

/** Reads events until `enough`, or until the connection breaks. */
async function read(response: Response, enough: (count: number) => boolean, into: Result[]): Promise<void> {
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const bytes of response.body ?? []) {
      text += decoder.decode(bytes, { stream: true });
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) if (event.startsWith('data: ')) into.push(JSON.parse(event.slice(6)).result);
      if (enough(into.length)) return;
    }
  } catch {
    // The agent was killed.
  }
}

const textsOf = (results: readonly Result[]) =>
  results.flatMap(({ artifact }) => artifact?.parts ?? []).map((part) => (part.type === 'text' ? part.text : ''));
const said = (messages: readonly (Message | undefined)[]) => messages.filter((message) => message?.role === 'agent');

test('killed in the midst of a stream: all that was delivered is there, and the stream is taken up again', async () => {
  for (let round = 0; round < scaled(2, 20); round++) {
    const path = join(newFolder(), 'tasks.json');
    const first = await startAgent(path);
    const delivered: Result[] = [];
    const kill = () => first.child.kill('SIGKILL');
    const reading = read(
      await first.post('tasks/sendSubscribe', ask('t1', 'count')),
      (count) => count > 20 + round * 13 && kill() && false,
      delivered,
    );
    await reading;

    const second = await startAgent(path);
    const taken: Result[] = [];
    const abort = new AbortController();
    const stream = await second.post('tasks/resubscribe', { id: 't1' }, abort.signal);
    await read(stream, (count) => count >= 2, taken);
    const [artifact, status] = taken;
    const stored = textsOf([artifact as Result]);
    expect(stored).toEqual(stored.map((_, i) => `${i},`));
    expect(textsOf(delivered)).toEqual(stored.slice(0, textsOf(delivered).length));
    const told = said(delivered.map((event) => event.status?.message));
    expect(said(status?.history ?? []).slice(0, told.length)).toEqual(told);
    expect(status?.final).toBe(false);
    abort.abort();

    // The task was left unfinished; the next message takes it on.
    const answer = await (await second.post('tasks/send', ask('t1', 'finish'))).json();
    expect(answer).toMatchObject({ result: { status: { state: 'completed' } } });
    expect(textsOf([{ artifact: answer.result.artifacts[0] }])).toEqual(stored);
  }
});

test('who resubscribes after the store was reopened gets the stored state, then what follows', async () => {
  const path = join(newFolder(), 'tasks.json');
  const first = await openManager({
    store: await openTaskStore({ path }),
    sendTaskHandler: async (task) => {
      await task.upsertArtifacts([chunk('a')]);
      await task.setStatus({ state: 'input-required', message: says('Go on?') });
    },
  });
  await first.manager.sendTask(ask('t1'));
  await first.store.close();

  const hold = gate();
  const store = await openTaskStore({ path });
  const { manager } = await openManager({
    store,
    sendTaskHandler: async (task) => {
      await task.setStatus('working');
      await hold.opened;
      await task.upsertArtifacts([chunk('b')]);
      await task.setStatus('completed');
    },
  });
  expect(brief(await collect(manager.resubscribeToTask({ id: 't1' })))).toEqual(['0:a', 'input-required!']);
  const own = manager.sendTaskStreaming(ask('t1', 'Yes'));
  await own.next();
  const reader = manager.resubscribeToTask({ id: 't1' });
  await reader.ready;
  hold.open();
  const events = await collect(reader);
  expect(brief(events)).toEqual(['0:a', 'working', '0+:b', 'completed!']);
  expect(events[1]).toMatchObject({ history: [says('Hi', 'user'), says('Go on?'), says('Yes', 'user')] });
  await store.close();
});
