/** An agent in the page: a turn of a conversation, every word stored as it comes. */
import { openTaskStore } from 'holdfast';
import { TaskManagerWithStore } from 'holdfast/task-manager';

const store = await openTaskStore({ name: 'my-agent' });
const agentCard = { name: 'Echo', url: location.origin, version: '1.0.0', capabilities: {}, skills: [] };
const manager = new TaskManagerWithStore({
  agentCard,
  store,
  sendTaskStreamingHandler: async (task) => {
    for (const text of task.params.message.parts[0].text.split(/(?<=\s)/))
      await task.upsertArtifacts([{ index: 0, parts: [{ type: 'text', text }] }]);
    await task.setStatus('completed');
  },
});

/** Shows each event; after a reload, `manager.getTask({ id })` has the task as it was left. */
export async function ask(id, text, show) {
  const message = { role: 'user', parts: [{ type: 'text', text }] };
  for await (const event of manager.sendTaskStreaming({ id, message })) show(event);
  return manager.getTask({ id });
}
