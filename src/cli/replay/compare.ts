/** Reading back what was replayed. */
import type { TaskState } from '../../core/task.ts';
import type { TaskStore } from '../../task-store.ts';
import { digest } from './replay-runs.ts';

export interface Comparison {
  tasks: number;
  readonly states: Partial<Record<TaskState, number>>;
  messages: number;
  artifactParts: number;
  /** Tasks that are not what was acknowledged. */
  readonly different: string[];
}

/** Compares every task with the digest of its last acknowledged state. */
export async function compare(
  store: TaskStore,
  acknowledged: ReadonlyMap<string, string>,
  onTask: () => void,
): Promise<Comparison> {
  const result: Comparison = { tasks: 0, states: {}, messages: 0, artifactParts: 0, different: [] };
  for (const [id, expected] of acknowledged) {
    const stored = await store.getTask(id);
    onTask();
    if (!stored || digest(stored) !== expected) result.different.push(id);
    if (!stored) continue;
    const { status, history = [], artifacts = [] } = stored.task;
    result.tasks++;
    result.states[status.state] = (result.states[status.state] ?? 0) + 1;
    result.messages += history.length;
    for (const { parts } of artifacts) result.artifactParts += parts.length;
  }
  return result;
}
