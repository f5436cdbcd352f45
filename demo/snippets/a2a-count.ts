/** The SDK's request handler over a store: starts a task, or goes on with one that a reload or a crash cut off. */
import { TaskState } from '@a2a-js/sdk';
import { DefaultRequestHandler, ServerCallContext } from '@a2a-js/sdk/server';
import type { TaskStore } from 'holdfast';
import { toA2ATaskStore } from 'holdfast/a2a';
import { agentCard, Counter, messageOf } from './a2a-agent.ts';

export async function count(store: TaskStore, show: (line: string) => void): Promise<void> {
  const handler = new DefaultRequestHandler(agentCard, toA2ATaskStore(store), new Counter());
  const context = new ServerCallContext({ requestedVersion: '1.0' });

  const { tasks } = await handler.listTasks(
    {
      tenant: '',
      contextId: '',
      status: TaskState.TASK_STATE_WORKING,
      pageToken: '',
      statusTimestampAfter: undefined,
    },
    context,
  );
  const [cutOff] = tasks;
  const message = messageOf(cutOff ? 'go on' : 'count', cutOff);
  const request = { tenant: '', message, configuration: undefined, metadata: undefined };
  for await (const { payload } of handler.sendMessageStream(request, context)) {
    if (payload?.$case === 'task') show(`${cutOff ? 'going on with' : 'began'} ${payload.value.id}`);
    if (payload?.$case === 'artifactUpdate') show(String(payload.value.artifact?.parts[0]?.content?.value));
    if (payload?.$case === 'statusUpdate' && payload.value.status?.state === TaskState.TASK_STATE_COMPLETED)
      show('done');
  }
}
