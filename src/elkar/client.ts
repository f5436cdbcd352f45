/** A store on an Elkar server. */
import { invalidArgument, TaskStoreError } from '../core/errors.ts';
import { encodeKey, type TaskKey } from '../core/head.ts';
import type { TaskView } from '../core/record.ts';
import { isoTime } from '../core/reduce.ts';
import { check, validate } from '../core/shape.ts';
import {
  callShape,
  listQueryShape,
  type StoredTask,
  type Task,
  type TaskSendParams,
  type TaskType,
  taskSendParamsShape,
  taskShape,
  type UpdateTaskParams,
  updateTaskParamsShape,
} from '../core/task.ts';
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
import { ElkarTransport, type ElkarTransportOptions } from './transport.ts';
import { Turns } from './turns.ts';
import {
  assertSendable,
  clientTaskBody,
  createBody,
  type Json,
  type OutgoingArtifact,
  type RemoteTask,
  type TaskTag,
  updateBody,
} from './wire.ts';
import { decodeStatus } from './wire-items.ts';

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

/** So many rows are remembered; of others the server is asked again. */
const REMEMBERED_ROWS = 10_000;

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
  readonly #isElkar: boolean;
  readonly #noCaller: string;
  readonly #environment: Environment;
  readonly #turns = new Turns();
  readonly #rows = new Map<string, string>();
  #closed = false;

  /** @throws TaskStoreError `INVALID_ARGUMENT` */
  constructor(options: ElkarClientOptions) {
    const { defaultCallerId = 'holdfast', server = 'elkar', baseUrl } = options;
    if (defaultCallerId === '') throw invalidArgument([{ path: ['defaultCallerId'], message: 'expected a name' }]);
    this.#transport = new ElkarTransport(options);
    this.#isElkar = server !== 'holdfast';
    this.#noCaller = defaultCallerId;
    this.#environment = { ...defaultEnvironment(), ...options.environment };
    this.backend = { kind: 'elkar', survives: 'process', location: baseUrl, reason: 'asked for' };
    this.capabilities = {
      list: !this.#isElkar,
      delete: false,
      watch: false,
      transfer: false,
      lossless: !this.#isElkar,
    };
  }

  upsertTask(params: TaskSendParams, options: UpsertOptions = {}): Promise<StoredTask> {
    return this.#call('upsertTask', params?.id, options, (call) => {
      const valid = validate(taskSendParamsShape, params);
      const key = this.#key(valid.id, 'incoming', options.callerId);
      const view = { ...options, historyLength: options.historyLength ?? valid.historyLength };
      return this.#write(key, call, view, async () => {
        const known = this.#isElkar ? await this.#find(key, call) : undefined;
        return known ? this.#followUp(key, valid, known, call) : this.#create(key, valid, options, call);
      });
    });
  }

  updateTask(taskId: string, params: UpdateTaskParams, options: WriteOptions = {}): Promise<StoredTask> {
    return this.#call('updateTask', taskId, options, (call) => {
      const valid = validate(updateTaskParamsShape, params);
      const key = this.#key(taskId, valid.taskType ?? 'incoming', valid.callerId);
      refuseLateChunks(valid);
      return this.#write(key, call, options, async () => {
        // Elkar's PUT takes the row of any caller, and says 500 where there is none.
        if (this.#isElkar && !this.#rows.has(encodeKey(key)) && !(await this.#find(key, call))) throw notFound();
        return this.#put(key, valid, call);
      });
    });
  }

  upsertTaskForClient(
    task: Task,
    agentUrl: string,
    options: WriteOptions & { readonly callerId?: string | undefined } = {},
  ): Promise<StoredTask> {
    // No agentUrl must not pass for an optional one.
    const checked = { ...options, agentUrl: agentUrl ?? null };
    return this.#call('upsertTaskForClient', task?.id, checked, (call) => {
      const valid = validate(taskShape, task);
      const key = this.#key(valid.id, 'outgoing', options.callerId);
      const { status } = valid;
      const timed = { ...valid, status: { ...status, timestamp: status.timestamp ?? this.#now() } };
      const body = clientTaskBody({ task: timed, agentUrl, callerId: key.callerId });
      // May be repeated: it stores the whole.
      return this.#write(key, call, options, () => this.#send(key, body, [], call, 'upsertClientTask'));
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
      if (this.#isElkar) throw unsupported('listTasks');
      const { signal: _, ...asked } = query;
      check(listQueryShape, asked);
      const callerId = asked.allCallers ? {} : { callerId: this.#key('-', 'incoming', asked.callerId).callerId };
      const page = await this.#transport.listTasks({ ...asked, ...callerId }, call).catch((error: unknown) => {
        // The rest of the query was checked here; what a cursor is, only the server knows.
        const isCursor = error instanceof TaskStoreError && error.status === 422 && asked.cursor !== undefined;
        throw isCursor ? invalidArgument([{ path: ['cursor'], message: 'not a cursor of this list' }]) : error;
      });
      const tasks = page.tasks.map(({ callerId, ...summary }) => ({
        ...summary,
        ...(callerId !== undefined && callerId !== this.#noCaller && { callerId }),
        status: decodeStatus(summary.status).item,
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
    await this.#turns.settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #get(operation: string, taskId: string, taskType: TaskType, options: ReadOptions): Promise<StoredTask | undefined> {
    return this.#call(operation, taskId, options, async (call) => {
      const key = this.#key(taskId, taskType, options.callerId);
      const remote = await this.#find(key, call, options.historyLength);
      return remote && this.#toStored(key, remote, options);
    });
  }

  async #create(
    key: RemoteKey,
    params: TaskSendParams,
    { isStreaming }: UpsertOptions,
    call: Call,
  ): Promise<RemoteTask> {
    const op = this.#environment.newId();
    const sessionId = params.sessionId ?? this.#environment.newId();
    const { callerId } = key;
    const body = createBody({ params: { ...params, sessionId }, op, callerId, timestamp: this.#now(), isStreaming });
    return this.#send(key, body, [op], call, 'createTask');
  }

  /** A message to a task that the server has: posted again, it would make Elkar write over others. */
  #followUp(key: RemoteKey, params: TaskSendParams, known: RemoteTask, call: Call): Promise<RemoteTask> {
    const { message, pushNotification } = params;
    const metadata = params.metadata && { ...known.task.metadata, ...params.metadata };
    return this.#put(key, { newMessages: [message], pushNotification, metadata }, call);
  }

  async #put(key: RemoteKey, params: UpdateTaskParams, call: Call): Promise<RemoteTask> {
    const { status, newMessages = [], artifactsUpdates, pushNotification, metadata } = params;
    const op = this.#environment.newId();
    const messages = newMessages.map((message, i) => ({ message, op: `${op}:${i}` }));
    const statusOp = `${op}:s`;
    const artifacts = artifactsUpdates?.map((artifact, i) => this.#chunk(artifact, `${op}:a${i}`));
    // Elkar takes no metadata with an update; it rides on a message, where there is one.
    const task: TaskTag | undefined = this.#isElkar && metadata ? { metadata } : undefined;
    const body = updateBody({
      callerId: key.callerId,
      status: status && {
        status: { ...status, timestamp: status.timestamp ?? this.#now() },
        op: statusOp,
        task: messages.length > 0 ? undefined : task,
      },
      messages: messages.map((item, i) => (task && i === messages.length - 1 ? { ...item, task } : item)),
      artifacts,
      pushNotification,
      metadata,
      taskType: key.taskType,
    });
    const ops = [...messages, ...(artifacts ?? []).flatMap(({ ops }) => ops.map((op) => ({ op })))].map(({ op }) => op);
    if (status?.message) ops.push(statusOp);
    const remote = await this.#send(key, body, ops, call, 'updateTask').catch((error) =>
      this.#explain(error, key, params, call),
    );
    return remote;
  }

  #chunk(artifact: OutgoingArtifact['artifact'], op: string): OutgoingArtifact {
    return { artifact, ops: artifact.parts.map((_, i) => `${op}:${i}`), isLater: this.#isElkar };
  }

  /** Sends one change. Where no answer tells what came of it, the server is asked whether it has these ops. */
  async #send(
    key: RemoteKey,
    body: Json,
    ops: readonly string[],
    call: Call,
    route: 'createTask' | 'updateTask' | 'upsertClientTask',
  ): Promise<RemoteTask> {
    if (this.#isElkar) assertSendable(body, { taskId: key.taskId });
    const sent =
      route === 'updateTask' ? this.#transport.updateTask(key.taskId, body, call) : this.#transport[route](body, call);
    const remote = await sent.catch(async (error: unknown) => {
      if (!isUncertain(error)) throw error;
      const found = await this.#find(key, call).catch(() => {
        throw error;
      });
      if (!found && route === 'updateTask') throw notFound();
      if (found && ops.length > 0 && ops.every((op) => hasOp(found, op))) return found;
      throw error;
    });
    return this.#remember(key, remote);
  }

  /** Elkar says 400 of a closed artifact; the task itself tells whether that was it. */
  async #explain(
    error: unknown,
    key: RemoteKey,
    { artifactsUpdates = [] }: UpdateTaskParams,
    call: Call,
  ): Promise<never> {
    if (!(error instanceof TaskStoreError) || error.status !== 400 || artifactsUpdates.length === 0) throw error;
    const remote = await this.#find(key, call).catch(() => undefined);
    const closed = remote?.task.artifacts?.filter(({ lastChunk }) => lastChunk).map(({ index }) => index) ?? [];
    const update = artifactsUpdates.find(({ index = 0 }) => closed.includes(index));
    throw update ? closedArtifact(update.index ?? 0, error) : error;
  }

  async #find(key: RemoteKey, call: Call, historyLength?: number): Promise<RemoteTask | undefined> {
    if (this.#isElkar) assertSendable({ callerId: key.callerId }, { taskId: key.taskId });
    const { taskId, taskType, callerId } = key;
    // Elkar ignores the length; what it would cut off, were it to honour it, holds what is to be put back.
    const query = { ...call, callerId, ...(!this.#isElkar && { historyLength }) };
    const method = taskType === 'incoming' ? 'getTask' : 'getClientTask';
    const remote = await this.#transport[method](taskId, query).catch((error: unknown) => {
      if (error instanceof TaskStoreError && error.code === 'TASK_NOT_FOUND') return undefined;
      throw error;
    });
    return remote && this.#remember(key, remote);
  }

  /** One row for one task: another row in the answer is another task, which the server changed in its stead. */
  #remember(key: RemoteKey, remote: RemoteTask): RemoteTask {
    if (!this.#isElkar) return remote;
    const name = encodeKey(key);
    const row = this.#rows.get(name);
    if (row !== undefined && row !== remote.rowId) {
      this.#rows.delete(name);
      throw new TaskStoreError('CONFLICT', 'the server answered with another task of the same id', {
        taskId: key.taskId,
      });
    }
    if (row === undefined && this.#rows.size >= REMEMBERED_ROWS)
      this.#rows.delete(this.#rows.keys().next().value as string);
    this.#rows.set(name, remote.rowId);
    return remote;
  }

  #write(key: RemoteKey, call: Call, view: TaskView, work: () => Promise<RemoteTask>): Promise<StoredTask> {
    const { signal } = call;
    return this.#turns.take(encodeKey(key), signal, async () => this.#toStored(key, await work(), view));
  }

  #toStored(key: RemoteKey, remote: RemoteTask, { historyLength, includeArtifacts }: TaskView): StoredTask {
    const task = { ...remote.task };
    if (historyLength !== undefined && task.history) {
      task.history = historyLength === 0 ? [] : task.history.slice(-historyLength);
    }
    if (includeArtifacts === false) delete task.artifacts;
    const { taskId: id, taskType, callerId } = key;
    const { isStreaming, agentUrl, pushNotification, createdAt, updatedAt } = remote;
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
      throw invalidArgument([{ path: ['callerId'], message: 'this name stands for no caller (see defaultCallerId)' }]);
    }
    return { taskId, taskType, callerId: callerId ?? this.#noCaller };
  }

  #now(): string {
    return isoTime(this.#environment.now());
  }

  /** Every call's frame: open, checked, not aborted, its errors named. */
  async #call<T>(
    operation: string,
    taskId: string | undefined,
    options: CallOptions,
    work: (call: Call) => Promise<T>,
  ): Promise<T> {
    if (this.#closed) throw new TaskStoreError('STORE_CLOSED', 'the store is closed', { operation, taskId });
    const { signal, ...rest } = options;
    signal?.throwIfAborted();
    try {
      if (operation !== 'listTasks') check(callShape, { ...rest, taskId });
      return await work({ signal, operation });
    } catch (error) {
      if (!(error instanceof TaskStoreError) || error.operation) throw error;
      const { code, message, issues, status, retryAfterMs, cause } = error;
      throw new TaskStoreError(code, message, { cause, operation, taskId, issues, status, retryAfterMs });
    }
  }
}

