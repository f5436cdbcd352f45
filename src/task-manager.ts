/** `holdfast/task-manager`: an agent's tasks over any store, and the agent as an A2A server. */
export { A2AError, type A2AErrorName, a2aErrorCodes } from './task-manager/a2a-error.ts';
export { type A2AHandlerOptions, createA2AHandler } from './task-manager/a2a-handler.ts';
export type { AgentCard } from './task-manager/agent-card.ts';
export type { TaskEventStream } from './task-manager/event-stream.ts';
export type { TaskArtifactUpdateEvent, TaskEvent, TaskStatusUpdateEvent } from './task-manager/events.ts';
export type {
  TaskIdParams,
  TaskManager,
  TaskPushNotificationConfig,
  TaskQueryParams,
} from './task-manager/task-manager.ts';
export { type TaskManagerOptions, TaskManagerWithStore } from './task-manager/task-manager-with-store.ts';
export type { RequestContext, TaskHandler, TaskModifier } from './task-manager/task-modifier.ts';
