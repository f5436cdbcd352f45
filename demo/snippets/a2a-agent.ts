/** An agent for the official A2A SDK that counts, one number a chunk, and goes on after what is stored. */
import { type AgentCard, type Message, type Task, TaskState } from '@a2a-js/sdk';
import { AgentEvent, type AgentExecutor, type ExecutionEventBus, type RequestContext } from '@a2a-js/sdk/server';

export const agentCard: AgentCard = {
  name: 'Counter',
  description: 'Counts to a hundred.',
  version: '1.0.0',
  capabilities: { streaming: true, extensions: [] },
  supportedInterfaces: [],
  provider: undefined,
  securitySchemes: {},
  securityRequirements: [],
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [],
  signatures: [],
};

export class Counter implements AgentExecutor {
  async execute({ task, taskId, contextId, userMessage }: RequestContext, bus: ExecutionEventBus): Promise<void> {
    bus.publish(AgentEvent.task(task ?? newTask(taskId, contextId, userMessage)));
    bus.publish(
      AgentEvent.statusUpdate({
        taskId,
        contextId,
        status: statusNow(TaskState.TASK_STATE_WORKING),
        metadata: undefined,
      }),
    );
    const counted = task?.artifacts[0]?.parts.length ?? 0;
    for (let number = counted + 1; number <= 100; number++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      const artifact = {
        artifactId: 'numbers',
        name: 'Numbers',
        description: '',
        parts: [textPart(String(number))],
        metadata: undefined,
        extensions: [],
      };
      bus.publish(
        AgentEvent.artifactUpdate({
          taskId,
          contextId,
          artifact,
          append: number > 1,
          lastChunk: number === 100,
          metadata: undefined,
        }),
      );
    }
    bus.publish(
      AgentEvent.statusUpdate({
        taskId,
        contextId,
        status: statusNow(TaskState.TASK_STATE_COMPLETED),
        metadata: undefined,
      }),
    );
  }

  async cancelTask(): Promise<void> {}
}

/** A user's message; `task`: the one it goes on with. */
export function messageOf(text: string, task?: Task): Message {
  return {
    messageId: crypto.randomUUID(),
    contextId: task?.contextId ?? '',
    taskId: task?.id ?? '',
    role: 1,
    parts: [textPart(text)],
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
  };
}

function newTask(id: string, contextId: string, message: Message): Task {
  const status = statusNow(TaskState.TASK_STATE_SUBMITTED);
  return { id, contextId, status, artifacts: [], history: [message], metadata: undefined };
}

function statusNow(state: TaskState) {
  return { state, message: undefined, timestamp: new Date().toISOString() };
}

function textPart(value: string) {
  return { content: { $case: 'text' as const, value }, metadata: undefined, filename: '', mediaType: 'text/plain' };
}
