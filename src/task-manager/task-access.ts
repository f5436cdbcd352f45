/** Reading and changing single tasks of a store: in the order of the calls, and told to who follows. */
import { encodeKey, type TaskKey } from '../core/head.ts';
import { KeyedQueue } from '../core/keyed-queue.ts';
import { check } from '../core/shape.ts';
import type { StoredTask, TaskSendParams, UpdateTaskParams } from '../core/task.ts';
import { optionsShape, taskIdShape } from '../core/task-shapes.ts';
import type { TaskStore } from '../task-store.ts';
import { A2AError } from './a2a-error.ts';
import { ChangeFeed } from './change-feed.ts';

/** The head of a task, which costs the same however long the task is. */
export const headView = { historyLength: 0, includeArtifacts: false } as const;

export class TaskAccess {
  readonly store: TaskStore;
  readonly feed: ChangeFeed;
  readonly #queue = new KeyedQueue();

  constructor(store: TaskStore) {
    this.store = store;
    this.feed = new ChangeFeed(store);
  }

  /** Does `work` when all that was asked for before, of this task, is done: nothing of ours comes in between. */
  inOrder<T>(key: TaskKey, work: () => Promise<T>): Promise<T> {
    return this.#queue.run(encodeKey(key), work);
  }

  async read({ callerId, taskId }: TaskKey): Promise<StoredTask> {
    return found(await this.store.getTask(taskId, { callerId }));
  }

  async readHead({ callerId, taskId }: TaskKey): Promise<StoredTask> {
    return found(await this.store.getTask(taskId, { callerId, ...headView }));
  }

  async update(key: TaskKey, params: UpdateTaskParams): Promise<void> {
    const { callerId, taskId } = key;
    // A store that tells of changes by itself need not answer with the task; of another the answer is the telling.
    const view = this.store.capabilities.watch ? headView : {};
    const stored = await this.store.updateTask(taskId, { ...params, callerId }, view);
    this.feed.wrote(key, stored, params);
  }

  /** `isNew`: the task is not there yet, as far as is known. */
  async upsert(key: TaskKey, params: TaskSendParams, { isNew, isStreaming }: UpsertFacts): Promise<StoredTask> {
    const { historyLength, ...whole } = params;
    // It cuts what the caller is answered, not what the handler gets; still, bad input is refused before anything is stored.
    check(taskIdShape, key);
    check(optionsShape, { historyLength });
    const stored = await this.store.upsertTask(whole, { callerId: key.callerId, isStreaming });
    if (isNew) this.feed.wrote(key, stored, { status: stored.task.status });
    return stored;
  }
}

interface UpsertFacts {
  readonly isNew: boolean;
  readonly isStreaming: boolean;
}

export function found<T>(task: T | undefined): T {
  if (!task) throw new A2AError('taskNotFound', 'Task not found');
  return task;
}
