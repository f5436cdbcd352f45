/** One request to an Elkar server and what its answer means: a checked TaskResponse, or a `TaskStoreError`. */
import { withDeadline } from '../core/deadline.ts';
import { TaskStoreError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { duration, is, object, optional } from '../core/shape.ts';
import { type Answer, type Fail, understand } from './answer.ts';
import { encodeId } from './wire.ts';
import { type RemoteTask, readTaskResponse } from './wire-answers.ts';

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
}

export interface WireRequest extends RequestOptions {
  readonly route: '/tasks' | '/client-side/tasks' | '/tasks/list';
  /** Of the task that is asked for or, with a body, changed. */
  readonly taskId?: string | undefined;
  readonly query?: string | undefined;
  readonly body?: Json | undefined;
}

export class WireRequests {
  readonly #options: ElkarTransportOptions;
  #key: Promise<string> | string | undefined;

  /** Takes options that are checked already and that nobody changes. */
  constructor(options: ElkarTransportOptions) {
    this.#options = options;
  }

  /**
   * Rejects with a `TaskStoreError` whose code says what is certain:
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
  async request<T = RemoteTask>(
    { route, taskId, query = '', body, signal }: WireRequest,
    read: (answer: unknown) => T = readTaskResponse as never,
  ): Promise<T> {
    const { baseUrl, apiKey, timeoutMs = 30_000, fetch: call = fetch } = this.#options;
    const path = taskId === undefined ? '' : `/${encodeId(taskId)}`;
    const url = baseUrl.replace(/\/+$/, '') + route + path + query;
    const method = !body ? 'GET' : path ? 'PUT' : 'POST';
    // Followed, a redirect would take the key elsewhere and might turn a POST into a GET. With no redirect and no window the
    // Fetch standard has the request sent as it is; otherwise it is copied first, which in Node is a tenth of its cost.
    const init = { method, body: JSON.stringify(body), redirect: 'error', window: null } as const;
    const fail: Fail = (code, message, details) =>
      new TaskStoreError(code, `${message} (${method} ${route}${path && '/{id}'})`, { taskId, ...details });
    const late = () => {
      // It may be the key that never came: the next request asks anew.
      this.#key = undefined;
      return fail('REMOTE_UNREACHABLE', `no answer within ${timeoutMs} ms`);
    };
    const exchange = async (signal: AbortSignal): Promise<Answer> => {
      const key = await this.#askKey(fail);
      const headers = { 'x-api-key': key, 'content-type': 'application/json' };
      try {
        // Called as a plain function: browsers refuse a `fetch` that is another object's method.
        const response = await call(url, { ...init, headers, signal });
        return { response, text: await response.text(), key };
      } catch (cause) {
        throw fail('REMOTE_UNREACHABLE', 'the request failed', { cause });
      }
    };
    const send = () => withDeadline(exchange, timeoutMs, late, signal);
    let answer = await send();
    // A key may have expired since it was asked for; one that a function gives anew deserves a second try.
    if ([401, 403].includes(answer.response.status) && typeof apiKey === 'function') {
      this.#key = undefined;
      answer = await send();
    }
    return understand(answer, read, fail);
  }

  async #askKey(fail: Fail): Promise<string> {
    const { apiKey } = this.#options;
    try {
      const key = await (this.#key ??= typeof apiKey === 'string' ? apiKey : apiKey());
      // What no header can hold is no key, and this throws; the platform would quote it in its error.
      return (/^[\t -~\x80-ÿ]+$/.exec(key.trim()) as RegExpExecArray)[0];
    } catch (cause) {
      this.#key = undefined;
      throw fail('UNAUTHORIZED', 'apiKey gave no key', { cause });
    }
  }
}

export const transportShape = object({
  baseUrl: is(isBaseUrl, 'an http(s) URL without credentials or query'),
  apiKey: is((key) => !!key && /^(string|function)$/.test(typeof key), 'a key, or a function that gives one'),
  timeoutMs: optional(duration),
});

/** The platform's `fetch` refuses credentials in a URL, and quotes them; what comes after the path would hide the route. */
function isBaseUrl(url: unknown): boolean {
  try {
    return /^https?:\/\/[^@/]+\/[^?#]*$/.test(new URL(url as string).href);
  } catch {
    return false;
  }
}
