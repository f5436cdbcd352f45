/** A store on an Elkar server. */
import { untilAborted } from '../core/abort.ts';
import { inCall, invalidField, TaskStoreError } from '../core/errors.ts';
import { encodeKey, type KeyOptions } from '../core/head.ts';
import { KeyedQueue } from '../core/keyed-queue.ts';
import type { TaskView } from '../core/record.ts';
import { check, id, list, object, optional, text, time, validate } from '../core/shape.ts';
import type { StoredTask, Task, TaskSendParams, TaskStatus, TaskType, UpdateTaskParams } from '../core/task.ts';
import {
  listQueryShape,
  optionsShape,
  taskIdShape,
  taskSendParamsShape,
  taskShape,
  updateTaskParamsShape,
} from '../core/task-shapes.ts';
import { defaultEnvironment, type Environment } from '../environment.ts';
import type {
  CallOptions,
  ListQuery,
  ReadOptions,
  TaskPage,
  TaskStore,
  TaskStoreCapabilities,
  UpsertOptions,
  WriteOptions,
} from '../task-store.ts';
import { type Call, closedArtifact, type RemoteKey, RemoteTasks } from './remote-tasks.ts';
import { ElkarTransport, type ElkarTransportOptions } from './transport.ts';
import type { RemoteTask } from './wire-answers.ts';
import { decode } from './wire-items.ts';
import { decodePushNotification } from './wire-push.ts';

export interface ElkarClientOptions extends ElkarTransportOptions {
  /**
   * Stands on the server for calls without a `callerId`: an Elkar server must never be sent none. No caller may have
   * this name.
   * @default 'holdfast'
   */
  readonly defaultCallerId?: string | undefined;
  /**
   * What answers at `baseUrl`: Elkar's own server, or Holdfast's endpoint, which can list and keeps everything.
   * @default 'elkar'
   */
  readonly server?: 'elkar' | 'holdfast' | undefined;
  /** Clock and ids, for tests. */
  readonly environment?: Partial<Environment> | undefined;
}

/**
 * Tasks kept by an Elkar server, or by Holdfast's endpoint. One task has one change under way at a time; this must be the
 * only process that changes a task, since Elkar's server loses one of two concurrent changes.
 *
 * A change whose answer was lost is looked for on the server: where it is found, the call succeeds. Else it rejects with
 * `REMOTE_UNREACHABLE`, and the change may still take effect.
 *
 * @example
 * const store = new ElkarClientStore({ baseUrl: 'https://host/api', apiKey: () => readKey() });
 * await store.updateTask('t1', { status: { state: 'working' } });
 */
export class ElkarClientStore implements TaskStore {
  readonly backend: TaskStore['backend'];
  readonly capabilities: TaskStoreCapabilities;

  readonly #transport: ElkarTransport;
  readonly #remote: RemoteTasks;
  readonly #noCaller: string;
  /** By task: Elkar loses one of two changes that come at once. */
  readonly #changes = new KeyedQueue();
  #closed = false;

  /** @throws TaskStoreError `INVALID_ARGUMENT` */
  constructor(options: ElkarClientOptions) {
    const { defaultCallerId = 'holdfast', server = 'elkar', baseUrl } = options;
    if (defaultCallerId === '') throw invalidField(['defaultCallerId'], 'expected a name');
    const isElkar = server !== 'holdfast';
    this.#transport = new ElkarTransport(options);
    this.#remote = new RemoteTasks(this.#transport, isElkar, { ...defaultEnvironment(), ...options.environment });
    this.#noCaller = defaultCallerId;
    this.backend = { kind: 'elkar', survives: 'process', location: baseUrl, reason: 'asked for' };
    this.capabilities = { list: !isElkar, delete: false, watch: false, transfer: false, lossless: !isElkar };
  }

