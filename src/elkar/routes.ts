/** What each route of the endpoint does: a request in, the body of its answer out; errors are thrown. */
import { invalidField } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { requireFound } from '../core/reduce.ts';
import { check, count, object, optional, text } from '../core/shape.ts';
import type { StoredTask, TaskType } from '../core/task.ts';
import {
  listQueryShape,
  optionsShape,
  taskSendParamsShape,
  taskShape,
  updateTaskParamsShape,
} from '../core/task-shapes.ts';
import type { ListQuery, TaskPage, TaskStore, TaskSummary } from '../task-store.ts';
import { idInPath, inQuery, Refusal, readBody, textIn } from './endpoint-request.ts';
import { rowIdOf } from './row-id.ts';
import { TaskEvents } from './task-events.ts';
import { readSendParams, readTask, readUpdate, writeTaskResponse } from './wire-endpoint.ts';

/** How many tasks one page of a list holds at the most. */
const MAX_PAGE = 1_000;

/** For each agent, whom the first argument names, the tasks that are his. */
export class Routes {
  readonly #store: TaskStore;
  readonly #bodyLimit: number;
  /** Of each agent his own: none makes the others' subscribers give way. */
  readonly #events = new Map<string, TaskEvents>();

  constructor(store: TaskStore, bodyLimit: number) {
    this.#store = store;
    this.#bodyLimit = bodyLimit;
  }

