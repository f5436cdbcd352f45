/**
 * A strict imitation of Elkar's server with its faults, written from what is known of it: snake_case only, unknown fields
 * dropped, parts only appended, one of two concurrent PUTs lost, a PUT to nobody answered with 500. What a client must
 * never send (a null counterparty, a task posted twice) is noted in `misdeeds`, for tests to find empty.
 */
import { randomUUID } from 'node:crypto';

type Json = { [key: string]: unknown };

interface Row {
  readonly id: string;
  readonly agent: string;
  readonly taskId: string;
  readonly taskType: 'incoming' | 'outgoing';
  readonly counterparty: string | null;
  task: Json;
  pushNotification: Json | null;
  readonly createdAt: string;
  updatedAt: string;
}

export interface ElkarImitation {
  readonly handle: (request: Request) => Promise<Response>;
  /** What no client may do, as it was done. */
  readonly misdeeds: string[];
  readonly rows: Row[];
  /** `METHOD /path` of every request, in order. */
  readonly requests: string[];
}

export interface ImitationOptions {
  /** API key to agent. @default { secret: 'agent' } */
  readonly keys?: Readonly<Record<string, string>>;
  readonly now?: () => number;
  /** Runs between a PUT's read of the row and its write; what makes concurrent PUTs lose one. */
  readonly duringPut?: () => Promise<void>;
}

class Answer extends Error {
  readonly status: number;
  readonly body: string | Json;

  constructor(status: number, body: string | Json) {
    super(`${status}`);
    this.status = status;
    this.body = body;
  }
}

const states = new Set(['submitted', 'working', 'input-required', 'completed', 'canceled', 'failed', 'unknown']);

export function elkarImitation(options: ImitationOptions = {}): ElkarImitation {
  const { keys = { secret: 'agent' }, now = Date.now, duringPut = async () => {} } = options;
  const rows: Row[] = [];
  const misdeeds: string[] = [];
  const requests: string[] = [];

  const find = (agent: string, taskId: string, taskType: Row['taskType'], caller: string | null) =>
    rows.find(
      (row) => row.agent === agent && row.taskId === taskId && row.taskType === taskType && row.counterparty === caller,
    );

  const insert = (fields: Pick<Row, 'agent' | 'taskId' | 'taskType' | 'counterparty' | 'task'>): Row => {
    const time = rfc3339(now());
    const row = { id: randomUUID(), pushNotification: null, createdAt: time, updatedAt: time, ...fields };
    rows.push(row);
    return row;
  };

  const post = (agent: string, body: Json): Row => {
    const params = sendParams(field(body, 'send_task_params', isObject));
    const counterparty = optional(body, 'counterparty_identifier', isText) as string | null;
    if (body.task_type === null) throw shape('task_type: invalid type: null');
    const taskType = (body.task_type ?? 'incoming') as Row['taskType'];
    if (taskType !== 'incoming' && taskType !== 'outgoing') throw shape('task_type: unknown variant');
    if (counterparty === null) misdeeds.push(`POST /tasks with a null counterparty: ${params.id}`);
    if (find(agent, params.id as string, taskType, counterparty)) {
      misdeeds.push(`POST /tasks of a task that exists: ${params.id}`);
      // The UPDATE without WHERE runs into the unique constraint, and is rolled back.
      throw new Answer(500, { error_type: 'Database Error', details: 'duplicate key value' });
    }
    const { id, sessionId, message } = params;
    const task = { id, sessionId, status: { state: 'submitted' }, history: [message] };
    return insert({ agent, taskId: id as string, taskType, counterparty, task });
  };

  const put = async (agent: string, taskId: string, body: Json): Promise<Row> => {
    const status = body.status == null ? undefined : taskStatus(body.status);
    const messages = list(body, 'new_messages').map(message);
    const artifacts = list(body, 'artifacts_updates').map(artifact);
    const push = body.push_notification == null ? undefined : pushNotification(body.push_notification);
    // Any row with that task id: neither caller nor type is looked at.
    const row = rows.find((row) => row.agent === agent && row.taskId === taskId);
    if (!row) throw new Answer(500, { error_type: 'Database Error', details: 'Record not found' });
    const task = structuredClone(row.task);
    await duringPut();
    if (status) task.status = status;
    const history = [...((task.history as Json[]) ?? []), ...(status?.message ? [status.message] : []), ...messages];
    if (history.length > 0) task.history = history;
    for (const update of artifacts) updateArtifact(task, update);
    row.task = task;
    if (push) row.pushNotification = push;
    row.updatedAt = rfc3339(now());
    return row;
  };

  const upsertClient = (agent: string, body: Json): Row => {
    const task = wholeTask(field(body, 'task', isObject));
    field(body, 'server_agent_url', isText);
    const counterparty = optional(body, 'counterparty_identifier', isText) as string | null;
    if (counterparty === null) misdeeds.push(`POST /client-side/tasks with a null counterparty: ${task.id}`);
    // Nulls are never equal to the unique constraint: each upsert makes another row.
    const known = counterparty !== null && find(agent, task.id as string, 'outgoing', counterparty);
    if (!known) return insert({ agent, taskId: task.id as string, taskType: 'outgoing', counterparty, task });
    known.task = task;
    known.updatedAt = rfc3339(now());
    return known;
  };

  const route = async (agent: string, request: Request): Promise<Row> => {
    const url = new URL(request.url);
    const [, kind, name] = url.pathname.match(/^\/api\/(tasks|client-side\/tasks)(?:\/([^/]+))?$/) ?? [];
    const { method } = request;
    if (kind === undefined) throw new Answer(404, '');
    if (name === undefined) {
      if (method !== 'POST') throw new Answer(405, '');
      const body = await jsonOf(request);
      return kind === 'tasks' ? post(agent, body) : upsertClient(agent, body);
    }
    const taskId = decodeURIComponent(name);
    if (method === 'PUT' && kind === 'tasks') return put(agent, taskId, await jsonOf(request));
    if (method !== 'GET') throw new Answer(405, '');
    const taskType = kind === 'tasks' ? 'incoming' : 'outgoing';
    const row = find(agent, taskId, taskType, url.searchParams.get('caller_id'));
    if (!row) throw new Answer(404, { error_type: 'Task not found', details: null });
    return row;
  };

  const handle = async (request: Request): Promise<Response> => {
    requests.push(`${request.method} ${new URL(request.url).pathname}`);
    try {
      const agent = keys[request.headers.get('x-api-key') ?? ''];
      if (agent === undefined) throw new Answer(401, { error_type: 'Invalid API key', details: null });
      return json(200, response(await route(agent, request)));
    } catch (error) {
      if (!(error instanceof Answer)) throw error;
      const { status, body } = error;
      return typeof body === 'string' ? new Response(body, { status }) : json(status, body);
    }
  };

  return { handle, misdeeds, rows, requests };
}

