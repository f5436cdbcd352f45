/** One request to an Elkar server and what its answer means: a checked TaskResponse, or a `TaskStoreError`. */
import { invalidArgument, TaskStoreError } from '../core/errors.ts';
import { type Answer, type Fail, retryAfter, understand } from './answer.ts';
import { untilAborted } from './turns.ts';
import { encodeId, type RemoteTask, readTaskResponse } from './wire.ts';
import type { Json } from './wire-items.ts';

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

interface Target {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly route: '/tasks' | '/client-side/tasks' | '/tasks/list';
  readonly taskId?: string | undefined;
  readonly query?: string | undefined;
  readonly body?: Json | undefined;
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
  #key: Promise<string> | undefined;

  constructor({ baseUrl, apiKey, fetch: ownFetch, timeoutMs = 30_000 }: ElkarTransportOptions) {
    checkOptions(baseUrl, apiKey, timeoutMs);
    this.#baseUrl = baseUrl.replace(/\/+$/, '');
    this.#apiKey = apiKey;
    // Called as a plain function: browsers refuse a `fetch` that is another object's method.
    this.#fetch = ownFetch ?? ((...args) => fetch(...args));
    this.#timeoutMs = timeoutMs;
  }

  createTask(body: Json, options: RequestOptions = {}): Promise<RemoteTask> {
    return this.#request({ method: 'POST', route: '/tasks', body }, options, readTaskResponse);
  }

  getTask(taskId: string, query: GetTaskQuery): Promise<RemoteTask> {
    return this.#get('/tasks', taskId, query);
  }

  updateTask(taskId: string, body: Json, options: RequestOptions = {}): Promise<RemoteTask> {
    return this.#request({ method: 'PUT', route: '/tasks', taskId, body }, options, readTaskResponse);
  }

  upsertClientTask(body: Json, options: RequestOptions = {}): Promise<RemoteTask> {
    return this.#request({ method: 'POST', route: '/client-side/tasks', body }, options, readTaskResponse);
  }

  getClientTask(taskId: string, query: GetTaskQuery): Promise<RemoteTask> {
    return this.#get('/client-side/tasks', taskId, query);
  }

  /** A route of our endpoint alone; it takes a `ListQuery`. `read` throws where the answer is no `TaskPage`. */
  listTasks<T>(body: Json, read: (answer: unknown) => T, options: RequestOptions = {}): Promise<T> {
    return this.#request({ method: 'POST', route: '/tasks/list', body }, options, read);
  }

  #get(route: Target['route'], taskId: string, query: GetTaskQuery): Promise<RemoteTask> {
    const { callerId, historyLength } = query;
    const length = historyLength === undefined ? '' : `&history_length=${historyLength}`;
    const target = { method: 'GET', route, taskId, query: `?caller_id=${encodeId(callerId)}${length}` } as const;
    return this.#request(target, query, readTaskResponse);
  }

  async #request<T>(target: Target, options: RequestOptions, read: (answer: unknown) => T): Promise<T> {
    const { method, route, taskId } = target;
    const name = `${method} ${route}${taskId === undefined ? '' : '/{id}'}`;
    const fail: Fail = (code, message, details) =>
      new TaskStoreError(code, `${message} (${name})`, { operation: options.operation, taskId, ...details });
    let answer = await this.#send(target, options, fail);
    // A key may have expired since it was asked for; one that a function gives anew deserves a second try.
    if (answer.status === 401 && typeof this.#apiKey === 'function') {
      this.#key = undefined;
      answer = await this.#send(target, options, fail);
    }
    return understand(answer, read, fail);
  }

  async #send(target: Target, { signal }: RequestOptions, fail: Fail): Promise<Answer> {
    const timeout = new AbortController();
    const abort = () => timeout.abort();
    signal?.throwIfAborted();
    const timer = setTimeout(abort, this.#timeoutMs);
    signal?.addEventListener('abort', abort);
    try {
      // Raced, since neither a key function nor a `fetch` of the user's need heed the signal.
      return await untilAborted(this.#exchange(target, timeout.signal, fail), timeout.signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof TaskStoreError) throw error;
      if (timeout.signal.aborted) {
        // It may be the key that never came: the next request asks anew.
        this.#key = undefined;
        throw fail('REMOTE_UNREACHABLE', `no answer within ${this.#timeoutMs} ms`);
      }
      throw fail('REMOTE_UNREACHABLE', 'the request failed', { cause: error });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  async #exchange(target: Target, signal: AbortSignal, fail: Fail): Promise<Answer> {
    const { method, route, taskId, query = '', body } = target;
    const path = taskId === undefined ? route : `${route}/${encodeId(taskId)}${query}`;
    const headers: Record<string, string> = { 'x-api-key': await this.#askKey(fail) };
    if (body) headers['content-type'] = 'application/json';
    const response = await this.#fetch(this.#baseUrl + path, {
      method,
      headers,
      ...(body && { body: JSON.stringify(body) }),
      signal,
      // Followed, a redirect would take the key elsewhere and might turn a POST into a GET.
      redirect: 'manual',
    });
    return { status: response.status, retryAfterMs: retryAfter(response.headers), text: await response.text() };
  }

  #askKey(fail: Fail): Promise<string> {
    const apiKey = this.#apiKey;
    if (typeof apiKey === 'string') return Promise.resolve(apiKey);
    this.#key ??= Promise.resolve()
      .then(apiKey)
      .catch((error: unknown) => {
        this.#key = undefined;
        throw fail('UNAUTHORIZED', 'apiKey gave no key', { cause: error });
      });
    return this.#key;
  }
}

function checkOptions(baseUrl: unknown, apiKey: unknown, timeoutMs: unknown): void {
  const issues = [
    {
      path: ['baseUrl'],
      ok: typeof baseUrl === 'string' && /^https?:\/\/./.test(baseUrl),
      message: 'expected an http(s) URL',
    },
    {
      path: ['apiKey'],
      ok: (typeof apiKey === 'string' && apiKey !== '') || typeof apiKey === 'function',
      message: 'expected a key, or a function that gives one',
    },
    { path: ['timeoutMs'], ok: typeof timeoutMs === 'number' && timeoutMs > 0, message: 'expected a number over 0' },
  ].filter(({ ok }) => !ok);
  if (issues.length > 0) throw invalidArgument(issues);
}
