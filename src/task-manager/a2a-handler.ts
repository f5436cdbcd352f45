/** An agent over HTTP: JSON-RPC, server-sent events and the agent's card. */
import { Hono } from 'hono';
import { bodyLimit as limitBody } from 'hono/body-limit';
import { cors as corsOf } from 'hono/cors';
import { allowedOrigins } from '../core/allowed-origins.ts';
import { A2AError, a2aErrorCodes } from './a2a-error.ts';
import { toEventSource } from './event-source.ts';
import type { TaskEventStream } from './event-stream.ts';
import {
  calls,
  type JsonRpcError,
  type JsonRpcRequest,
  parseRequest,
  type RequestId,
  streamCalls,
  toJsonRpcError,
} from './json-rpc.ts';
import type { TaskManager } from './task-manager.ts';
import type { RequestContext } from './task-modifier.ts';

export interface A2AHandlerOptions {
  /**
   * Who asks, as told by the request's headers: the `callerId` of everything this request does. A `Response` refuses the
   * request and is the answer.
   * @default everybody is the caller without an id
   * @example callerOf: (request) => users.get(request.headers.get('authorization') ?? '') ?? new Response(null, { status: 401 })
   */
  readonly callerOf?: (request: Request) => string | undefined | Response | Promise<string | undefined | Response>;
  /** Where calls are posted to. @default '/' */
  readonly path?: string | undefined;
  /** How long a body may be, in bytes. @default 2097152 */
  readonly bodyLimit?: number | undefined;
  /** Origins whose pages may call, such as `https://app.example`; `'*'` is any. @default none */
  readonly cors?: readonly string[] | undefined;
  /** How often a silent stream shows that it is alive, in milliseconds; 0 and `Infinity`: never. @default 15000 */
  readonly keepAliveMs?: number | undefined;
  /** Told of errors that callers only see as "Internal error". @default console.error */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/**
 * Serves an agent to any platform that speaks `Request` and `Response`.
 *
 * @example
 * const handler = createA2AHandler(manager, { callerOf: (request) => request.headers.get('x-user') ?? undefined });
 * serve({ fetch: handler, port: 8080 }); // @hono/node-server; Deno.serve, Bun.serve and workers take it too
 * // curl localhost:8080 -d '{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"id":"t1"}}'
 */
export function createA2AHandler(
  manager: TaskManager,
  options: A2AHandlerOptions = {},
): (request: Request) => Promise<Response> {
  const { path = '/', bodyLimit = 2 * 1024 * 1024, cors = [], keepAliveMs = 15_000 } = options;
  const report = options.onError ?? ((error) => console.error('The agent failed to answer:', error));
  const toError = (error: unknown) => {
    const refusal = toJsonRpcError(error);
    if (refusal.code === a2aErrorCodes.internalError) report(error);
    return refusal;
  };
  const app = new Hono();
  if (cors.length > 0) app.use(corsOf({ origin: allowedOrigins(cors) }));
  for (const card of ['/.well-known/agent.json', '/.well-known/agent-card.json']) {
    app.get(card, (c) => c.json(manager.agentCard));
  }
  const tooLarge = new A2AError('invalidRequest', `The body is larger than ${bodyLimit} bytes`);
  const notJson = new A2AError('invalidRequest', 'A page must send its calls as application/json');
  app.use(path, async ({ req }, next) => {
    if (mayBeForged(req.raw)) return refuse(null, toError(notJson), 415);
    return next();
  });
  app.use(path, limitBody({ maxSize: bodyLimit, onError: () => refuse(null, toError(tooLarge), 413) }));
  app.post(path, async ({ req }) => {
    let request: JsonRpcRequest | undefined;
    try {
      const callerId = await options.callerOf?.(req.raw);
      if (callerId instanceof Response) return callerId;
      const text = await req.text().catch(() => {
        throw new A2AError('parseError', 'The body broke off');
      });
      request = parseRequest(text);
      const { id } = request;
      const result = await call(manager, request, { callerId });
      if (!('stream' in result))
        return id === undefined ? unanswered() : Response.json({ jsonrpc: '2.0', id, ...result });
      if (id !== undefined) return eventSource(toEventSource(result.stream, id, keepAliveMs, toError));
      await result.stream.return?.();
      return unanswered();
    } catch (error) {
      const refusal = toError(error);
      if (request && request.id === undefined) return unanswered();
      return refuse(request?.id ?? null, refusal, badRequests.has(refusal.code) ? 400 : 200);
    }
  });
  // What gets here is a body that broke off while it was measured: nobody is left to be answered, and nothing of ours failed.
  app.onError(() => new Response(null, { status: 500 }));
  app.notFound(() => new Response('Not found\n', { status: 404 }));
  return async (request) => app.fetch(request);
}

/** What is no call at all is an HTTP error too; the refusals of calls are not. */
const badRequests: ReadonlySet<number> = new Set([a2aErrorCodes.parseError, a2aErrorCodes.invalidRequest]);

/** What a page of any origin can have a browser send, without its asking for leave first. */
function mayBeForged({ method, headers }: Request): boolean {
  const isJson = /^application\/([^;\s]+\+)?json\s*(;|$)/i.test(headers.get('content-type') ?? '');
  return method === 'POST' && headers.has('origin') && !isJson;
}

async function call(
  manager: TaskManager,
  { method, params }: JsonRpcRequest,
  context: RequestContext,
): Promise<{ result: unknown } | { stream: TaskEventStream }> {
  const stream = streamCalls.get(method)?.(manager, params, context);
  // A refusal is a plain answer; only what was accepted becomes a stream.
  await stream?.ready;
  if (stream) return { stream };
  const answer = calls.get(method)?.(manager, params, context);
  if (answer) return { result: await answer };
  const hint = method.startsWith('message/') ? ' (this is the A2A of Elkar: tasks/send, tasks/sendSubscribe)' : '';
  throw new A2AError('methodNotFound', `No such method: ${method.slice(0, 80)}${hint}`);
}

/** What JSON-RPC calls a notification, a request without an id, is told nothing: no result, no error, no stream. */
function unanswered(): Response {
  return new Response(null, { status: 204 });
}

function eventSource(body: ReadableStream<Uint8Array>): Response {
  return new Response(body, { headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' } });
}

function refuse(id: RequestId, error: JsonRpcError, status: number): Response {
  return Response.json({ jsonrpc: '2.0', id, error }, { status });
}
