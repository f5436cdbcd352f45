/** What becomes of a change of one task on an Elkar server: which requests it takes, and what an unclear answer means. */
import { TaskStoreError } from '../core/errors.ts';
import { encodeKey, type TaskKey } from '../core/head.ts';
import type { Json } from '../core/json.ts';
import { isoTime, requireFound } from '../core/reduce.ts';
import type { Task, TaskSendParams, UpdateTaskParams } from '../core/task.ts';
import type { Environment } from '../environment.ts';
import type { ElkarTransport } from './transport.ts';
import { assertSendable, clientTaskBody, createBody, updateBody } from './wire.ts';
import type { RemoteTask } from './wire-answers.ts';
import { type Tag, type Tags, tagLater, tagOf } from './wire-items.ts';

/** On the wire there always is a caller. */
export type RemoteKey = TaskKey & { readonly callerId: string };

export interface Call {
  readonly signal: AbortSignal | undefined;
}

/** What was last seen of a row. */
interface Row {
  readonly id: string;
  /** The indexes of artifacts that take no more parts; Elkar keeps taking them where a later chunk was the last. */
  readonly closed: readonly number[];
}

/** So many rows are remembered; of others the server is asked again. */
const REMEMBERED_ROWS = 10_000;

/** The tasks on one server. Changes to one task must be made one after the other. */
export class RemoteTasks {
  readonly #transport: ElkarTransport;
  /** An unmodified server of Elkar's, faults and all; else our endpoint, which applies the store's own rules. */
  readonly #isElkar: boolean;
  readonly #environment: Environment;
  readonly #rows = new Map<string, Row>();

  constructor(transport: ElkarTransport, isElkar: boolean, environment: Environment) {
    this.#transport = transport;
    this.#isElkar = isElkar;
    this.#environment = environment;
  }

