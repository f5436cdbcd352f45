/// <reference types="vite/client" />
/** The recorded agent runs, where they lie beside the project, and how to replay one. */
import { expect } from 'vitest';
import type { StoredTask, TaskSendParams, UpdateTaskParams } from '../../src/core/task.ts';
import type { TaskStore } from '../../src/task-store.ts';

export type Step = { upsert: TaskSendParams } | { update: UpdateTaskParams };
export interface Run {
  readonly name: string;
  readonly steps: readonly Step[];
}

/** Found at build time by the bundler of browser tests, by the file system in Node; empty where there are none. */
export function agentRuns(): Run[] {
  const files = import.meta.glob('../../../shared/agent-runs/*.ndjson', {
    query: '?raw',
    import: 'default',
    eager: true,
  });
  return Object.entries(files as Record<string, string>).map(([path, content]) => ({
    name: path.split('/').at(-1) as string,
    steps: content
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Step),
  }));
}

/** Replays a run; answers the last acknowledged state of its task. */
export async function replay(store: TaskStore, { steps }: Run): Promise<StoredTask> {
  let last: StoredTask | undefined;
  for (const step of steps) {
    if ('upsert' in step) last = await store.upsertTask(step.upsert);
    else last = await store.updateTask(last?.id as string, step.update);
  }
  return last as StoredTask;
}

/** What a run must leave behind, by the contract, worked out without a store. */
function expectedTexts({ steps }: Run): unknown[] {
  return steps.flatMap((step) => {
    if ('upsert' in step) return [step.upsert.message];
    const { status, newMessages = [] } = step.update;
    return status?.message ? [status.message, ...newMessages] : newMessages;
  });
}

/** Replays all runs side by side, reopens, and compares every task with what was acknowledged and with the recording. */
export async function replayAll(open: () => Promise<TaskStore>): Promise<number> {
  const runs = agentRuns();
  let store = await open();
  const acknowledged = await Promise.all(runs.map((run) => replay(store, run)));
  const kept = acknowledged.map((stored) => structuredClone(stored));
  if (store.backend.survives !== 'nothing') {
    await store.close();
    store = await open();
  }
  for (const [i, run] of runs.entries()) {
    const stored = await store.getTask(kept[i]?.id as string);
    expect(stored).toEqual(kept[i]);
    expect(stored?.task.history).toEqual(expectedTexts(run));
  }
  await store.close();
  return runs.length;
}
