/** The routes of an Elkar server, by name; see `WireRequests` for what comes of a request. */
import type { Json } from '../core/json.ts';
import { check } from '../core/shape.ts';
import { encodeId } from './wire.ts';
import type { RemoteTask } from './wire-answers.ts';
import { type ElkarTransportOptions, type RequestOptions, transportShape, WireRequests } from './wire-request.ts';

export type { ApiKey, ElkarTransportOptions, RequestOptions } from './wire-request.ts';

export interface GetTaskQuery extends RequestOptions {
  readonly callerId: string;
  /** Elkar ignores it. */
  readonly historyLength?: number | undefined;
}

export class ElkarTransport extends WireRequests {
  constructor(options: ElkarTransportOptions) {
    // The caller's own may be changed, to open another store with.
    const kept = { ...options };
    check(transportShape, kept);
    super(kept);
  }

  createTask(body: Json, options?: RequestOptions): Promise<RemoteTask> {
    return this.request({ ...options, route: '/tasks', body });
  }

  updateTask(taskId: string, body: Json, options?: RequestOptions): Promise<RemoteTask> {
    return this.request({ ...options, route: '/tasks', taskId, body });
  }

  upsertClientTask(body: Json, options?: RequestOptions): Promise<RemoteTask> {
    return this.request({ ...options, route: '/client-side/tasks', body });
  }

  getTask(taskId: string, query: GetTaskQuery): Promise<RemoteTask> {
    return this.request({ ...optionsOf(query), route: '/tasks', taskId });
  }

  getClientTask(taskId: string, query: GetTaskQuery): Promise<RemoteTask> {
    return this.request({ ...optionsOf(query), route: '/client-side/tasks', taskId });
  }

  /** A route of our endpoint alone; it takes a `ListQuery`. `read` throws where the answer is no `TaskPage`. */
  listTasks<T>(body: Json, read: (answer: unknown) => T, options?: RequestOptions): Promise<T> {
    return this.request({ ...options, route: '/tasks/list', body }, read);
  }
}

function optionsOf({ callerId, historyLength, ...options }: GetTaskQuery) {
  const length = historyLength === undefined ? '' : `&history_length=${historyLength}`;
  return { ...options, query: `?caller_id=${encodeId(callerId)}${length}` };
}
