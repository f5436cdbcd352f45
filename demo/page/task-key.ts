/** A task of any caller and type under one text: in the address of the page, and in maps. */
import type { ReadOptions, StoredTask, TaskStore, TaskSummary } from 'holdfast';

export type TaskRef = Pick<TaskSummary, 'id' | 'taskType'> & { readonly callerId?: string | undefined };

export function keyOf({ id, callerId, taskType }: TaskRef): string {
  return JSON.stringify(callerId === undefined ? [taskType, id] : [taskType, id, callerId]);
}

/** Undefined where the text is no key. */
export function fromKey(key: string): TaskRef | undefined {
  try {
    const [taskType, id, callerId] = JSON.parse(key);
    if (typeof id !== 'string' || (taskType !== 'incoming' && taskType !== 'outgoing')) return undefined;
    return { taskType, id, callerId };
  } catch {
    return undefined;
  }
}

export function readTask(
  store: TaskStore,
  { id, callerId, taskType }: TaskRef,
  view: Pick<ReadOptions, 'historyLength' | 'includeArtifacts'> = {},
): Promise<StoredTask | undefined> {
  const options = { ...view, callerId };
  return taskType === 'incoming' ? store.getTask(id, options) : store.getTaskForClient(id, options);
}

export function isSame(a: TaskRef, b: TaskRef): boolean {
  return a.id === b.id && a.taskType === b.taskType && a.callerId === b.callerId;
}
