/** What stands in a request, and how it is refused: in the words of Elkar's server, plain text for what never reached it. */
import { invalidField, type TaskStoreError } from '../core/errors.ts';
import { isObject, type Json } from '../core/json.ts';

/** A request that is answered without asking the store. */
export class Refusal extends Error {
  readonly status: 400 | 401 | 404 | 413 | 415 | 422;
  readonly body: string | ElkarError;

  constructor(status: Refusal['status'], body: string | ElkarError) {
    super(typeof body === 'string' ? body : body.error_type);
    this.status = status;
    this.body = body;
  }
}

/** The body of an error that Elkar itself tells of. */
interface ElkarError {
  readonly error_type: string;
  readonly details: unknown;
}

/** The body as a JSON object. Throws a `Refusal`: 415, 413, 400, 422. */
export async function readBody(request: Request, limit: number): Promise<Json> {
  const { headers } = request;
  if (!/^application\/(json|[^;\s]+\+json)\s*(;|$)/i.test(headers.get('content-type')?.trim() ?? '')) {
    throw new Refusal(415, 'Expected request with `Content-Type: application/json`');
  }
  const text = await readText(request, limit).catch((error: unknown) => {
    // A client that goes away in the middle is no failure of ours.
    throw error instanceof Refusal ? error : new Refusal(400, 'Failed to read the request body');
  });
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Refusal(400, 'Failed to parse the request body as JSON');
  }
  if (isObject(body)) return body;
  throw invalidField([], 'expected an object');
}

/** Text that is no UTF-8 is refused, not mended. */
async function readText(request: Request, limit: number): Promise<string> {
  const declared = Number(request.headers.get('content-length') ?? Number.NaN);
  if (declared > limit) throw tooLarge();
  const decoder = new TextDecoder('utf-8', { fatal: true });
  if (declared >= 0 || !request.body) {
    // The server under us holds a body to its declared length; where requests have no stream (Firefox) all is there already.
    const bytes = await request.arrayBuffer();
    if (bytes.byteLength > limit) throw tooLarge();
    return decoder.decode(bytes);
  }
  let text = '';
  let size = 0;
  const reader = request.body.getReader();
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    size += chunk.value.length;
    if (size > limit) {
      await reader.cancel();
      throw tooLarge();
    }
    text += decoder.decode(chunk.value, { stream: true });
  }
  return text + decoder.decode();
}

function tooLarge(): Refusal {
  return new Refusal(413, 'Failed to buffer the request body: length limit exceeded');
}

/** The last segment of the path as an id; see `encodeId`. */
export function idInPath(url: string): string {
  const [path = ''] = url.split(/[?#]/, 1);
  return decodeId(path.slice(path.lastIndexOf('/') + 1));
}

/** A value of the query; undefined where the name does not stand there. */
export function inQuery(url: string, name: string): string | undefined {
  const query = url.split('#', 1)[0]?.split('?').slice(1).join('?') ?? '';
  const pair = query.split('&').find((pair) => pair.startsWith(`${name}=`));
  return pair === undefined ? undefined : decodeId(pair.slice(name.length + 1).replaceAll('+', ' '));
}

function decodeId(text: string): string {
  try {
    if (text.startsWith('=')) {
      const id: unknown = parseQuietly(decodeURIComponent(text.slice(1)));
      if (typeof id === 'string') return id;
    }
    return decodeURIComponent(text);
  } catch {
    throw new Refusal(400, 'Invalid URL: malformed percent-encoding');
  }
}

function parseQuietly(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A field that is absent, null, or a string; with `required` there must be one, and it must not be empty. */
export function textIn(body: Json, name: string): string | undefined;
export function textIn(body: Json, name: string, required: true): string;
export function textIn(body: Json, name: string, required = false): string | undefined {
  const value = body[name] ?? undefined;
  const ok = typeof value === 'string' ? value !== '' || !required : value === undefined && !required;
  if (ok) return value as string | undefined;
  throw invalidField([name], required ? 'expected a string that is not empty' : 'expected a string');
}

/** How an error of the store is told. Nothing of ours leaves: no stack, no path, no key. */
export function toElkarError(error: TaskStoreError): {
  status: 400 | 404 | 409 | 422 | 503;
  body: string | ElkarError;
} {
  switch (error.code) {
    case 'INVALID_ARGUMENT':
      return { status: 422, body: `Failed to deserialize the JSON body into the target type: ${fields(error)}` };
    case 'REMOTE_REJECTED':
      return { status: 422, body: 'The store behind this endpoint refused the request' };
    case 'TASK_NOT_FOUND':
      return { status: 404, body: { error_type: 'Task not found', details: null } };
    case 'ARTIFACT_CLOSED':
      return {
        status: 400,
        body: { error_type: 'Failed to update artifact', details: 'Artifact is already completed' },
      };
    case 'CONFLICT':
      return { status: 409, body: { error_type: 'Conflict', details: null } };
    case 'UNSUPPORTED':
      return { status: 400, body: { error_type: 'Not supported', details: null } };
    default:
      return { status: 503, body: { error_type: 'Database Error', details: null } };
  }
}

const wireNames: { readonly [name: string]: string } = {
  newMessages: 'new_messages',
  artifactsUpdates: 'artifacts_updates',
  pushNotification: 'push_notification',
  taskType: 'task_type',
};

function fields({ issues }: TaskStoreError): string {
  const told = issues.slice(0, 10).map(({ path, message }) => {
    const name = path.slice(0, 12).map((step) => wireNames[step] ?? step);
    return `${name.length > 0 ? name.join('.') : 'the body'}: ${message}`;
  });
  const text = told.join('; ') || 'wrong shape';
  return text.length > 2_000 ? `${text.slice(0, 2_000)}…` : text;
}
