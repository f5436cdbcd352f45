/** An agent for the official A2A SDK, and the SDK's objects with every field they must have. */
import type { AgentCard, Artifact, Message, Part, Task, TaskStatus } from '@a2a-js/sdk';
import { AgentEvent, type AgentExecutor, type ExecutionEventBus, type RequestContext } from '@a2a-js/sdk/server';

export const SUBMITTED = 1;
export const WORKING = 2;
export const COMPLETED = 3;
export const CANCELED = 5;
export const INPUT_REQUIRED = 6;

export const textPart = (value: string): Part => ({
  content: { $case: 'text', value },
  metadata: undefined,
  filename: '',
  mediaType: 'text/plain',
});

export const message = (text: string, more: Partial<Message> = {}): Message => ({
  messageId: crypto.randomUUID(),
  contextId: '',
  taskId: '',
  role: 1,
  parts: [textPart(text)],
  metadata: undefined,
  extensions: [],
  referenceTaskIds: [],
  ...more,
});

export const artifact = (texts: readonly string[], artifactId = 'answer'): Artifact => ({
  artifactId,
  name: 'Answer',
  description: '',
  parts: texts.map(textPart),
  metadata: undefined,
  extensions: [],
});

export const task = (id: string, more: Partial<Task> = {}): Task => ({
  id,
  contextId: 'c',
  status: { state: WORKING, message: undefined, timestamp: '2026-01-02T03:04:05.678Z' },
  artifacts: [],
  history: [],
  metadata: undefined,
  ...more,
});

export const agentCard: AgentCard = {
  name: 'Echo',
  description: 'Says a text word by word.',
  supportedInterfaces: [],
  provider: undefined,
  version: '1.0.0',
  capabilities: { streaming: true, pushNotifications: true, extensions: [] },
  securitySchemes: {},
  securityRequirements: [],
  defaultInputModes: [],
  defaultOutputModes: [],
  skills: [],
  signatures: [],
};

export const textsOf = (parts: readonly Part[] = []): string[] =>
  parts.map(({ content }) => (content?.$case === 'text' ? content.value : ''));

const wordsOf = (message: Message | undefined) => textsOf(message?.parts).join(' ').split(' ');

/**
 * Streams the words of the message that began the task, going on after those that are stored. `wait`: asks for more
 * before it is done. `hold()`, where given, is awaited before each word.
 */
export class EchoExecutor implements AgentExecutor {
  readonly hold: (word: string) => Promise<void>;

  constructor(hold: (word: string) => Promise<void> = async () => {}) {
    this.hold = hold;
  }

  async execute({ userMessage, task, taskId, contextId }: RequestContext, bus: ExecutionEventBus): Promise<void> {
    const update = (state: TaskStatus['state'], more?: Message) =>
      bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status: statusOf(state, more), metadata: undefined }));
    const first = { ...userMessage, taskId, contextId };
    if (!task) bus.publish(AgentEvent.task({ ...taskOf(taskId, contextId), history: [first] }));
    const words = wordsOf(task?.history[0] ?? first);
    if (words[0] === 'wait' && !task) {
      update(INPUT_REQUIRED, message('More?', { role: 2, taskId, contextId }));
      return;
    }
    update(WORKING);
    for (const word of words.slice(task?.artifacts[0]?.parts.length ?? 0)) {
      await this.hold(word);
      const isFirst = word === words[0];
      const lastChunk = word === words.at(-1);
      bus.publish(
        AgentEvent.artifactUpdate({
          taskId,
          contextId,
          artifact: artifact([word]),
          append: !isFirst,
          lastChunk,
          metadata: undefined,
        }),
      );
    }
    update(COMPLETED);
  }

  async cancelTask(taskId: string, bus: ExecutionEventBus): Promise<void> {
    bus.publish(AgentEvent.statusUpdate({ taskId, contextId: 'c', status: statusOf(CANCELED), metadata: undefined }));
  }
}

const statusOf = (state: TaskStatus['state'], message?: Message): TaskStatus => ({
  state,
  message,
  timestamp: new Date().toISOString(),
});

const taskOf = (id: string, contextId: string): Task => task(id, { contextId, status: statusOf(SUBMITTED) });
