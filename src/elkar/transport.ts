/** One request to an Elkar server and what its answer means: a checked TaskResponse, or a `TaskStoreError`. */
import { untilAborted } from '../core/abort.ts';
import { TaskStoreError } from '../core/errors.ts';
import { check, is, object } from '../core/shape.ts';
import { type Answer, type Fail, retryAfter, understand } from './answer.ts';
import { encodeId, type Json, type RemoteTask, readTaskResponse } from './wire.ts';

/** Asked before the first request, and again when the server refused the key. */
export type ApiKey = string | (() => string | Promise<string>);

export interface ElkarTransportOptions {
  /** With its prefix: `https://host/api`. */
  readonly baseUrl: string;
  /** Names the agent and the tenant. Never stored, never part of an error. */
  readonly apiKey: ApiKey;
  /** @default the platform's */
  readonly fetch?: typeof fetch | undefined;
  /** How long one request may take, its answer read, in milliseconds. @default 30000 */
  readonly timeoutMs?: number | undefined;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** Named in errors. */
  readonly operation?: string | undefined;
}

export interface GetTaskQuery extends RequestOptions {
  readonly callerId: string;
  /** Elkar ignores it. */
  readonly historyLength?: number | undefined;
}

/** Stands in the path, and in errors. */
interface TaskId {
  readonly taskId?: string | undefined;
}

/**
 * The routes of an Elkar server. Every method rejects with a `TaskStoreError` whose code says what is certain:
 *
 * | code | the request |
 * |---|---|
 * | `REMOTE_UNREACHABLE` | may have taken effect: no answer, a timeout, a 5xx, 429, an answer that is not Elkar's |
 * | `REMOTE_REJECTED` | was refused for what it is: 400, 413, 415, 422 (see `status`), and had no effect |
 * | `UNAUTHORIZED` | was refused for its key: 401, 403 |
 * | `TASK_NOT_FOUND` | named a task that is not there: Elkar's own 404 |
 *
 * An aborted `signal` rejects with its reason; that request may have taken effect too.
 */
export class ElkarTransport {
  readonly #baseUrl: string;
  readonly #apiKey: ApiKey;
  readonly #fetch: typeof fetch;
  readonly #timeoutMs: number;
  #key: Promise<string> | string | undefined;

  constructor(options: ElkarTransportOptions) {
    const { baseUrl, apiKey, timeoutMs = 30_000 } = options;
    check(optionsShape, { baseUrl, apiKey, timeoutMs });
    this.#baseUrl = baseUrl.replace(/\/+$/, '');
    this.#apiKey = apiKey;
    // Called as a plain function: browsers refuse a `fetch` that is another object's method.
    this.#fetch = options.fetch ?? ((...args) => fetch(...args));
    this.#timeoutMs = timeoutMs;
  }

  createTask(body: Json, options?: RequestOptions): Promise<RemoteTask> {
    return this.#request('POST', '/tasks', body, options);
  }

  updateTask(taskId: string, body: Json, options?: RequestOptions): Promise<RemoteTask> {
    return this.#request('PUT', '/tasks', body, { ...options, taskId });
  }

  upsertClientTask(body: Json, options?: RequestOptions): Promise<RemoteTask> {
    return this.#request('POST', '/client-side/tasks', body, options);
  }

  getTask(taskId: string, query: GetTaskQuery): Promise<RemoteTask> {
    return this.#request('GET', '/tasks', undefined, { ...query, taskId });
  }

  getClientTask(taskId: string, query: GetTaskQuery): Promise<RemoteTask> {
    return this.#request('GET', '/client-side/tasks', undefined, { ...query, taskId });
  }

  /** Any other route; `read` throws where the answer is none of its. */
  post<T>(route: string, body: Json, read: (answer: unknown) => T, options?: RequestOptions): Promise<T> {
    return this.#request('POST', route, body, options, read);
  }

  async #request<T = RemoteTask>(
    method: string,
    route: string,
    body: Json | undefined,
    { taskId, operation, signal, callerId, historyLength }: RequestOptions & Partial<GetTaskQuery> & TaskId = {},
    read: (answer: unknown) => T = readTaskResponse as never,
  ): Promise<T> {
    const isOfTask = taskId !== undefined;
    const fail: Fail = (code, message, details) =>
      new TaskStoreError(code, `${message} (${method} ${route}${isOfTask ? '/{id}' : ''})`, {
        operation,
        taskId,
        ...details,
      });
    const path = isOfTask ? `${route}/${encodeId(taskId)}` : route;
    const length = historyLength === undefined ? '' : `&history_length=${historyLength}`;
    const query = callerId === undefined ? '' : `?caller_id=${encodeId(callerId)}${length}`;
    const send = () => this.#send(this.#baseUrl + path + query, method, body, signal, fail);
    let answer = await send();
    // A key may have expired since it was asked for; one that a function gives anew deserves a second try.
    if (answer.status === 401 && typeof this.#apiKey === 'function') {
      this.#key = undefined;
      answer = await send();
    }
    return understand(answer, read, fail);
  }

  async #send(
    url: string,
    method: string,
    body: Json | undefined,
    signal: AbortSignal | undefined,
    fail: Fail,
  ): Promise<Answer> {
    const timeout = new AbortController();
    const abort = () => timeout.abort();
    signal?.throwIfAborted();
    const timer = setTimeout(abort, this.#timeoutMs);
    signal?.addEventListener('abort', abort);
    const exchange = async () => {
      const response = await this.#fetch(url, {
        method,
        headers: { 'x-api-key': await this.#askKey(fail), 'content-type': 'application/json' },
        body: JSON.stringify(body) as string,
        signal: timeout.signal,
        // Followed, a redirect would take the key elsewhere and might turn a POST into a GET.
        redirect: 'manual',
      });
      return { status: response.status, retryAfterMs: retryAfter(response.headers), text: await response.text() };
    };
    try {
      // Raced, since neither a key function nor a `fetch` of the user's need heed the signal.
      return await untilAborted(exchange(), timeout.signal);
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof TaskStoreError) throw cause;
      if (!timeout.signal.aborted) throw fail('REMOTE_UNREACHABLE', 'the request failed', { cause });
      // It may be the key that never came: the next request asks anew.
      this.#key = undefined;
      throw fail('REMOTE_UNREACHABLE', `no answer within ${this.#timeoutMs} ms`);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  async #askKey(fail: Fail): Promise<string> {
    const apiKey = this.#apiKey;
    try {
      return await (this.#key ??= typeof apiKey === 'string' ? apiKey : apiKey());
    } catch (cause) {
      this.#key = undefined;
      throw fail('UNAUTHORIZED', 'apiKey gave no key', { cause });
    }
  }
}

const optionsShape = object({
  baseUrl: is((url) => /^https?:\/\/./.test(url as string), 'an http(s) URL'),
  apiKey: is((key) => key !== '' && /^(string|function)$/.test(typeof key), 'a key, or a function that gives one'),
  timeoutMs: is((ms) => (ms as number) > 0, 'a number over 0'),
});
