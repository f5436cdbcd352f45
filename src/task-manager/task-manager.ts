/** What an agent answers to A2A's calls; `createA2AHandler` serves it over HTTP. */
import type { PushNotificationConfig, Task, TaskSendParams } from '../core/task.ts';
import type { AgentCard } from './agent-card.ts';
import type { TaskEventStream } from './event-stream.ts';
import type { RequestContext } from './task-modifier.ts';

export interface TaskIdParams {
  readonly id: string;
}

export interface TaskQueryParams extends TaskIdParams {
  /** The last n messages. @default all */
  readonly historyLength?: number | undefined;
}

export interface TaskPushNotificationConfig extends TaskIdParams {
  readonly pushNotificationConfig: PushNotificationConfig;
}

/**
 * Every call rejects with an `A2AError` where A2A has a number for the refusal, and with the store's `TaskStoreError` otherwise.
 * A task of another caller is not found.
 */
export interface TaskManager {
  readonly agentCard: AgentCard;
  /** Stores the message, lets the agent handle it, and answers the task after the turn; `failed` where the handler threw. */
  sendTask(params: TaskSendParams, context?: RequestContext): Promise<Task>;
  /** The same, as a stream of what the turn does. A new task's stream begins with its `submitted`. */
  sendTaskStreaming(params: TaskSendParams, context?: RequestContext): TaskEventStream;
  getTask(params: TaskQueryParams, context?: RequestContext): Promise<Task>;
  /** Stops the agent by its `signal`; whatever the handler does from then on, the task stays `canceled`. */
  cancelTask(params: TaskIdParams, context?: RequestContext): Promise<Task>;
  setTaskPushNotification(
    params: TaskPushNotificationConfig,
    context?: RequestContext,
  ): Promise<TaskPushNotificationConfig>;
  getTaskPushNotification(params: TaskIdParams, context?: RequestContext): Promise<TaskPushNotificationConfig>;
  /**
   * The stored state as events (each artifact whole, then the status with the history), then what follows: nothing missing,
   * nothing twice. Ends where the turn does; waits for one where the task is unfinished and nobody is at it.
   */
  resubscribeToTask(params: TaskQueryParams, context?: RequestContext): TaskEventStream;
}
