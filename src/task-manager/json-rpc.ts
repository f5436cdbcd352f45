/** A2A's calls as JSON-RPC 2.0: which there are, what they take, and how refusals are told. */
import * as z from 'zod/mini';
import { TaskStoreError } from '../core/errors.ts';
import { MAX_DEPTH } from '../core/json.ts';
import { pushNotificationSchema, taskSendParamsSchema } from '../schemas.ts';
import { A2AError, a2aErrorCodes } from './a2a-error.ts';
import type { TaskEventStream } from './event-stream.ts';
import type { TaskManager } from './task-manager.ts';
import type { RequestContext } from './task-modifier.ts';

export type RequestId = string | number | null;

export interface JsonRpcRequest {
  /** Absent: the caller wants no answer. */
  readonly id?: RequestId | undefined;
  readonly method: string;
  readonly params?: unknown;
}

export interface JsonRpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

type Call = (manager: TaskManager, params: unknown, context: RequestContext) => Promise<unknown>;
type StreamCall = (manager: TaskManager, params: unknown, context: RequestContext) => TaskEventStream;

const id = z.string().check(z.minLength(1));
const count = z.optional(z.number().check(z.refine((n) => Number.isInteger(n) && n >= 0, 'expected a whole number')));
const taskId = z.looseObject({ id });
const taskQuery = z.looseObject({ id, historyLength: count });
const pushConfig = z.looseObject({ id, pushNotificationConfig: pushNotificationSchema });

const requestSchema = z.looseObject({
  jsonrpc: z.literal('2.0'),
  id: z.optional(z.union([z.string(), z.number(), z.null()])),
  method: z.string(),
  params: z.optional(z.looseObject({})),
});

export const calls: ReadonlyMap<string, Call> = new Map<string, Call>([
  ['tasks/send', (manager, params, context) => manager.sendTask(parse(taskSendParamsSchema, params), context)],
  ['tasks/get', (manager, params, context) => manager.getTask(parse(taskQuery, params), context)],
  ['tasks/cancel', (manager, params, context) => manager.cancelTask(parse(taskId, params), context)],
  [
    'tasks/pushNotification/set',
    (manager, params, context) => manager.setTaskPushNotification(parse(pushConfig, params), context),
  ],
  [
    'tasks/pushNotification/get',
    (manager, params, context) => manager.getTaskPushNotification(parse(taskId, params), context),
  ],
]);

export const streamCalls: ReadonlyMap<string, StreamCall> = new Map<string, StreamCall>([
  [
    'tasks/sendSubscribe',
    (manager, params, context) => manager.sendTaskStreaming(parse(taskSendParamsSchema, params), context),
  ],
  ['tasks/resubscribe', (manager, params, context) => manager.resubscribeToTask(parse(taskQuery, params), context)],
]);

/** @throws A2AError where the text is not JSON, or not a request */
export function parseRequest(text: string): JsonRpcRequest {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new A2AError('parseError', 'The body is not JSON');
  }
  const parsed = z.safeParse(requestSchema, body);
  if (parsed.success) return parsed.data;
  throw new A2AError('invalidRequest', 'The body is not a JSON-RPC 2.0 request', toData(parsed.error));
}

export function toJsonRpcError(error: unknown): JsonRpcError {
  if (error instanceof A2AError) {
    const { code, message, data } = error;
    return { code, message, ...(data !== undefined && { data }) };
  }
  if (error instanceof TaskStoreError && error.code === 'INVALID_ARGUMENT') {
    return { code: a2aErrorCodes.invalidParams, message: 'Invalid parameters', data: error.issues };
  }
  if (error instanceof TaskStoreError && error.code === 'TASK_NOT_FOUND') {
    return { code: a2aErrorCodes.taskNotFound, message: 'Task not found' };
  }
  return { code: a2aErrorCodes.internalError, message: 'Internal error' };
}

function parse<T>(schema: z.ZodMiniType<T>, params: unknown): T {
  const given = withoutNulls(params);
  const parsed = z.safeParse(schema, given);
  // Not what zod makes of it, which leaves out keys named `__proto__`.
  if (parsed.success) return given as T;
  throw new A2AError('invalidParams', 'Invalid parameters', toData(parsed.error));
}

function toData({ issues }: z.core.$ZodError): unknown {
  return issues.map(({ path, message }) => ({ path, message }));
}

/**
 * Elkar's Python client writes absent fields as null. What A2A does not name, and what users own, may hold nulls and keeps them.
 * What is nested too deep is left for the store to refuse, with its path.
 */
function withoutNulls(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return value;
  if (Array.isArray(value)) return value.map((item) => withoutNulls(item, depth + 1));
  const kept = Object.entries(value).filter(([key, field]) => field !== null || !optional.has(key));
  return Object.fromEntries(kept.map(([key, field]) => [key, ours.has(key) ? withoutNulls(field, depth + 1) : field]));
}

/** The fields that may be absent. */
const optional: ReadonlySet<string> = new Set([
  ...['sessionId', 'acceptedOutputModes', 'pushNotification', 'historyLength', 'metadata'],
  ...['name', 'mimeType', 'bytes', 'uri', 'token', 'authentication', 'credentials'],
]);

/** The fields that hold such fields. */
const ours: ReadonlySet<string> = new Set([
  'message',
  'parts',
  'file',
  'pushNotification',
  'pushNotificationConfig',
  'authentication',
]);
