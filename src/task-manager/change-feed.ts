/** Tells who follows a task of its changes, whoever made them: this manager, the store's other users, another tab. */
import { encodeKey, type TaskKey } from '../core/head.ts';
import type { StoredTask, UpdateTaskParams } from '../core/task.ts';
import type { TaskChange, TaskStore } from '../task-store.ts';

type Follower = (change: TaskChange) => void;

export class ChangeFeed {
  readonly #store: TaskStore;
  readonly #followers = new Map<string, Set<Follower>>();
  /** Followed tasks that were created here while they were followed. */
  readonly #made = new Set<string>();
  #unsubscribe: (() => void) | undefined;

  constructor(store: TaskStore) {
    this.#store = store;
  }

  /** Ends with the returned function. The store is subscribed to only while somebody follows. */
  follow(key: TaskKey, follower: Follower): () => void {
    const name = encodeKey(key);
    if (this.#store.capabilities.watch) this.#unsubscribe ??= this.#store.subscribe((change) => this.#hear(change));
    const followers = this.#followers.get(name) ?? new Set();
    this.#followers.set(name, followers.add(follower));
    return () => {
      followers.delete(follower);
      if (followers.size > 0 || this.#followers.get(name) !== followers) return;
      this.#followers.delete(name);
      this.#made.delete(name);
      if (this.#followers.size > 0) return;
      this.#unsubscribe?.();
      this.#unsubscribe = undefined;
    };
  }

  /** To be called after each write of ours, with its answer: a store that tells of no changes leaves that to us. */
  wrote(key: TaskKey, { task }: StoredTask, { status, artifactsUpdates = [] }: UpdateTaskParams): void {
    if (this.#store.capabilities.watch) return;
    /** How many parts stand before those of this update: all but its own and those of later updates of the same artifact. */
    const partsBefore = (index: number, from: number) => {
      const added = artifactsUpdates.slice(from).filter((later) => (later.index ?? 0) === index);
      const there = task.artifacts?.find((artifact) => artifact.index === index)?.parts.length ?? 0;
      return there - added.flatMap(({ parts }) => parts).length;
    };
    const { callerId, taskType, taskId } = key;
    this.#tell(encodeKey(key), {
      taskType,
      taskId,
      ...(callerId !== undefined && { callerId }),
      type: 'updated',
      source: 'local',
      ...(status && { status: task.status }),
      messages: [],
      artifacts: artifactsUpdates.map(({ index = 0, ...artifact }, i) => ({
        ...artifact,
        index,
        append: partsBefore(index, i) > 0,
      })),
    });
  }

  /** A deletion by another tab may be heard of late, when the task has been made anew here: it is not the end of that one. */
  #hear(change: TaskChange): void {
    const { type, source, callerId, taskType, taskId } = change;
    const name = encodeKey({ callerId, taskType, taskId });
    if (!this.#followers.has(name)) return;
    if (type === 'created' && source === 'local') this.#made.add(name);
    const tell = () => this.#tell(name, change);
    const isDoubtful = type === 'deleted' && source !== 'local' && this.#made.has(name);
    const look = () => this.#store.getTask(taskId, { callerId, historyLength: 0, includeArtifacts: false });
    if (isDoubtful) look().then((found) => found ?? tell(), tell);
    else tell();
  }

  #tell(name: string, change: TaskChange): void {
    for (const follower of this.#followers.get(name) ?? []) follower(change);
  }
}
