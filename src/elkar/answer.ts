/** What the answer to a request means: Elkar's own, somebody else's, a refusal, or nothing to go by. */
import type { TaskStoreError, TaskStoreErrorCode, TaskStoreErrorDetails } from '../core/errors.ts';
import { isObject } from './wire-items.ts';

export interface Answer {
  /** 0: a redirect that a browser keeps to itself. */
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  readonly text: string;
}

/** Makes an error that names the request. */
export type Fail = (code: TaskStoreErrorCode, message: string, details?: TaskStoreErrorDetails) => TaskStoreError;

/** `read` is what makes sense of a 200; its throw says that the answer is not Elkar's. */
export function understand<T>({ status, retryAfterMs, text }: Answer, read: (answer: unknown) => T, fail: Fail): T {
  const json = parse(text);
  if (status === 200) {
    try {
      return read(json);
    } catch (cause) {
      throw fail('REMOTE_UNREACHABLE', `the answer is not one of Elkar's: ${excerpt(text)}`, { status, cause });
    }
  }
  const said = describe(json) ?? excerpt(text);
  const details = { status, retryAfterMs };
  if (status === 401 || status === 403)
    throw fail('UNAUTHORIZED', `the key was refused with ${status}: ${said}`, details);
  // Elkar says 404 of a task in its own form; anybody else's 404 says nothing of the task.
  if (status === 404 && describe(json)) throw fail('TASK_NOT_FOUND', 'the remote has no such task', details);
  const code = refusals.has(status) ? 'REMOTE_REJECTED' : 'REMOTE_UNREACHABLE';
  throw fail(code, status < 400 ? 'the answer is a redirect' : `the answer is ${status}: ${said}`, details);
}

/** What is wrong with the request itself; repeating it will not help. */
const refusals: ReadonlySet<number> = new Set([400, 405, 409, 413, 414, 415, 422, 431]);

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Elkar's own account of an error: `{ error_type, details }`. */
function describe(json: unknown): string | undefined {
  if (!isObject(json) || typeof json.error_type !== 'string') return undefined;
  return excerpt(json.error_type + (json.details == null ? '' : `, ${JSON.stringify(json.details)}`));
}

function excerpt(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line === '' ? 'nothing' : line.length > 200 ? `${line.slice(0, 200)}…` : line;
}

/** Seconds, or a date. */
export function retryAfter(headers: Headers): number | undefined {
  const value = headers.get('retry-after');
  if (value === null || value.trim() === '') return undefined;
  const ms = /^\s*\d+\s*$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
