/** The agent: one stored step after the other, until the task is finished or its user is asked. */
import type { TaskStore } from 'holdfast';
import type { TaskHandler, TaskModifier } from 'holdfast/task-manager';
import { type AgentChange, nextChange } from './next-change.ts';

/** What the work needs of a turn: of one that a message began, or of one that is taken up again. */
export type Turn = Pick<TaskModifier, 'signal' | 'getTask' | 'setStatus' | 'upsertArtifacts'>;

/** Waits a while after a change, so that one can watch; resolves early where the signal is aborted. */
export type Pause = (change: AgentChange, signal: AbortSignal) => Promise<void>;

export function analyst(pause: Pause): TaskHandler {
  return (turn) => work(turn, pause);
}

export async function work(turn: Turn, pause: Pause): Promise<void> {
  while (!turn.signal.aborted) {
    const { task } = await turn.getTask();
    const change = nextChange(task);
    if (!change) return;
    if (change.artifact) await turn.upsertArtifacts([change.artifact]);
    else await turn.setStatus(change.status);
    if (change.status && change.status.state !== 'working') return;
    await pause(change, turn.signal);
  }
}

/**
 * A turn whose message is stored already, its handler gone with its tab. The signal is aborted when somebody cancels or
 * deletes the task.
 */
export async function takeUp(store: TaskStore, taskId: string, pause: Pause): Promise<void> {
  const abort = new AbortController();
  const unsubscribe = store.subscribe((change) => {
    if (change.taskId !== taskId || change.taskType !== 'incoming' || change.callerId !== undefined) return;
    if (change.type === 'deleted' || change.status?.state === 'canceled') abort.abort();
  });
  const update = async (params: Parameters<TaskStore['updateTask']>[1]) => {
    await store.updateTask(taskId, params, { historyLength: 0, includeArtifacts: false });
  };
  try {
    await work(
      {
        signal: abort.signal,
        getTask: async () => (await store.getTask(taskId)) ?? Promise.reject(new Error('the task was deleted')),
        setStatus: (status) => update({ status: typeof status === 'string' ? { state: status } : status }),
        upsertArtifacts: (artifacts) => update({ artifactsUpdates: [...artifacts] }),
      },
      pause,
    );
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  } finally {
    unsubscribe();
  }
}