  upsertTask(params: TaskSendParams, options: UpsertOptions = {}): Promise<StoredTask> {
    return this.#call('upsertTask', params?.id, options, (call) => {
      const valid = validate(taskSendParamsShape, params);
      const key = this.#key(valid.id, 'incoming', options.callerId);
      const view = { ...options, historyLength: options.historyLength ?? valid.historyLength };
      const isStreaming = options.isStreaming ?? false;
      return this.#write(key, call, view, () => this.#remote.upsert(key, valid, isStreaming, call));
    });
  }

  updateTask(taskId: string, params: UpdateTaskParams, options: WriteOptions & KeyOptions = {}): Promise<StoredTask> {
    return this.#call('updateTask', taskId, options, (call) => {
      const valid = validate(updateTaskParamsShape, params);
      const { callerId = options.callerId, taskType = options.taskType ?? 'incoming' } = valid;
      const key = this.#key(taskId, taskType, callerId);
      refuseLateChunks(valid);
      return this.#write(key, call, options, () => this.#remote.update(key, valid, call));
    });
  }

  upsertTaskForClient(
    task: Task,
    agentUrl: string,
    options: WriteOptions & Pick<KeyOptions, 'callerId'> = {},
  ): Promise<StoredTask> {
    return this.#call('upsertTaskForClient', task?.id, options, (call) => {
      const valid = validate(taskShape, task);
      // Optional in the shape, but not here.
      check(optionsShape, { agentUrl: agentUrl ?? null });
      const key = this.#key(valid.id, 'outgoing', options.callerId);
      return this.#write(key, call, options, () => this.#remote.replace(key, valid, agentUrl, call));
    });
  }

  getTask(taskId: string, options: ReadOptions = {}): Promise<StoredTask | undefined> {
    return this.#get('getTask', taskId, 'incoming', options);
  }

  getTaskForClient(taskId: string, options: ReadOptions = {}): Promise<StoredTask | undefined> {
    return this.#get('getTaskForClient', taskId, 'outgoing', options);
  }

  listTasks(query: ListQuery = {}): Promise<TaskPage> {
    return this.#call('listTasks', undefined, query, async (call) => {
      if (!this.capabilities.list) throw unsupported('listTasks', "; Holdfast's endpoint can: pass server: 'holdfast'");
      const { signal: _, ...asked } = query;
      check(listQueryShape, asked);
      const callerId = asked.allCallers ? {} : { callerId: this.#key('-', 'incoming', asked.callerId).callerId };
      const page = await this.#transport
        .listTasks({ ...asked, ...callerId }, readPage, call)
        .catch((error: unknown) => {
          // The rest of the query was checked here; what a cursor is, only the server knows.
          const isCursor = error instanceof TaskStoreError && error.status === 422 && asked.cursor !== undefined;
          throw isCursor ? invalidField(['cursor'], 'not a cursor of this list') : error;
        });
      const tasks = page.tasks.map(({ callerId, ...summary }) => ({
        ...summary,
        ...(callerId !== undefined && callerId !== this.#noCaller && { callerId }),
        status: decode<TaskStatus>('status', summary.status),
      }));
      return { ...page, tasks };
    });
  }

  async deleteTask(): Promise<never> {
    throw unsupported('deleteTask');
  }

  watch(): never {
    throw unsupported('watch');
  }

  subscribe(): never {
    throw unsupported('subscribe');
  }

  exportTasks(): never {
    throw unsupported('exportTasks');
  }

  async importTasks(): Promise<never> {
    throw unsupported('importTasks');
  }

  async prune(): Promise<never> {
    throw unsupported('prune');
  }

  /** Lets changes under way finish; later calls reject with `STORE_CLOSED`. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#changes.settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #get(operation: string, taskId: string, taskType: TaskType, options: ReadOptions): Promise<StoredTask | undefined> {
    return this.#call(operation, taskId, options, async (call) => {
      // The caller's own may be changed while this waits.
      const view = { ...options };
      const key = this.#key(taskId, taskType, view.callerId);
      const remote = await this.#remote.find(key, call, view.historyLength);
      return remote && this.#toStored(key, remote, view);
    });
  }

  #write(key: RemoteKey, call: Call, options: TaskView, work: () => Promise<RemoteTask>): Promise<StoredTask> {
    const { signal } = call;
    const view = { ...options };
    const turn = this.#changes.run(encodeKey(key), async () => {
      signal?.throwIfAborted();
      return this.#toStored(key, await work(), view);
    });
    return signal ? untilAborted(turn, signal) : turn;
  }

  #toStored(key: RemoteKey, remote: RemoteTask, { historyLength, includeArtifacts }: TaskView): StoredTask {
    const task = { ...remote.task };
    if (historyLength !== undefined && task.history) {
      task.history = historyLength === 0 ? [] : task.history.slice(-historyLength);
    }
    if (includeArtifacts === false) delete task.artifacts;
    const { taskId: id, taskType, callerId } = key;
    const { tag, row, createdAt, updatedAt } = remote;
    // Our endpoint says these of the row, Elkar's server keeps what the tags say.
    const isStreaming = row.is_streaming === true || tag.isStreaming === true;
    const agentUrl = [row.agent_url, tag.agentUrl].find((url) => typeof url === 'string');
    const pushNotification = decodePushNotification(row.push_notification);
    return {
      id,
      ...(callerId !== this.#noCaller && { callerId }),
      taskType,
      isStreaming,
      task,
      ...(pushNotification && { pushNotification }),
      createdAt,
      updatedAt,
      ...(agentUrl !== undefined && { agentUrl }),
    };
  }

  #key(taskId: string, taskType: TaskType, callerId: string | undefined): RemoteKey {
    if (callerId === this.#noCaller) {
      throw invalidField(['callerId'], 'this name stands for no caller (see defaultCallerId)');
    }
    return { taskId, taskType, callerId: callerId ?? this.#noCaller };
  }

  /** Every call's frame: open, checked, not aborted, its errors named. */
  async #call<T>(
    operation: string,
    taskId: string | undefined,
    options: CallOptions,
    work: (call: Call) => Promise<T>,
  ): Promise<T> {
    try {
      if (this.#closed) throw new TaskStoreError('STORE_CLOSED', 'the store is closed');
      check(optionsShape, options);
      const { signal } = options;
      signal?.throwIfAborted();
      if (operation !== 'listTasks') check(taskIdShape, { taskId });
      return await work({ signal });
    } catch (error) {
      throw inCall(error, operation, taskId);
    }
  }
}

/** Elkar would take the chunks before the one that follows a last one. */
function refuseLateChunks({ artifactsUpdates = [] }: UpdateTaskParams): void {
  const closed = new Set<number>();
  for (const { index = 0, lastChunk } of artifactsUpdates) {
    if (closed.has(index)) throw closedArtifact(index);
    if (lastChunk) closed.add(index);
  }
}

const pageShape = object({
  tasks: list(object({ id, status: object({}), createdAt: time, updatedAt: time })),
  nextCursor: optional(text),
});

function readPage(answer: unknown): TaskPage {
  check(pageShape, answer);
  return answer as TaskPage;
}

function unsupported(operation: string, why = ''): TaskStoreError {
  return new TaskStoreError('UNSUPPORTED', `this server cannot do that${why}`, { operation });
}
