/** Elkar's server as a function from `Request` to `Response`, over any store. */
import { type Context, Hono } from 'hono';
import { cors as corsOf } from 'hono/cors';
import { allowedOrigins } from '../core/allowed-origins.ts';
import { TaskStoreError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { TaskStore } from '../task-store.ts';
import type { Authorize } from './api-keys.ts';
import { Refusal, toElkarError } from './endpoint-request.ts';
import { Routes } from './routes.ts';

export interface ElkarHandlerOptions {
  /** What keeps the tasks. One store serves all agents; it must be used through this handler alone, or by its owner. */
  readonly store: TaskStore;
  /**
   * Names the agent that an API key belongs to; undefined or the empty string refuses the key. Agents never see each
   * other's tasks. Compare keys in constant time: `apiKeys` does.
   */
  readonly authorize: Authorize;
  /** The prefix of every route. @default '/api' */
  readonly basePath?: string | undefined;
  /** How long a body may be, in bytes. @default 2097152 */
  readonly bodyLimit?: number | undefined;
  /** Origins whose pages may call, such as `https://app.example`; `'*'` is any. @default none */
  readonly cors?: readonly string[] | undefined;
  /** Told of what the store failed at; the client learns no more than that it did. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

export type ElkarHandler = (request: Request) => Promise<Response>;

/**
 * Serves a store as Elkar's server would, its bugs excepted: callers are kept apart on every route, an unknown task is
 * 404, concurrent changes all take effect, metadata and push configuration come back, `history_length` works. Runs
 * wherever `Request` and `Response` do. In the store, a task's caller is `["<agent>","<caller>"]`, or `["<agent>"]`.
 *
 * @example
 * const handle = createElkarHandler({ store, authorize: apiKeys({ [key]: 'my-agent' }) });
 * Bun.serve({ fetch: handle });
 */
export function createElkarHandler(options: ElkarHandlerOptions): ElkarHandler {
  const { store, authorize, basePath = '/api', bodyLimit = 2 * 1024 * 1024, cors = [], onError = () => {} } = options;
  const app = new Hono({ strict: true }).basePath(basePath);
  if (cors.length > 0) app.use(crossOrigin(cors));
  const routes = new Routes(store, bodyLimit);
  const refuse = (c: Context, error: unknown) => {
    if (error instanceof Refusal) return answer(c, error.status, error.body);
    const known = error instanceof TaskStoreError ? toElkarError(error) : undefined;
    if (!known || known.status === 503) onError(error);
    return known
      ? answer(c, known.status, known.body)
      : answer(c, 500, { error_type: 'Internal Server Error', details: null });
  };
  const serve = (method: string, path: string, route: (agent: string, request: Request) => Promise<unknown>) =>
    app.on(method, path, async (c) => {
      try {
        const apiKey = c.req.header('x-api-key');
        const agent = apiKey && (await authorize(apiKey));
        if (!agent) throw new Refusal(401, { error_type: 'Unauthorized', details: null });
        return c.json((await route(agent, c.req.raw)) as Json);
      } catch (error) {
        // Not left to Hono, which answers nothing where what was thrown is no `Error`.
        return refuse(c, error);
      }
    });

  serve('POST', '/tasks', (agent, request) => routes.upsertTask(agent, request));
  serve('POST', '/tasks/list', (agent, request) => routes.listTasks(agent, request));
  serve('GET', '/tasks/:id', (agent, request) => routes.getTask(agent, request, 'incoming'));
  serve('PUT', '/tasks/:id', (agent, request) => routes.updateTask(agent, request));
  serve('POST', '/client-side/tasks', (agent, request) => routes.upsertClientTask(agent, request));
  serve('GET', '/client-side/tasks/:id', (agent, request) => routes.getTask(agent, request, 'outgoing'));
  serve('POST', '/task-events/subscribers', (agent, request) => routes.subscribe(agent, request));
  serve('POST', '/task-events/enqueue', (agent, request) => routes.enqueue(agent, request));
  serve('POST', '/task-events/dequeue', (agent, request) => routes.dequeue(agent, request));
  app.notFound((c) => c.text('Not Found', 404));
  return async (request) => app.fetch(request);
}

function answer(
  c: Context,
  status: 400 | 401 | 404 | 409 | 413 | 415 | 422 | 500 | 503,
  body: string | object,
): Response {
  return typeof body === 'string' ? c.text(body, status) : c.json(body, status);
}

function crossOrigin(origins: readonly string[]) {
  return corsOf({
    origin: allowedOrigins(origins),
    allowMethods: ['GET', 'POST', 'PUT'],
    allowHeaders: ['x-api-key', 'content-type'],
    exposeHeaders: ['retry-after'],
    maxAge: 600,
  });
}
