/**
 * A store that another process keeps, reached through the bridge that `demo/electron/preload.cjs` puts into the page. What a
 * window can do with it is what the main process lets through.
 */
import {
  type ImportSource,
  type StoredTask,
  type TaskChange,
  type TaskStore,
  TaskStoreError,
  type TaskStoreErrorCode,
  type WatchOptions,
} from 'holdfast';
import { readTask } from './task-key.ts';

/** Everything crosses as plain data; errors, too. */
export type BridgeAnswer =
  | { readonly value: unknown }
  | { readonly error: { readonly code: TaskStoreErrorCode; readonly message: string } };

export interface Bridge {
  readonly backend: TaskStore['backend'];
  call(method: string, args: readonly unknown[]): Promise<BridgeAnswer>;
  onChange(listener: (change: TaskChange) => void): () => void;
}

type Options = { readonly signal?: AbortSignal | undefined };

export class BridgedStore implements TaskStore {
  readonly backend: TaskStore['backend'];
  readonly capabilities = { list: true, delete: true, watch: true, transfer: true, lossless: true };
  readonly #bridge: Bridge;

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
    this.backend = bridge.backend;
  }

  upsertTask: TaskStore['upsertTask'] = (params, options) => this.#call('upsertTask', [params], options);
  getTask: TaskStore['getTask'] = (taskId, options) => this.#call('getTask', [taskId], options);
  updateTask: TaskStore['updateTask'] = (taskId, params, options) =>
    this.#call('updateTask', [taskId, params], options);
  upsertTaskForClient: TaskStore['upsertTaskForClient'] = (task, agentUrl, options) =>
    this.#call('upsertTaskForClient', [task, agentUrl], options);
  getTaskForClient: TaskStore['getTaskForClient'] = (taskId, options) =>
    this.#call('getTaskForClient', [taskId], options);
  listTasks: TaskStore['listTasks'] = (query) => this.#call('listTasks', [], query);
  deleteTask: TaskStore['deleteTask'] = (taskId, options) => this.#call('deleteTask', [taskId], options);
  prune: TaskStore['prune'] = (options) => this.#call('prune', [], options);

  subscribe(listener: (change: TaskChange) => void): () => void {
    return this.#bridge.onChange(listener);
  }

  async *watch(taskId: string, { signal, taskType = 'incoming', ...options }: WatchOptions = {}) {
    let isDeleted = false;
    let wake = () => {};
    let changed = Promise.resolve();
    const wait = () => {
      changed = new Promise((resolve) => {
        wake = resolve;
      });
    };
    const unsubscribe = this.subscribe((change) => {
      if (change.taskId !== taskId || change.taskType !== taskType || change.callerId !== options.callerId) return;
      isDeleted = change.type === 'deleted';
      wake();
    });
    const onAbort = () => wake();
    signal?.addEventListener('abort', onAbort);
    try {
      while (!isDeleted && !signal?.aborted) {
        wait();
        const stored: StoredTask | undefined = await readTask(this, { id: taskId, taskType, ...options });
        if (stored && !signal?.aborted) yield stored;
        await changed;
      }
    } finally {
      unsubscribe();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async *exportTasks(options: Parameters<TaskStore['exportTasks']>[0] = {}) {
    for (let cursor: string | undefined, first = true; first || cursor; first = false) {
      const page = await this.listTasks({ allCallers: true, limit: 200, order: 'oldest', cursor });
      for (const summary of page.tasks) {
        if (options.callerId !== undefined && options.callerId !== summary.callerId) continue;
        const stored = await readTask(this, summary);
        if (stored) yield `${JSON.stringify(stored)}\n`;
      }
      cursor = page.nextCursor;
    }
  }

  importTasks: TaskStore['importTasks'] = async (source, options) =>
    this.#call('importTasks', [await collect(source)], options);

  /** The main process keeps the store open for its other windows. */
  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  /** A signal cannot cross; it ends the wait on this side. */
  async #call<T>(method: string, args: readonly unknown[], options: Options = {}): Promise<T> {
    const { signal, ...plain } = options;
    signal?.throwIfAborted();
    const answer = await this.#bridge.call(method, [...args, plain]);
    signal?.throwIfAborted();
    if ('error' in answer) throw new TaskStoreError(answer.error.code, answer.error.message);
    return answer.value as T;
  }
}

async function collect(source: ImportSource): Promise<string> {
  if (typeof source === 'string') return source;
  const decoder = new TextDecoder();
  let text = '';
  for await (const piece of source) {
    if (typeof piece === 'string') text += piece;
    else text += piece instanceof Uint8Array ? decoder.decode(piece, { stream: true }) : `${JSON.stringify(piece)}\n`;
  }
  return text + decoder.decode();
}
