/** What the answer to a request means: Elkar's own, somebody else's, a refusal, or nothing to go by. */
import type { TaskStoreError, TaskStoreErrorCode, TaskStoreErrorDetails } from '../core/errors.ts';
import type { Json } from '../core/json.ts';

export interface Answer {
  readonly response: Pick<Response, 'status' | 'headers'>;
  readonly text: string;
  /** That the request went with. */
  readonly key: string;
}

/** Makes an error that names the request. */
export type Fail = (code: TaskStoreErrorCode, message: string, details?: TaskStoreErrorDetails) => TaskStoreError;

/** `read` is what makes sense of a 200; its throw says that the answer is not Elkar's. */
export function understand<T>({ response, text, key }: Answer, read: (answer: unknown) => T, fail: Fail): T {
  const { status, headers } = response;
  let json: unknown;
  let cause: unknown;
  try {
    json = JSON.parse(text);
    if (status === 200) return read(json);
  } catch (error) {
    // That it is no JSON is told by a quotation of it.
    if (json !== undefined) cause = error;
  }
  // Some servers quote the request, its headers too; however they escape the key, its letters and digits stay as they are.
  const isKeyIn = key.split(/\W+/).every((part) => text.includes(part));
  const said = isKeyIn ? '…' : text.replace(/\s+/g, ' ').slice(0, 200);
  const code = codeOf(status, (Object(json) as Json).error_type);
  throw fail(code, `the answer is ${status}: ${said}`, { status, retryAfterMs: retryAfter(headers), cause });
}

function codeOf(status: number, error: unknown): TaskStoreErrorCode {
  if (status === 401 || status === 403) return 'UNAUTHORIZED';
  // Elkar says 404 of a task in its own form; anybody else's 404 says nothing of the task.
  if (status === 404 && error) return 'TASK_NOT_FOUND';
  // What is wrong with the request itself; repeating it will not help.
  return [400, 405, 409, 413, 414, 415, 422, 431].includes(status) ? 'REMOTE_REJECTED' : 'REMOTE_UNREACHABLE';
}

/** Seconds, or a date. */
function retryAfter(headers: Headers): number | undefined {
  const value = headers.get('retry-after') as string;
  const ms = Number(value) * 1000 || Date.parse(value) - Date.now();
  return ms > 0 ? ms : undefined;
}
