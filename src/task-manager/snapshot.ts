/** A task as it is stored, with what tells which changes it already holds. */
import type { TaskKey } from '../core/head.ts';
import { selectView, type TaskView, toStoredTask } from '../core/record.ts';
import { check } from '../core/shape.ts';
import type { StoredTask } from '../core/task.ts';
import { checkedKey, optionsShape } from '../core/task-shapes.ts';
import type { StorePort } from '../store-port.ts';
import type { TaskStore } from '../task-store.ts';

interface Snapshot {
  readonly stored: StoredTask;
  /** Changes up to this revision are in it. 0 where the store tells none; then nobody else may write the task meanwhile. */
  readonly revision: number;
}

export async function readSnapshot(
  store: TaskStore & { readonly port?: StorePort },
  { callerId, taskType, taskId }: TaskKey,
  view: TaskView,
): Promise<Snapshot | undefined> {
  if (!store.port) {
    const stored = await store.getTask(taskId, { callerId, ...view });
    return stored && { stored, revision: 0 };
  }
  const key = checkedKey(taskId, { callerId, taskType });
  check(optionsShape, { callerId, ...view });
  const record = await store.port.backend.read(key, selectView(view));
  return record && { stored: toStoredTask(record, view), revision: record.head.revision };
}
