/** The store as callers see it: one interface, whatever lies under it. */
import type { BackendInfo } from './backends/backend.ts';
import type { TaskStoreError } from './core/errors.ts';
import type { KeyOptions } from './core/head.ts';
import type { TaskView } from './core/record.ts';
import type {
  Artifact,
  Message,
  StoredTask,
  Task,
  TaskSendParams,
  TaskState,
  TaskStatus,
  TaskType,
  UpdateTaskParams,
} from './core/task.ts';

export interface CallOptions {
  /** Ends the wait for the answer with the signal's reason; a change already under way may still take effect. */
  readonly signal?: AbortSignal | undefined;
}

/** Which part of a task an answer holds; all of it by default. */
export interface ReadOptions extends CallOptions, TaskView, Pick<KeyOptions, 'callerId'> {}

/**
 * Options of a change. Its answer is the whole task unless `historyLength` and `includeArtifacts` ask for less: streaming
 * code that ignores answers passes `{ historyLength: 0, includeArtifacts: false }` where the task is very long. The answer's
 * `task` is put together when it is first looked at; until then `console.log` shows it as `[Getter/Setter]`.
 */
export interface WriteOptions extends CallOptions, TaskView {
  /**
   * What the call waits for: the change being stored here, or also its having reached the remote (with sync).
   * @default 'local'
   */
  readonly until?: 'local' | 'remote' | undefined;
}

export interface UpsertOptions extends WriteOptions, Pick<KeyOptions, 'callerId'> {
  /**
   * Whether the task was begun as a stream; kept from its creation on.
   * @default false
   */
  readonly isStreaming?: boolean | undefined;
}

export interface ListQuery extends CallOptions, KeyOptions {
  /** For the store's owner, never on a caller's behalf: the tasks of every caller and both types. @default false */
  readonly allCallers?: boolean | undefined;
  readonly state?: TaskState | readonly TaskState[] | undefined;
  readonly sessionId?: string | undefined;
  /** Only tasks changed after this ISO 8601 time, itself excluded. */
  readonly updatedAfter?: string | undefined;
  /** By the time of the last change. @default 'newest' */
  readonly order?: 'newest' | 'oldest' | undefined;
  /** At most so many on this page. @default 50 */
  readonly limit?: number | undefined;
  /** `nextCursor` of the page before, with the same query. */
  readonly cursor?: string | undefined;
}

/** A task without its history and its artifacts' parts. */
export interface TaskSummary {
  readonly id: string;
  readonly callerId?: string;
  readonly taskType: TaskType;
  readonly sessionId?: string;
  readonly status: TaskStatus;
  readonly metadata?: Task['metadata'];
  readonly isStreaming: boolean;
  readonly messageCount: number;
  readonly artifactCount: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly agentUrl?: string;
  /** Whether a remote is still to get something of it; always false in a store that was never opened with sync. */
  readonly pending: boolean;
}

export interface TaskPage {
  readonly tasks: TaskSummary[];
  /** Absent on the last page. */
  readonly nextCursor?: string;
}

/** One change, with what it added. */
export interface TaskChange {
  readonly type: 'created' | 'updated' | 'deleted';
  /** `elsewhere`: in another tab or worker. `remote`: brought in by sync. */
  readonly source: 'local' | 'elsewhere' | 'remote';
  readonly taskId: string;
  readonly callerId?: string;
  readonly taskType: TaskType;
  /** The new status, where the change set one. */
  readonly status?: TaskStatus;
  /**
   * True where a known task was written anew: `messages` and `artifacts` are all that it has now, in place of what was told
   * before. So after an import, `upsertTaskForClient`, or a pull of what others wrote before unsent changes of ours.
   */
  readonly whole?: true;
  /** The messages that the change added to the history, in order. */
  readonly messages: readonly Message[];
  /** The artifacts that got parts, each with these parts alone; `append: true` where they follow earlier ones. */
  readonly artifacts: readonly Artifact[];
  readonly updatedAt?: string;
  /** The task's revision after the change: of two changes to one task the later has the higher. Absent on `deleted`. */
  readonly revision?: number;
}

export interface WatchOptions extends ReadOptions, KeyOptions {}

export interface ExportOptions extends CallOptions {
  /** Only this caller's tasks. Absent: everybody's. */
  readonly callerId?: string | undefined;
}

/**
 * JSON lines, as text or UTF-8 bytes in pieces cut anywhere (newlines alone separate lines, so keep them), or stored tasks one
 * by one. A line of bytes that are not UTF-8 is among the `failed`.
 */