  async find(key: RemoteKey, call: Call, historyLength?: number): Promise<RemoteTask | undefined> {
    const { taskId, taskType, callerId } = key;
    if (this.#isElkar) assertSendable({ callerId }, taskId);
    // Elkar ignores the length; what it would cut off, were it to honour it, holds what is to be put back.
    const query = { ...call, callerId, ...(!this.#isElkar && { historyLength }) };
    const method = taskType === 'incoming' ? 'getTask' : 'getClientTask';
    const remote = await this.#transport[method](taskId, query).catch((error: unknown) => {
      if (error instanceof TaskStoreError && error.code === 'TASK_NOT_FOUND') return undefined;
      throw error;
    });
    return remote && this.#remember(key, remote);
  }

  /** A task that Elkar has is never posted to again: it would write over others. What follows goes by PUT. */
  async upsert(key: RemoteKey, params: TaskSendParams, isStreaming: boolean, call: Call): Promise<RemoteTask> {
    const known = this.#isElkar ? await this.find(key, call) : undefined;
    if (!known) return this.#create(key, params, isStreaming, call);
    const { message, pushNotification } = params;
    const metadata = params.metadata && { ...known.task.metadata, ...params.metadata };
    return this.#put(key, { newMessages: [message], pushNotification, metadata }, call);
  }

  async update(key: RemoteKey, params: UpdateTaskParams, call: Call): Promise<RemoteTask> {
    // Elkar's PUT takes the row of any caller, and says 500 where there is none.
    if (this.#isElkar) {
      const name = encodeKey(key);
      if (!this.#rows.has(name)) await this.find(key, call);
      const row = requireFound(this.#rows.get(name));
      const late = params.artifactsUpdates?.find(({ index = 0 }) => row.closed.includes(index));
      if (late) throw closedArtifact(late.index ?? 0);
    }
    return this.#put(key, params, call);
  }

  /** May be repeated: it stores the whole. */
  replace(key: RemoteKey, task: Task, agentUrl: string, call: Call): Promise<RemoteTask> {
    const status = { ...task.status, timestamp: task.status.timestamp ?? this.#now() };
    const body = clientTaskBody({ ...task, status }, agentUrl, key.callerId);
    return this.#send(key, body, [], call, 'upsertClientTask');
  }

  async #create(key: RemoteKey, params: TaskSendParams, isStreaming: boolean, call: Call): Promise<RemoteTask> {
    const op = this.#environment.newId();
    const sessionId = params.sessionId ?? this.#environment.newId();
    const { callerId } = key;
    const spelled = { historyLength: undefined, accepted_output_modes: params.acceptedOutputModes };
    const body = createBody({
      params: { ...params, ...spelled, sessionId },
      op,
      callerId,
      timestamp: this.#now(),
      isStreaming: isStreaming || undefined,
    });
    return this.#send(key, body, [op], call, 'createTask');
  }

  async #put(key: RemoteKey, params: UpdateTaskParams, call: Call): Promise<RemoteTask> {
    const { status, newMessages = [], artifactsUpdates, pushNotification, metadata } = params;
    const op = this.#environment.newId();
    const timed = status && { ...status, timestamp: status.timestamp ?? this.#now() };
    const messages = status?.message ? [status.message, ...newMessages] : newMessages;
    const items = [messages, ...(artifactsUpdates ?? []).map(({ parts }) => parts)].flat();
    const tags: Tags = new Map<unknown, Tag>(items.map((item, i) => [item, { op: `${op}:${i}` }]));
    const ops = Array.from(tags.values(), (tag) => tag.op as string);
    if (this.#isElkar) {
      for (const artifact of artifactsUpdates ?? []) tagLater(tags, artifact);
      // It takes no metadata with an update; they ride on its last message, where there is one.
      const last = messages.at(-1);
      if (metadata) tags.set(last, { ...tags.get(last), task: { metadata } });
    }
    const { callerId, taskType } = key;
    const update = { status: timed, newMessages, artifactsUpdates, pushNotification, metadata, taskType };
    const body = updateBody(callerId, update, tags);
    try {
      return await this.#send(key, body, ops, call, 'updateTask');
    } catch (error) {
      throw await this.#explain(error, key, params, call);
    }
  }

  /** Sends one change. Where no answer tells what came of it, the server is asked whether it has these ops. */
  async #send(
    key: RemoteKey,
    body: Json,
    ops: readonly string[],
    call: Call,
    route: 'createTask' | 'updateTask' | 'upsertClientTask',
  ): Promise<RemoteTask> {
    const { taskId } = key;
    if (this.#isElkar) assertSendable(body, taskId);
    try {
      const transport = this.#transport;
      const sent = route === 'updateTask' ? transport.updateTask(taskId, body, call) : transport[route](body, call);
      return this.#remember(key, await sent);
    } catch (error) {
      if (!isUncertain(error)) throw error;
      const found = await this.find(key, call).catch(() => {
        throw error;
      });
      if (route === 'updateTask') requireFound(found);
      if (found && ops.length > 0 && ops.every((op) => hasOp(found, op))) return found;
      throw error;
    }
  }

  /** Elkar says 400 of a closed artifact; the task itself tells whether that was it. */
  async #explain(
    error: unknown,
    key: RemoteKey,
    { artifactsUpdates = [] }: UpdateTaskParams,
    call: Call,
  ): Promise<unknown> {
    if (!(error instanceof TaskStoreError) || error.status !== 400 || artifactsUpdates.length === 0) return error;
    const remote = await this.find(key, call).catch(() => undefined);
    const isClosed = (index: number) => remote?.task.artifacts?.some((item) => item.index === index && item.lastChunk);
    const late = artifactsUpdates.find(({ index = 0 }) => isClosed(index));
    return late ? closedArtifact(late.index ?? 0, error) : error;
  }

  /** One row for one task: another row in the answer is another task, which the server changed in its stead. */
  #remember(key: RemoteKey, remote: RemoteTask): RemoteTask {
    if (remote.task.id !== key.taskId) throw new TaskStoreError('REMOTE_UNREACHABLE', 'the answer is of another task');
    if (!this.#isElkar) return remote;
    const name = encodeKey(key);
    const row = this.#rows.get(name);
    if (row && row.id !== remote.rowId) {
      this.#rows.delete(name);
      const message = 'the server answered with another task of the same id';
      throw new TaskStoreError('CONFLICT', message, { taskId: key.taskId });
    }
    const oldest = this.#rows.keys().next().value;
    if (oldest !== undefined && this.#rows.size >= REMEMBERED_ROWS) this.#rows.delete(oldest);
    const closed = (remote.task.artifacts ?? []).filter(({ lastChunk }) => lastChunk).map(({ index = 0 }) => index);
    this.#rows.set(name, { id: remote.rowId, closed });
    return remote;
  }

  #now(): string {
    return isoTime(this.#environment.now());
  }
}

/** May have taken effect; a server that asks to be left alone for a while has done nothing. */
function isUncertain(error: unknown): boolean {
  if (!(error instanceof TaskStoreError) || error.code !== 'REMOTE_UNREACHABLE') return false;
  return error.status !== 429 && error.retryAfterMs === undefined;
}

function hasOp({ task: { history = [], artifacts = [] } }: RemoteTask, op: string): boolean {
  const items: readonly unknown[] = [history, ...artifacts.map(({ parts }) => parts)].flat();
  return items.some((item) => tagOf(item).op === op);
}

export function closedArtifact(index: number, cause?: unknown): TaskStoreError {
  return new TaskStoreError('ARTIFACT_CLOSED', `artifactsUpdates: artifact ${index} is closed`, { cause });
}