  async upsertTask(agent: string, request: Request): Promise<Json> {
    const body = await readBody(request, this.#bodyLimit);
    const callerId = textIn(body, 'counterparty_identifier');
    if ((textIn(body, 'task_type') ?? 'incoming') !== 'incoming') {
      throw invalidField(['task_type'], 'expected incoming; outgoing tasks go to /client-side/tasks');
    }
    const params = readSendParams(body.send_task_params);
    check(object({ send_task_params: taskSendParamsShape }), { send_task_params: params });
    const isStreaming = body.is_streaming === true;
    const stored = await this.#store.upsertTask(params, { callerId: encodeCaller(agent, callerId), isStreaming });
    return respond(stored, agent, callerId);
  }

  async getTask(agent: string, { url }: Request, type: TaskType): Promise<Json> {
    const taskId = idInPath(url);
    const callerId = inQuery(url, 'caller_id');
    const length = inQuery(url, 'history_length');
    if (length !== undefined && !/^\d{1,16}$/.test(length)) {
      throw new Refusal(
        400,
        'Failed to deserialize query string: history_length: expected a whole number of 0 or more',
      );
    }
    const historyLength = length === undefined ? undefined : Number(length);
    const read = type === 'incoming' ? 'getTask' : 'getTaskForClient';
    const stored = await this.#store[read](taskId, { callerId: encodeCaller(agent, callerId), historyLength });
    return respond(requireFound(stored), agent, callerId);
  }

  async updateTask(agent: string, request: Request): Promise<Json> {
    const taskId = idInPath(request.url);
    const body = await readBody(request, this.#bodyLimit);
    const callerId = textIn(body, 'caller_id');
    const update = readUpdate(body);
    const params = {
      ...update,
      callerId: encodeCaller(agent, callerId),
      taskType: (body.task_type ?? 'incoming') as TaskType,
    };
    check(updateTaskParamsShape, params);
    return respond(await this.#store.updateTask(taskId, params), agent, callerId);
  }

  async upsertClientTask(agent: string, request: Request): Promise<Json> {
    const body = await readBody(request, this.#bodyLimit);
    const callerId = textIn(body, 'counterparty_identifier');
    const agentUrl = textIn(body, 'server_agent_url');
    if (agentUrl === undefined) throw invalidField(['server_agent_url'], 'expected a string');
    const task = readTask(body.task);
    check(object({ task: taskShape }), { task });
    return respond(
      await this.#store.upsertTaskForClient(task, agentUrl, { callerId: encodeCaller(agent, callerId) }),
      agent,
      callerId,
    );
  }

  /** Takes a `ListQuery` and answers a `TaskPage`; an addition of ours. All callers are all callers of this agent. */
  async listTasks(agent: string, request: Request): Promise<TaskPage> {
    const { callerId, allCallers, ...query } = pick(await readBody(request, this.#bodyLimit), listFields) as ListQuery;
    check(optionsShape, query);
    check(listQueryShape, { ...query, allCallers });
    check(object({ callerId: optional(text) }), { callerId });
    const limit = Math.min(query.limit ?? 50, MAX_PAGE);
    const page = allCallers
      ? await this.#listAllCallers(agent, { ...query, limit })
      : await this.#store.listTasks({ ...query, limit, callerId: encodeCaller(agent, callerId) });
    return { ...page, tasks: page.tasks.map(withoutAgent) };
  }

  /**
   * The store's cursor names the last task of its page, so where a page of ours is full, the store's must end with a task of
   * this agent: it is asked again for a shorter one. Only what came with a cursor counts, since tasks move meanwhile.
   */
  async #listAllCallers(agent: string, query: ListQuery & { readonly limit: number }): Promise<TaskPage> {
    const tasks: TaskSummary[] = [];
    let cursor = query.cursor;
    let limit = MAX_PAGE;
    for (;;) {
      const page = await this.#store.listTasks({ ...query, allCallers: true, cursor, limit });
      const own = page.tasks.filter((task) => agentOf(task) === agent);
      const last = own[query.limit - tasks.length - 1];
      if (last && last !== page.tasks.at(-1)) {
        limit = page.tasks.indexOf(last) + 1;
        continue;
      }
      tasks.push(...own);
      cursor = page.nextCursor;
      limit = MAX_PAGE;
      if (last || cursor === undefined) return { tasks, ...(cursor !== undefined && { nextCursor: cursor }) };
    }
  }

  async subscribe(agent: string, request: Request): Promise<null> {
    const body = await readBody(request, this.#bodyLimit);
    const subscriberId = textIn(body, 'subscriber_id', true);
    const topic = await this.#topic(agent, body);
    const events = this.#events.get(agent) ?? new TaskEvents();
    this.#events.set(agent, events);
    events.subscribe(topic, subscriberId);
    return null;
  }

  async enqueue(agent: string, request: Request): Promise<null> {
    const body = await readBody(request, this.#bodyLimit);
    check(object({ event: object({}) }), body);
    const topic = await this.#topic(agent, body);
    this.#events.get(agent)?.enqueue(topic, {
      id: crypto.randomUUID(),
      task_id: textIn(body, 'task_id', true),
      event_data: body.event,
    });
    return null;
  }

  async dequeue(agent: string, request: Request): Promise<Json> {
    const body = await readBody(request, this.#bodyLimit);
    const subscriberId = textIn(body, 'subscriber_id', true);
    const limit = body.limit ?? 100;
    check(object({ limit: count }), { limit });
    const topic = topicOf(agent, textIn(body, 'caller_id'), textIn(body, 'task_id', true));
    return { records: this.#events.get(agent)?.dequeue(topic, subscriberId, limit as number) ?? [] };
  }

  /** Of a task that is there. */
  async #topic(agent: string, body: Json): Promise<string> {
    const taskId = textIn(body, 'task_id', true);
    const callerId = textIn(body, 'caller_id');
    const view = { callerId: encodeCaller(agent, callerId), historyLength: 0, includeArtifacts: false };
    requireFound((await this.#store.getTask(taskId, view)) ?? (await this.#store.getTaskForClient(taskId, view)));
    return topicOf(agent, callerId, taskId);
  }
}

const listFields = [
  'callerId',
  'allCallers',
  'taskType',
  'state',
  'sessionId',
  'updatedAfter',
  'order',
  'limit',
  'cursor',
];

/** The named fields that are there, and not null. */
function pick(body: Json, names: readonly string[]): Json {
  return Object.fromEntries(names.filter((name) => body[name] != null).map((name) => [name, body[name]]));
}

/** Agent and caller as one caller of the store; different for different pairs, whatever their text. */
function encodeCaller(agent: string, callerId: string | undefined): string {
  return JSON.stringify(callerId === undefined ? [agent] : [agent, callerId]);
}

function topicOf(agent: string, callerId: string | undefined, taskId: string): string {
  return JSON.stringify([encodeCaller(agent, callerId), taskId]);
}

function decodeCaller(joined: string | undefined): readonly unknown[] {
  try {
    const pair: unknown = JSON.parse(joined ?? '');
    return Array.isArray(pair) ? pair : [];
  } catch {
    // The store's owner keeps tasks of his own beside those of the agents.
    return [];
  }
}

function agentOf({ callerId }: TaskSummary): unknown {
  return decodeCaller(callerId)[0];
}

function withoutAgent({ callerId: joined, ...task }: TaskSummary): TaskSummary {
  const callerId = decodeCaller(joined)[1];
  return typeof callerId === 'string' ? { ...task, callerId } : task;
}

function respond(stored: StoredTask, agent: string, callerId: string | undefined): Json {
  return writeTaskResponse(stored, rowIdOf(agent, callerId, stored), callerId ?? null);
}
