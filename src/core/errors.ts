/**
 * What can go wrong, as codes that stay the same between versions. Tell errors apart by `code`, never by their text.
 *
 * | code | meaning |
 * |---|---|
 * | `INVALID_ARGUMENT` | an argument has the wrong shape; `issues` holds the path of each bad field |
 * | `TASK_NOT_FOUND` | this caller has no such task |
 * | `ARTIFACT_CLOSED` | the artifact's `lastChunk` was true: it takes no more parts |
 * | `CONFLICT` | somebody else changed the task in a way that cannot be combined with this change |
 * | `UNSUPPORTED` | this store declares that it cannot do this (see `capabilities`) |
 * | `STORE_CLOSED` | the store was closed |
 * | `STORE_LOCKED` | another process holds the file |
 * | `STORE_CORRUPT` | what is stored cannot be read; it was set aside, not overwritten |
 * | `STORE_UNAVAILABLE` | there is no such storage here, or it is denied |
 * | `STORE_TIMEOUT` | the storage did not answer in time |
 * | `QUOTA_EXCEEDED` | the storage is full by the browser's rules |
 * | `IO_ERROR` | reading or writing failed |
 * | `UNAUTHORIZED` | the remote refused the key |
 * | `REMOTE_REJECTED` | the remote refused this request; repeating it will not help |
 * | `REMOTE_UNREACHABLE` | the remote did not give a usable answer; repeating may help |
 */
export type TaskStoreErrorCode =
  | 'INVALID_ARGUMENT'
  | 'TASK_NOT_FOUND'
  | 'ARTIFACT_CLOSED'
  | 'CONFLICT'
  | 'UNSUPPORTED'
  | 'STORE_CLOSED'
  | 'STORE_LOCKED'
  | 'STORE_CORRUPT'
  | 'STORE_UNAVAILABLE'
  | 'STORE_TIMEOUT'
  | 'QUOTA_EXCEEDED'
  | 'IO_ERROR'
  | 'UNAUTHORIZED'
  | 'REMOTE_REJECTED'
  | 'REMOTE_UNREACHABLE';

/** One bad field of an argument. */
export interface FieldIssue {
  /** Where the field is, from the argument inwards: `['newMessages', 0, 'parts', 1, 'text']`. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What an error carries besides its code and message. */
export interface TaskStoreErrorDetails {
  readonly cause?: unknown;
  /** The call that failed, such as `updateTask`. */
  readonly operation?: string | undefined;
  readonly taskId?: string | undefined;
  /** With `INVALID_ARGUMENT`: every bad field. */
  readonly issues?: readonly FieldIssue[] | undefined;
  /** With an answer of a remote: its HTTP status. */
  readonly status?: number | undefined;
  /** With an answer of a remote: how long it asked to be left alone, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * The one error class of Holdfast.
 *
 * @example
 * try {
 *   await store.updateTask('t1', { status: { state: 'working' } });
 * } catch (error) {
 *   if (error instanceof TaskStoreError && error.code === 'TASK_NOT_FOUND') ...
 * }
 */
export class TaskStoreError extends Error {
  override readonly name = 'TaskStoreError';
  declare readonly code: TaskStoreErrorCode;
  declare readonly operation: string | undefined;
  declare readonly taskId: string | undefined;
  declare readonly issues: readonly FieldIssue[];
  declare readonly status: number | undefined;
  declare readonly retryAfterMs: number | undefined;

  constructor(code: TaskStoreErrorCode, message: string, details: TaskStoreErrorDetails = {}) {
    const { cause, issues = [], ...rest } = details;
    const { operation, taskId } = rest;
    // What was given as an id may be anything.
    const subject = typeof taskId === 'string' ? ` of task ${shorten(JSON.stringify(taskId))}` : '';
    super(operation ? `${operation}${subject}: ${message}` : message, cause === undefined ? {} : { cause });
    Object.assign(this, rest, { code, issues });
  }
}

/** The error of bad fields; its message names them all. */
export function invalidArgument(issues: readonly FieldIssue[]): TaskStoreError {
  const text = issues.map(({ path, message }) => `${path.join('.') || 'the argument'}: ${message}`);
  return new TaskStoreError('INVALID_ARGUMENT', shorten(text.join('; '), 1000), { issues });
}

/** The same of one field; the path may be a stack that goes on. */
export function invalidField(path: FieldIssue['path'], message: string): TaskStoreError {
  return invalidArgument([{ path: [...path], message }]);
}

/** Errors of the core know what is wrong but not in which call, some of them of which task; those of hosts are not ours to reword. */
export function inCall(
  error: unknown,
  operation: string,
  taskId = (error as TaskStoreError | undefined)?.taskId,
): unknown {
  if (!(error instanceof TaskStoreError) || error.operation) return error;
  return new TaskStoreError(error.code, error.message, { ...error, cause: error.cause, operation, taskId });
}

/** `error` itself where it has a code of ours, else wrapped as `code`. */
export function toTaskStoreError(error: unknown, code: TaskStoreErrorCode, message: string): TaskStoreError {
  return error instanceof TaskStoreError ? error : new TaskStoreError(code, message, { cause: error });
}

/** Ids may be 10 KB long; messages stay readable. */
function shorten(text: string, limit = 80): string {
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}
