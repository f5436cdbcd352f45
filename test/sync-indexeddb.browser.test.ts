/** Sync of a database whose changes share transactions. */
import { expect, it, onTestFinished } from 'vitest';
import type { Message } from '../src/core/task.ts';
import { openTaskStore } from '../src/indexeddb.ts';
import { openTaskStore as openInMemory } from '../src/memory.ts';
import { createElkarHandler } from '../src/server.ts';
import { elkarSync } from '../src/sync.ts';

const baseUrl = 'http://remote.test/api';
const says = (text: string): Message => ({ role: 'agent', parts: [{ type: 'text', text }] });

it.each([1, 3])(
  'a pull ends, with what others wrote, while a task is changed without a pause by %i',
  async (writers) => {
    const handle = createElkarHandler({ store: await openInMemory(), authorize: () => 'agent' });
    const send = ((url: string, init: RequestInit) => handle(new Request(url, init))) as typeof fetch;
    const sync = elkarSync({ baseUrl, apiKey: 'secret', fetch: send, gatherMs: 0 });
    const store = await openTaskStore({ name: crypto.randomUUID(), sync });
    onTestFinished(() => store.close());
    await store.upsertTask({ id: 't', message: says('1') }, { until: 'remote' });
    store.sync.pause();
    await send(`${baseUrl}/tasks/t`, {
      method: 'PUT',
      headers: { 'x-api-key': 'secret', 'content-type': 'application/json' },
      body: JSON.stringify({ caller_id: 'holdfast', new_messages: [says('theirs')] }),
    });
    let isPulled = false;
    const pulled = store.sync.pull('t').then(() => (isPulled = true));
    let n = 2;
    const change = async () => {
      while (!isPulled && n < 1000) await store.updateTask('t', { newMessages: [says(`${n++}`)] });
    };
    await Promise.all(Array.from({ length: writers }, change));
    expect(n).toBeLessThan(200);
    await pulled;
    const history = (await store.getTask('t'))?.task.history?.map(({ parts }) => parts[0]?.text);
    expect(history?.slice(0, 3)).toEqual(['1', 'theirs', '2']);
    expect(history).toHaveLength(n);
  },
);
