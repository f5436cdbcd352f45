/** What tests of the task manager share: messages, cards, stores and readers. */

import type { Artifact, Message, TaskSendParams } from '../../src/core/task.ts';
import { openTaskStore } from '../../src/memory.ts';
import {
  type AgentCard,
  type TaskEvent,
  type TaskManagerOptions,
  TaskManagerWithStore,
} from '../../src/task-manager.ts';
import type { TaskStore } from '../../src/task-store.ts';

export const card: AgentCard = {
  name: 'Echo',
  url: 'http://127.0.0.1/',
  version: '1',
  capabilities: { streaming: true, pushNotifications: true },
  skills: [],
};

export function says(text: string, role: Message['role'] = 'agent'): Message {
  return { role, parts: [{ type: 'text', text }] };
}

export function ask(id: string, text = 'Hi'): TaskSendParams {
  return { id, message: says(text, 'user') };
}

export function chunk(text: string, more: Partial<Artifact> = {}): Artifact {
  return { index: 0, parts: [{ type: 'text', text }], ...more };
}

/** A store as remotes are: nothing tells of changes, nothing lies under it. */
export function unwatched(store: TaskStore): TaskStore {
  const bare: Partial<TaskStore> = {
    backend: store.backend,
    capabilities: { ...store.capabilities, watch: false },
    upsertTask: (...args) => store.upsertTask(...args),
    getTask: (...args) => store.getTask(...args),
    updateTask: (...args) => store.updateTask(...args),
  };
  return bare as TaskStore;
}

export async function openManager(options: Partial<TaskManagerOptions> = {}) {
  const store = options.store ?? (await openTaskStore());
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  return { store, errors, manager: new TaskManagerWithStore({ agentCard: card, onError, ...options, store }) };
}

export async function collect(stream: AsyncIterable<TaskEvent>): Promise<TaskEvent[]> {
  const events: TaskEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** Events as short texts: `working`, `completed!` where final, `0+:ab` for appended parts `a` and `b` of artifact 0. */
export function brief(events: readonly TaskEvent[]): string[] {
  return events.map((event) => {
    if ('status' in event) return `${event.status.state}${event.final ? '!' : ''}`;
    const { index, append, parts } = event.artifact;
    return `${index}${append ? '+' : ''}:${parts.map((part) => ('text' in part ? part.text : '?')).join('')}`;
  });
}

/** A promise to be settled from outside: how tests hold a handler at a known point. */
export function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}
