/** The task manager over a store: who may do what when, and who hears of it. What a change means is the store's rule. */
import { encodeKey, type TaskKey } from '../core/head.ts';
import {
  finishedStates,
  type StoredTask,
  type Task,
  type TaskSendParams,
  type TaskStatus,
  type UpdateTaskParams,
} from '../core/task.ts';
import type { TaskStore } from '../task-store.ts';
import { A2AError } from './a2a-error.ts';
import type { AgentCard } from './agent-card.ts';
import { ChangeFeed } from './change-feed.ts';
import { EventStream, type TaskEventStream } from './event-stream.ts';
import { replayTask } from './events.ts';
import { followTask } from './follow-task.ts';
import { KeyedQueue } from './keyed-queue.ts';
import { readSnapshot } from './snapshot.ts';
import type { TaskIdParams, TaskManager, TaskPushNotificationConfig, TaskQueryParams } from './task-manager.ts';
import type { RequestContext, TaskHandler } from './task-modifier.ts';
import { Turn } from './turn.ts';

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

/** The head of a task, which costs the same however long the task is. */
const headView = { historyLength: 0, includeArtifacts: false } as const;

const failure: TaskStatus = {
  state: 'failed',
  message: { role: 'agent', parts: [{ type: 'text', text: 'The agent failed: internal error' }] },
};

interface TurnRequest {
  readonly key: TaskKey;
  readonly params: TaskSendParams;
  readonly context: RequestContext;
  readonly handler: TaskHandler | undefined;
  readonly stream?: EventStream;
  /** Called when the message is stored. */
  readonly accepted?: () => void;
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
  readonly #store: TaskStore;
  readonly #options: TaskManagerOptions;
  readonly #feed: ChangeFeed;
  /** Per task: turns wait for each other here, single reads and writes in the other. */
  readonly #turnQueue = new KeyedQueue();
  readonly #queue = new KeyedQueue();
  readonly #turns = new Map<string, Turn>();
  readonly #handling = new Set<Promise<void>>();
  readonly #streams = new Set<EventStream>();
  #closed = false;

  constructor(options: TaskManagerOptions) {
    this.agentCard = options.agentCard;
    this.#store = options.store;
    this.#options = options;
    this.#feed = new ChangeFeed(options.store);
  }

  async sendTask(params: TaskSendParams, context: RequestContext = {}): Promise<Task> {
    const { sendTaskHandler, sendTaskStreamingHandler } = this.#options;
    const key = keyOf(params, context);
    await this.#send({ key, params, context, handler: sendTaskHandler ?? sendTaskStreamingHandler });
    return this.getTask({ id: params.id, historyLength: params.historyLength }, context);
  }

