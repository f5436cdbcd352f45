/** Pulls of a task that others write to on the remote. For pages, too. */
import { expect } from 'vitest';
import type { Message } from '../../src/core/task.ts';
import { openTaskStore as openInMemory } from '../../src/memory.ts';
import { createElkarHandler } from '../../src/server.ts';
import type { SyncAdapter } from '../../src/store-port.ts';
import { elkarSync } from '../../src/sync.ts';
import type { TaskStore, TaskSync } from '../../src/task-store.ts';

const baseUrl = 'http://remote.test/api';
export const says = (text: string): Message => ({ role: 'agent', parts: [{ type: 'text', text }] });

/** A remote in this process; `append` is somebody else's. */
export async function sharedRemote() {
  const handle = createElkarHandler({ store: await openInMemory(), authorize: () => 'agent' });
  const send = ((url: string, init: RequestInit) => handle(new Request(url, init))) as typeof fetch;
  const append = (taskId: string, text: string) =>
    send(`${baseUrl}/tasks/${taskId}`, {
      method: 'PUT',
      headers: { 'x-api-key': 'secret', 'content-type': 'application/json' },
      body: JSON.stringify({ caller_id: 'holdfast', new_messages: [says(text)] }),
    });
  return { sync: elkarSync({ baseUrl, apiKey: 'secret', fetch: send, gatherMs: 0 }), append };
}

/** So many loops change a task without a pause: a pull of it ends, and what others wrote has its place before what is unsent. */
export async function pullAmidChanges(
  open: (sync: SyncAdapter) => Promise<TaskStore & { sync: TaskSync }>,
  writers: number,
): Promise<void> {
  const { sync, append } = await sharedRemote();
  const store = await open(sync);
  await store.upsertTask({ id: 't', message: says('1') }, { until: 'remote' });
  store.sync.pause();
  await append('t', 'theirs');
  let isPulled = false;
  const pulled = store.sync.pull('t').then(() => {
    isPulled = true;
  });
  let n = 2;
  const change = async () => {
    while (!isPulled && n < 1000) await store.updateTask('t', { newMessages: [says(`${n++}`)] });
  };
  await Promise.all(Array.from({ length: writers }, change));
  expect(n).toBeLessThan(100 * writers);
  await pulled;
  const history = (await store.getTask('t'))?.task.history?.map(({ parts }) => parts[0]?.text);
  expect(history?.slice(0, 3)).toEqual(['1', 'theirs', '2']);
  expect(history).toHaveLength(n);
  await store.close();
}