function response(row: Row): Json {
  return {
    id: row.id,
    task_type: row.taskType,
    state: (row.task.status as Json).state,
    a2a_task: row.task,
    // Stored, never returned.
    push_notification: null,
    created_at: row.createdAt,
    updated_at: row.updatedAt,
    counterparty_identifier: row.counterparty,
  };
}

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });
}

async function jsonOf(request: Request): Promise<Json> {
  if (!request.headers.get('content-type')?.startsWith('application/json')) {
    throw new Answer(415, 'Expected request with `Content-Type: application/json`');
  }
  const text = await request.text();
  if (text.length > 2 * 1024 * 1024) throw new Answer(413, 'Failed to buffer the request body: length limit exceeded');
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Answer(400, 'Failed to parse the request body as JSON: EOF while parsing a value at line 1 column 0');
  }
  const depth = depthOf(body);
  if (depth > 127) throw new Answer(400, 'Failed to parse the request body as JSON: recursion limit exceeded');
  // A NUL, or half a surrogate pair, panics on its way into the database.
  if (/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(body).replaceAll('\\\\', ''))) throw new Answer(500, '');
  if (!isObject(body)) throw shape('invalid type');
  return body;
}

function depthOf(value: unknown): number {
  return typeof value !== 'object' || value === null ? 0 : 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

// The models: what they know is kept, all else dropped.

function sendParams(wire: Json): Json {
  if (wire.push_notification != null) pushNotification(wire.push_notification);
  return { id: field(wire, 'id', isText), sessionId: field(wire, 'sessionId', isText), message: message(wire.message) };
}

function wholeTask(wire: Json): Json {
  const task: Json = {
    id: field(wire, 'id', isText),
    sessionId: field(wire, 'sessionId', isText),
    status: taskStatus(wire.status),
  };
  if (wire.history != null) task.history = list(wire, 'history').map(message);
  if (wire.artifacts != null) task.artifacts = list(wire, 'artifacts').map(artifact);
  if (wire.metadata != null) task.metadata = field(wire, 'metadata', isObject);
  return task;
}

function taskStatus(wire: unknown): Json {
  if (!isObject(wire)) throw shape('status: invalid type');
  const state = field(wire, 'state', isText) as string;
  if (!states.has(state)) throw shape(`state: unknown variant \`${state}\``);
  const status: Json = { state };
  if (wire.message != null) status.message = message(wire.message);
  if (wire.timestamp != null) {
    const ms = Date.parse(wire.timestamp as string);
    if (Number.isNaN(ms)) throw shape('timestamp: premature end of input');
    status.timestamp = rfc3339(ms);
  }
  return status;
}

function message(wire: unknown): Json {
  if (!isObject(wire)) throw shape('message: invalid type');
  const role = field(wire, 'role', isText);
  if (role !== 'user' && role !== 'agent') throw shape('role: unknown variant');
  const read: Json = { role, parts: list(wire, 'parts', true).map(part) };
  if (wire.metadata != null) read.metadata = field(wire, 'metadata', isObject);
  return read;
}

function part(wire: unknown): Json {
  if (!isObject(wire)) throw shape('part: invalid type');
  const metadata = optional(wire, 'metadata', isObject);
  switch (wire.type) {
    case 'text':
      return { type: 'text', text: field(wire, 'text', isText), metadata };
    case 'data':
      if (!('data' in wire)) throw shape('missing field `data`');
      return { type: 'data', data: wire.data, metadata };
    case 'file': {
      const file = field(wire, 'file', isObject) as Json;
      const read: Json = { name: optional(file, 'name', isText), mime_type: optional(file, 'mime_type', isText) };
      if (file.bytes != null) read.bytes = field(file, 'bytes', isText);
      if (file.uri != null) read.uri = field(file, 'uri', isText);
      return { type: 'file', file: read, metadata };
    }
    default:
      throw shape('type: unknown variant');
  }
}

function artifact(wire: unknown): Json {
  if (!isObject(wire)) throw shape('artifact: invalid type');
  const index = field(wire, 'index', (value) => Number.isInteger(value) && (value as number) >= 0);
  const read: Json = { index, parts: list(wire, 'parts', true).map(part) };
  for (const name of ['name', 'description']) if (wire[name] != null) read[name] = field(wire, name, isText);
  for (const name of ['append', 'last_chunk']) {
    if (wire[name] != null) read[name] = field(wire, name, (value) => typeof value === 'boolean');
  }
  if (wire.metadata != null) read.metadata = field(wire, 'metadata', isObject);
  return read;
}

/** Only parts are taken of a later chunk; a first chunk that is the last closes the artifact. */
function updateArtifact(task: Json, update: Json): void {
  const artifacts = (task.artifacts ??= []) as Json[];
  const known = artifacts.find(({ index }) => index === update.index);
  if (!known) {
    artifacts.push(update);
    return;
  }
  if (known.last_chunk === true) {
    throw new Answer(400, { error_type: 'Failed to update artifact', details: 'Artifact is already completed' });
  }
  known.parts = [...(known.parts as Json[]), ...(update.parts as Json[])];
}

function pushNotification(wire: unknown): Json {
  if (!isObject(wire)) throw shape('push_notification: invalid type');
  return { url: field(wire, 'url', isText), token: optional(wire, 'token', isText) };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function shape(text: string): Answer {
  return new Answer(422, `Failed to deserialize the JSON body into the target type: ${text}`);
}

function field<T>(wire: Json, name: string, test: ((value: unknown) => value is T) | ((value: unknown) => boolean)): T {
  if (!(name in wire)) throw shape(`missing field \`${name}\``);
  if (!test(wire[name])) throw shape(`${name}: invalid type`);
  return wire[name] as T;
}

function optional(wire: Json, name: string, test: (value: unknown) => boolean): unknown {
  return wire[name] == null ? null : field(wire, name, test);
}

function list(wire: Json, name: string, required = false): unknown[] {
  if (wire[name] == null && !required) return [];
  return field(wire, name, Array.isArray) as unknown[];
}

/** Chrono writes no fraction where there is none. */
function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
