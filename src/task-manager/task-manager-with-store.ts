/** The task manager over a store: who may do what when, and who hears of it. What a change means is the store's rule. */
import type { TaskKey } from '../core/head.ts';
import { copyJson } from '../core/json.ts';
import { check } from '../core/shape.ts';
import { finishedStates, type Task, type TaskSendParams } from '../core/task.ts';
import { optionsShape } from '../core/task-shapes.ts';
import type { TaskStore } from '../task-store.ts';
import { A2AError } from './a2a-error.ts';
import type { AgentCard } from './agent-card.ts';
import { EventStream, type TaskEventStream } from './event-stream.ts';
import { replayTask } from './events.ts';
import { followTask } from './follow-task.ts';
import { readSnapshot } from './snapshot.ts';
import { found, TaskAccess } from './task-access.ts';
import type { TaskIdParams, TaskManager, TaskPushNotificationConfig, TaskQueryParams } from './task-manager.ts';
import type { RequestContext, TaskHandler } from './task-modifier.ts';
import { type TurnRequest, Turns } from './turns.ts';

export interface TaskManagerOptions {
  readonly agentCard: AgentCard;
  /** Any store: of this machine, or an `ElkarClientStore`. A store that tells of no changes must have no other writer. */
  readonly store: TaskStore;
  /** Handles `sendTask`. @default sendTaskStreamingHandler */
  readonly sendTaskHandler?: TaskHandler | undefined;
  /** Handles `sendTaskStreaming`. @default sendTaskHandler */
  readonly sendTaskStreamingHandler?: TaskHandler | undefined;
  /** Told of what a handler threw; callers of the agent only see that it failed. @default console.error */
  readonly onError?:
    | ((error: unknown, task: { readonly taskId: string; readonly callerId?: string }) => void)
    | undefined;
}

/**
 * Runs an agent over a store. Turns of one task happen one after the other; every change is stored before anybody hears of it.
 *
 * Push configurations are stored and given back, not acted upon: an application that offers push notifications posts them
 * itself, from `store.subscribe`.
 *
 * @example
 * const manager = new TaskManagerWithStore({ agentCard, store, sendTaskHandler: async (task) => task.setStatus('completed') });
 * for await (const event of manager.sendTaskStreaming({ id: 't1', message }, { callerId: 'ann' })) console.log(event);
 */
export class TaskManagerWithStore implements TaskManager {
  readonly agentCard: AgentCard;
  readonly #options: TaskManagerOptions;
  readonly #tasks: TaskAccess;
  readonly #turns: Turns;
  readonly #streams = new Set<EventStream>();
  #closed = false;