export type ImportSource =
  | string
  | Uint8Array
  | Iterable<string | StoredTask>
  | AsyncIterable<string | StoredTask | Uint8Array>;

export interface ImportOptions extends CallOptions {
  /**
   * What to do with a task that is here already. A task with changes the remote has not got is never replaced.
   * @default 'skip'
   */
  readonly onConflict?: 'skip' | 'replace' | undefined;
}

export interface ImportResult {
  readonly imported: number;
  readonly skipped: number;
  /** Lines that hold no stored task; the others are imported all the same. Lines are counted from 1. */
  readonly failed: readonly { readonly line: number; readonly error: TaskStoreError }[];
}

export interface PruneOptions extends CallOptions {
  /** Only tasks last changed before this moment (a Date, or an ISO 8601 time). */
  readonly olderThan: Date | string;
  /** Only tasks in these states; those that are not finished are never pruned. @default all finished states */
  readonly states?: readonly TaskState[] | undefined;
}

/** What a store can do beyond reading and writing single tasks. A call it cannot answer rejects with `UNSUPPORTED`. */
export interface TaskStoreCapabilities {
  readonly list: boolean;
  readonly delete: boolean;
  /** `watch` and `subscribe`. */
  readonly watch: boolean;
  /** `exportTasks`, `importTasks`, `prune`. */
  readonly transfer: boolean;
  /** Whether keys that A2A does not name, metadata and push configuration come back whole. */
  readonly lossless: boolean;
}

/** The state of sync and the ways to steer it; see `holdfast/sync`. */
export interface TaskSync {
  readonly status: SyncStatus;
  subscribe(listener: (status: SyncStatus) => void): () => void;
  /**
   * Resolves when the remote has everything (or everything of one task) that was stored when it was called. Without
   * `timeoutMs` it waits as long as that takes, also while sync is paused or offline. Rejects when only tasks that were
   * set aside are left, and when the key was refused.
   */
  flush(options?: FlushOptions): Promise<void>;
  /** Brings in what others wrote on the remote to this task, which must be here. */
  pull(taskId: string, options?: SyncTaskOptions): Promise<void>;
  /** In every context on this storage, as `resume`. */
  pause(): void;
  /** Also after the key was refused: the context that resumes leads from then on, and asks its `apiKey` anew. */
  resume(): void;
  /** The tasks that were set aside, each with the error that stopped it. */
  blocked(): Promise<readonly BlockedTask[]>;
  /** Takes a task that was set aside up again. */
  retry(taskId: string, options?: SyncTaskOptions): Promise<void>;
  /** Gives up on pushing what is pending of a task that was set aside; the task stays here as it is. */
  discard(taskId: string, options?: SyncTaskOptions): Promise<void>;
  /** Ends sync; pending changes stay stored. Called by the store's `close`. */
  stop(): Promise<void>;
}

export interface SyncTaskOptions extends CallOptions, KeyOptions {}

export interface FlushOptions extends SyncTaskOptions {
  /** Absent: all tasks. */
  readonly taskId?: string | undefined;
  /** @default no limit */
  readonly timeoutMs?: number | undefined;
}

export interface SyncStatus {
  readonly state: 'idle' | 'pushing' | 'offline' | 'paused' | 'stopped';
  /** How many tasks have changes that the remote has not got. */
  readonly pendingTasks: number;
  /** When the oldest of these changes was made, in ms since 1970. */
  readonly oldestPendingAt?: number | undefined;
  /** When the remote last took something, in ms since 1970. */
  readonly lastSuccessAt?: number | undefined;
  readonly lastError?: TaskStoreError | undefined;
  /** How many tasks are set aside. */
  readonly blockedTasks: number;
  /** Whether this context is the one that pushes. */
  readonly leader: boolean;
}

export interface BlockedTask {
  readonly taskId: string;
  readonly callerId?: string | undefined;
  readonly taskType: TaskType;
  readonly error: TaskStoreError;
}

/**
 * Keeps the tasks of agents. What is promised, on every backend: when a call resolves its change is kept; a change takes
 * effect whole or not at all; concurrent changes all take effect, one after the other; what a call returns is a snapshot.
 *
 * @example
 * const store = await openTaskStore({ name: 'my-agent' });
 * await store.upsertTask({ id: 't1', message: { role: 'user', parts: [{ type: 'text', text: 'Hi' }] } });
 * await store.updateTask('t1', { status: { state: 'working' } });
 * const stored = await store.getTask('t1');
 */