/** On the wire there always is a caller. */
type RemoteKey = TaskKey & { readonly callerId: string };

interface Call {
  readonly signal: AbortSignal | undefined;
  readonly operation: string;
}

/** May have taken effect; a server that asks for rest (429, 503) has done nothing. */
function isUncertain(error: unknown): boolean {
  return (
    error instanceof TaskStoreError &&
    error.code === 'REMOTE_UNREACHABLE' &&
    error.status !== 429 &&
    error.status !== 503
  );
}

function hasOp({ messages, artifacts }: RemoteTask, op: string): boolean {
  return messages.some((item) => item.op === op) || artifacts.some(({ parts }) => parts.some((item) => item.op === op));
}

/** Elkar would take the chunks before the one that follows a last one. */
function refuseLateChunks({ artifactsUpdates = [] }: UpdateTaskParams): void {
  const closed = new Set<number>();
  for (const { index = 0, lastChunk } of artifactsUpdates) {
    if (closed.has(index)) throw closedArtifact(index);
    if (lastChunk) closed.add(index);
  }
}

function closedArtifact(index: number, cause?: unknown): TaskStoreError {
  return new TaskStoreError('ARTIFACT_CLOSED', `artifactsUpdates: artifact ${index} is closed`, { cause });
}

function notFound(): TaskStoreError {
  return new TaskStoreError('TASK_NOT_FOUND', 'there is no such task for this caller');
}

function unsupported(operation: string): TaskStoreError {
  return new TaskStoreError('UNSUPPORTED', 'this server cannot do that', { operation });
}