  constructor(options: TaskManagerOptions) {
    this.agentCard = options.agentCard;
    this.#options = options;
    this.#tasks = new TaskAccess(options.store);
    this.#turns = new Turns(this.#tasks, (error, { taskId, callerId }) => {
      const { onError = logError } = options;
      onError(error, { taskId, ...(callerId !== undefined && { callerId }) });
    });
  }

  async sendTask(params: TaskSendParams, context: RequestContext = {}): Promise<Task> {
    const { sendTaskHandler, sendTaskStreamingHandler } = this.#options;
    // As it is now: the caller's own may be changed while this waits for its turn.
    const { callerId } = context;
    const { id, historyLength } = await this.#send(params, context, sendTaskHandler ?? sendTaskStreamingHandler);
    return this.getTask({ id, historyLength }, { callerId });
  }

  sendTaskStreaming(params: TaskSendParams, context: RequestContext = {}): TaskEventStream {
    const { sendTaskHandler, sendTaskStreamingHandler } = this.#options;
    return this.#stream(async (stream) => {
      this.#requireStreaming();
      await new Promise<void>((accepted, reject) => {
        const handler = sendTaskStreamingHandler ?? sendTaskHandler;
        this.#send(params, context, handler, { stream, accepted }).catch(reject);
      });
    });
  }

  async getTask({ id, historyLength }: TaskQueryParams, context: RequestContext = {}): Promise<Task> {
    return found(await this.#tasks.store.getTask(id, { callerId: context.callerId, historyLength })).task;
  }

  async cancelTask(params: TaskIdParams, context: RequestContext = {}): Promise<Task> {
    const key = keyOf(params, context);
    const { callerId, taskId: id } = key;
    await this.#tasks.inOrder(key, async () => {
      const { state } = (await this.#tasks.readHead(key)).task.status;
      if (finishedStates.has(state)) throw new A2AError('taskNotCancelable', `Task cannot be canceled: it is ${state}`);
      await this.#tasks.update(key, { status: { state: 'canceled' } });
    });
    return this.getTask({ id }, { callerId });
  }

  async setTaskPushNotification(
    { id, pushNotificationConfig }: TaskPushNotificationConfig,
    context: RequestContext = {},
  ): Promise<TaskPushNotificationConfig> {
    this.#requirePush();
    const key = keyOf({ id }, context);
    const pushNotification = copyJson(pushNotificationConfig);
    await this.#tasks.inOrder(key, async () => {
      await this.#tasks.readHead(key);
      await this.#tasks.update(key, { pushNotification });
    });
    return this.getTaskPushNotification({ id }, { callerId: key.callerId });
  }

  async getTaskPushNotification(
    { id }: TaskIdParams,
    context: RequestContext = {},
  ): Promise<TaskPushNotificationConfig> {
    const { pushNotification } = await this.#tasks.readHead(keyOf({ id }, context));
    if (!pushNotification) throw new A2AError('pushNotificationNotSupported', 'The task has no push configuration');
    return { id, pushNotificationConfig: pushNotification };
  }

  resubscribeToTask(params: TaskQueryParams, context: RequestContext = {}): TaskEventStream {
    const { historyLength } = params;
    return this.#stream((stream) => {
      const key = keyOf(params, context);
      this.#requireStreaming();
      return this.#tasks.inOrder(key, async () => {
        const turn = this.#turns.current(key);
        await followTask(this.#tasks.feed, key, stream, async () => {
          const { stored, revision } = found(await readSnapshot(this.#tasks.store, key, { historyLength }));
          return { events: replayTask(stored.task, turn !== undefined && !turn.isOver), revision };
        });
        this.#turns.endWithTurn(key, stream);
      });
    });
  }

  /**
   * Asks the handlers at work to stop, by their `signal`, waits for them, and ends every stream. The store stays open. A handler
   * that throws then leaves its task `failed`, as always.
   */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#turns.stop(new DOMException('the agent is shutting down', 'AbortError'));
    for (const stream of this.#streams) stream.end();
  }

  #stream(open: (stream: EventStream) => Promise<void>): EventStream {
    const stream = new EventStream(async (self) => {
      this.#assertOpen();
      await open(self);
    });
    this.#streams.add(stream);
    stream.onEnd(() => this.#streams.delete(stream));
    return stream;
  }

  /** Answers its own copy of the message: the caller's may be changed while this waits for its turn. */
  async #send(
    given: TaskSendParams,
    context: RequestContext,
    handler: TaskHandler | undefined,
    streaming: Pick<TurnRequest, 'stream' | 'accepted'> = {},
  ): Promise<TaskSendParams> {
    this.#assertOpen();
    const params = copyJson(given);
    if (!handler) throw new A2AError('unsupportedOperation', 'This agent handles no messages');
    if (params.pushNotification) this.#requirePush();
    await this.#turns.take({ key: keyOf(params, context), params, context, handler, ...streaming });
    return params;
  }

  #assertOpen(): void {
    if (this.#closed) throw new A2AError('internalError', 'The agent is shutting down');
  }

  #requireStreaming(): void {
    if (this.agentCard.capabilities.streaming !== false) return;
    throw new A2AError('unsupportedOperation', 'This agent does not stream');
  }

  #requirePush(): void {
    if (this.agentCard.capabilities.pushNotifications) return;
    throw new A2AError('pushNotificationNotSupported', 'This agent sends no push notifications');
  }
}

function keyOf({ id }: TaskIdParams, { callerId }: RequestContext): TaskKey {
  // Such as the null of a header that is not there.
  check(optionsShape, { callerId });
  return { callerId, taskType: 'incoming', taskId: id };
}

function logError(error: unknown, { taskId }: { readonly taskId: string }): void {
  console.error(`The handler of task ${JSON.stringify(taskId)} failed:`, error);
}