export interface TaskStore extends AsyncDisposable {
  readonly backend: BackendInfo & {
    /** Why this backend was chosen, for people. */
    readonly reason: string;
  };
  readonly capabilities: TaskStoreCapabilities;
  /** Absent where the store was opened without sync. */
  readonly sync?: TaskSync | undefined;

  /**
   * A user's turn. Creates the task (`submitted`, the message its history) or appends the message to a known one, whose
   * status and session stay; `metadata` merges key by key, `pushNotification` replaces.
   * @returns the task after the change
   * @throws TaskStoreError `INVALID_ARGUMENT`
   */
  upsertTask(params: TaskSendParams, options?: UpsertOptions): Promise<StoredTask>;

  /**
   * The task is the caller's own to change, but for what is in it: messages, parts, the status and metadata are frozen.
   * @returns the task, or undefined where this caller has none
   */
  getTask(taskId: string, options?: ReadOptions): Promise<StoredTask | undefined>;

  /**
   * What the agent did; all of it is applied or nothing: status (its message joins the history), `newMessages`,
   * `metadata` (replaces), `artifactsUpdates` (parts are appended by `index`), `pushNotification`. Whose task it is,
   * `params` say, or else the options.
   * @returns the task after the change
   * @throws TaskStoreError `INVALID_ARGUMENT`, `TASK_NOT_FOUND`, `ARTIFACT_CLOSED`
   */
  updateTask(taskId: string, params: UpdateTaskParams, options?: WriteOptions & KeyOptions): Promise<StoredTask>;

  /** Stores a task of another agent, whole, in place of what was there; its type is `outgoing`. */
  upsertTaskForClient(
    task: Task,
    agentUrl: string,
    options?: WriteOptions & Pick<KeyOptions, 'callerId'>,
  ): Promise<StoredTask>;

  /** As `getTask`, for `outgoing` tasks. */
  getTaskForClient(taskId: string, options?: ReadOptions): Promise<StoredTask | undefined>;

  /**
   * A page of summaries, by the time of the last change. A task that does not change between two pages is on one of them
   * exactly once; one that does may move to the front, where a listing from the start finds it.
   */
  listTasks(query?: ListQuery): Promise<TaskPage>;

  /** @returns whether there was such a task */
  deleteTask(taskId: string, options?: CallOptions & KeyOptions): Promise<boolean>;

  /**
   * The task as it is, then each time it has changed, in this context or another; a slow reader gets the latest, not a
   * backlog. Each is the whole task but for what the options leave out: of a long one that is streamed to, `historyLength` and
   * `includeArtifacts` spare reading all of it for each chunk. Waits where there is no such task yet; ends when the task is
   * deleted, the store closed, the signal aborted or the loop left. What a tab or worker did in the moment before it was killed
   * may be seen with the next change only.
   */
  watch(taskId: string, options?: WatchOptions): AsyncIterableIterator<StoredTask>;

  /**
   * Calls `listener` with every change, those of one context in order; of those that several make to one task `revision`
   * tells the order. A deletion has none: that of another tab may be heard of when the task has been made anew here, so look
   * before you drop it. Of a tab or worker that is killed, the last moment may stay unheard of until the task is read. What a
   * listener throws is reported as an uncaught error, which ends a Node process. Ends with the returned function.
   */
  subscribe(listener: (change: TaskChange) => void): () => void;

  /**
   * Every task as one line of JSON (a `StoredTask`), each ending in a newline. For the store's owner: all callers' tasks.
   *
   * @example
   * await writeFile('backup.jsonl', store.exportTasks()); // of node:fs/promises; a page makes a Blob of the lines
   */
  exportTasks(options?: ExportOptions): AsyncIterableIterator<string>;

  /**
   * Takes in what `exportTasks` gave, times and callers included. Lines that cannot be read are listed in
   * the answer, which does not reject for them.
   *
   * @example
   * const { imported, failed } = await store.importTasks(await file.text()); // a page's File
   * await store.importTasks(createReadStream('backup.jsonl')); // in Node
   */
  importTasks(source: ImportSource, options?: ImportOptions): Promise<ImportResult>;

  /** Deletes old finished tasks, of every caller; never one with changes that the remote has not got. @returns how many */
  prune(options: PruneOptions): Promise<number>;

  /** Lets calls under way finish and lets go of the storage; later calls reject with `STORE_CLOSED`. May be called twice. */
  close(): Promise<void>;
}
