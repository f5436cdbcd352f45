/** Saving as the A2A SDK does, while others change the task. */
import type { Message } from 'a2a-sdk-03';
import { expect, it, onTestFinished } from 'vitest';
import { toA2ATaskStore } from '../src/a2a.ts';
import { openTaskStore } from '../src/indexeddb.ts';

it('ends, and loses nothing, while the task is changed without a pause', async () => {
  const store = await openTaskStore({ name: crypto.randomUUID() });
  onTestFinished(() => store.close());
  const say = (text: string) => ({
    newMessages: [{ role: 'agent' as const, parts: [{ type: 'text' as const, text }] }],
  });
  await store.upsertTask({ id: 't', message: { role: 'user', parts: [{ type: 'text', text: 'first' }] } });
  const sdk = toA2ATaskStore(store);
  const task = await sdk.load('t', undefined as never);
  const message: Message = { kind: 'message', messageId: 'm', role: 'agent', parts: [{ kind: 'text', text: 'saved' }] };
  task?.history?.push(message as never);
  let isSaved = false;
  const saved = sdk.save(task as never, undefined as never).then(() => (isSaved = true));
  saved.catch(() => {});
  let n = 0;
  while (!isSaved && n < 300) await store.updateTask('t', say(`${n++}`));
  await saved;
  const texts = (await store.getTask('t'))?.task.history?.map(({ parts }) => parts[0]?.text);
  expect(texts?.filter((text) => text === 'saved')).toHaveLength(1);
  expect(texts?.filter((text) => text !== 'saved')).toEqual(['first', ...Array.from({ length: n }, (_, i) => `${i}`)]);
});

it('makes a task anew that was deleted meanwhile', async () => {
  const store = await openTaskStore({ name: crypto.randomUUID() });
  onTestFinished(() => store.close());
  await store.upsertTask({ id: 't', message: { role: 'user', parts: [{ type: 'text', text: 'first' }] } });
  const sdk = toA2ATaskStore(store);
  const task = await sdk.load('t', undefined as never);
  await store.deleteTask('t');
  await sdk.save({ ...task, metadata: { saved: true } } as never, undefined as never);
  expect((await store.getTask('t'))?.task).toMatchObject({ metadata: { saved: true }, history: [{ role: 'user' }] });
});