  sendTaskStreaming(params: TaskSendParams, context: RequestContext = {}): TaskEventStream {
    const { sendTaskHandler, sendTaskStreamingHandler } = this.#options;
    const handler = sendTaskStreamingHandler ?? sendTaskHandler;
    const key = keyOf(params, context);
    return this.#stream(async (stream) => {
      this.#requireStreaming();
      await new Promise<void>((accepted, reject) => {
        this.#send({ key, params, context, handler, stream, accepted }).catch(reject);
      });
    });
  }

  async getTask({ id, historyLength }: TaskQueryParams, context: RequestContext = {}): Promise<Task> {
    return found(await this.#store.getTask(id, { callerId: context.callerId, historyLength })).task;
  }

  async cancelTask(params: TaskIdParams, context: RequestContext = {}): Promise<Task> {
    const key = keyOf(params, context);
    await this.#inQueue(key, async () => {
      const { state } = (await this.#readHead(key)).task.status;
      if (finishedStates.has(state)) throw new A2AError('taskNotCancelable', `Task cannot be canceled: it is ${state}`);
      await this.#write(key, { status: { state: 'canceled' } });
    });
    return this.getTask(params, context);
  }

  async setTaskPushNotification(
    { id, pushNotificationConfig }: TaskPushNotificationConfig,
    context: RequestContext = {},
  ): Promise<TaskPushNotificationConfig> {
    this.#requirePush();
    const key = keyOf({ id }, context);
    await this.#inQueue(key, async () => {
      await this.#readHead(key);
      await this.#write(key, { pushNotification: pushNotificationConfig });
    });
    return this.getTaskPushNotification({ id }, context);
  }

  async getTaskPushNotification(
    { id }: TaskIdParams,
    context: RequestContext = {},
  ): Promise<TaskPushNotificationConfig> {
    const { pushNotification } = await this.#readHead(keyOf({ id }, context));
    if (!pushNotification) throw new A2AError('pushNotificationNotSupported', 'The task has no push configuration');
    return { id, pushNotificationConfig: pushNotification };
  }

  resubscribeToTask(params: TaskQueryParams, context: RequestContext = {}): TaskEventStream {
    const key = keyOf(params, context);
    return this.#stream((stream) => {
      this.#requireStreaming();
      return this.#inQueue(key, async () => {
        const turn = this.#turns.get(encodeKey(key));
        await followTask(this.#feed, key, stream, async () => {
          const { historyLength } = params;
          const { stored, revision } = found(await readSnapshot(this.#store, key, { historyLength }));
          return { events: replayTask(stored.task, turn !== undefined && !turn.isOver), revision };
        });
        turn?.over.then(() => stream.end(turn.error));
      });
    });
  }

  /**
   * Asks the handlers at work to stop, by their `signal`, waits for them, and ends every stream. The store stays open. A handler
   * that throws then leaves its task `failed`, as always.
   */
  async close(): Promise<void> {
    this.#closed = true;
    for (const turn of this.#turns.values()) turn.abort(new DOMException('the agent is shutting down', 'AbortError'));
    await Promise.allSettled(this.#handling);
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

  async #send(request: TurnRequest): Promise<void> {
    const { handler, params } = request;
    this.#assertOpen();
    if (!handler) throw new A2AError('unsupportedOperation', 'This agent handles no messages');
    if (params.pushNotification) this.#requirePush();
    await this.#turnQueue.run(encodeKey(request.key), () => this.#takeTurn(request, handler));
  }

  async #takeTurn(request: TurnRequest, handler: TaskHandler): Promise<void> {
    const { key, stream, accepted } = request;
    const name = encodeKey(key);
    const turn = new Turn();
    const unfollow = this.#feed.follow(key, (change) => turn.hear(change));
    if (stream) turn.over.then(() => stream.end(turn.error));
    try {
      this.#assertOpen();
      const stored = await this.#inQueue(key, () => this.#begin(request));
      this.#turns.set(name, turn);
      accepted?.();
      const handling = this.#handle(turn, handler, stored, request);
      this.#handling.add(handling);
      const forget = () => this.#handling.delete(handling);
      handling.then(forget, forget);
      await Promise.race([turn.over, handling]);
    } catch (error) {
      turn.error = error;
      throw error;
    } finally {
      turn.end('returned');
      this.#turns.delete(name);
      unfollow();
    }
  }

  /** Stores the message, unless the task is finished. */
  async #begin({ key, params, stream }: TurnRequest): Promise<StoredTask> {
    const before = await readSnapshot(this.#store, key, headView);
    const state = before?.stored.task.status.state;
    if (state && finishedStates.has(state)) {
      throw new A2AError('unsupportedOperation', `The task is ${state} and takes no more messages`);
    }
    if (stream) {
      const revision = before?.revision ?? 0;
      await followTask(this.#feed, key, stream, async () => ({ events: [], revision }));
    }
    const { historyLength: _, ...whole } = params;
    const stored = await this.#store.upsertTask(whole, { callerId: key.callerId, isStreaming: stream !== undefined });
    if (!before) this.#feed.wrote(key, stored, { status: stored.task.status });
    return stored;
  }

  /** Never rejects but where the failure cannot be stored either. */
  async #handle(turn: Turn, handler: TaskHandler, stored: StoredTask, request: TurnRequest): Promise<void> {
    const { key, params, context } = request;
    const modifier = turn.modifier(params, stored, {
      update: (change, guard) =>
        this.#inQueue(key, async () => {
          guard();
          await this.#write(key, change);
        }),
      read: async () => found(await this.#store.getTask(key.taskId, { callerId: key.callerId })),
    });
    try {
      await handler(modifier, context);
      // Changes that the handler did not wait for belong to the turn all the same.
      await this.#inQueue(key, async () => {});
    } catch (error) {
      if (!turn.signal.aborted || error !== turn.signal.reason) this.#report(error, key);
      await this.#inQueue(key, async () => {
        if (!turn.isOver) await this.#write(key, { status: failure });
      });
    }
  }

  #report(error: unknown, { taskId, callerId }: TaskKey): void {
    const task = { taskId, ...(callerId !== undefined && { callerId }) };
    if (this.#options.onError) this.#options.onError(error, task);
    else console.error(`The handler of task ${JSON.stringify(taskId)} failed:`, error);
  }

  async #write(key: TaskKey, params: UpdateTaskParams): Promise<void> {
    const { callerId, taskId } = key;
    // A store that tells of changes by itself need not answer with the task; of another the answer is the telling.
    const view = this.#store.capabilities.watch ? headView : {};
    const stored = await this.#store.updateTask(taskId, { ...params, callerId }, view);
    this.#feed.wrote(key, stored, params);
  }

  async #readHead({ callerId, taskId }: TaskKey): Promise<StoredTask> {
    return found(await this.#store.getTask(taskId, { callerId, ...headView }));
  }

  #inQueue<T>(key: TaskKey, work: () => Promise<T>): Promise<T> {
    return this.#queue.run(encodeKey(key), work);
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
  return { callerId, taskType: 'incoming', taskId: id };
}

function found<T>(task: T | undefined): T {
  if (!task) throw new A2AError('taskNotFound', 'Task not found');
  return task;
}
