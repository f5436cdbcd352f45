/**
 * The contract once more, as naively as it can be written: whole tasks in a map, every copy a deep one. Random operations
 * are run on a store and on this, and must give equal answers, also after the store was closed and opened again.
 */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Message, StoredTask, Task, TaskType, UpdateTaskParams } from '../../src/core/task.ts';
import type { TaskStore } from '../../src/task-store.ts';
import { artifact, message, metadata, state, updateParams } from './arbitraries.ts';
import { scaled, seeded } from './long.ts';

export type Operation =
  | { type: 'upsert'; id: string; callerId?: string; message: Message; metadata?: Record<string, unknown> }
  | { type: 'update'; id: string; callerId?: string; taskType?: TaskType; params: UpdateTaskParams }
  | { type: 'replace'; id: string; callerId?: string; task: Omit<Task, 'id'> }
  | { type: 'delete'; id: string; callerId?: string; taskType: TaskType }
  | { type: 'read'; id: string; callerId?: string; historyLength: number | undefined }
  | { type: 'reopen' };

type Outcome = { code: string } | { stored: unknown } | { answer: unknown };

const NOW = '2026-03-04T05:06:07.890Z';
export const clock = { environment: { now: () => Date.parse(NOW), newId: () => 'new-session' } };

export class ModelStore {
  readonly #tasks = new Map<string, StoredTask>();

  apply(operation: Exclude<Operation, { type: 'reopen' }>): Outcome {
    const { id, callerId } = operation;
    const taskType: TaskType =
      operation.type === 'replace' ? 'outgoing' : ('taskType' in operation && operation.taskType) || 'incoming';
    const key = JSON.stringify([id, callerId, taskType]);
    const stored = structuredClone(this.#tasks.get(key));
    const base = { id, ...(callerId !== undefined && { callerId }), taskType, createdAt: NOW, updatedAt: NOW };

    if (operation.type === 'read') {
      if (stored?.task.history && operation.historyLength !== undefined) {
        stored.task.history = operation.historyLength ? stored.task.history.slice(-operation.historyLength) : [];
      }
      return { stored };
    }
    if (operation.type === 'delete') return { answer: this.#tasks.delete(key) };

    let next: StoredTask;
    if (operation.type === 'upsert') {
      next = stored ?? {
        ...base,
        isStreaming: false,
        task: {
          id,
          sessionId: 'new-session',
          status: { state: 'submitted', message: operation.message, timestamp: NOW },
          history: [],
        },
      };
      next.task.history = [...(next.task.history ?? []), operation.message];
      if (operation.metadata) next.task.metadata = { ...next.task.metadata, ...operation.metadata };
    } else if (operation.type === 'replace') {
      const { pushNotification } = stored ?? {};
      const task = structuredClone({ id, ...operation.task }) as Task;
      task.status.timestamp ??= NOW;
      for (const item of task.artifacts ?? []) item.index ??= 0;
      next = { ...base, isStreaming: false, task, agentUrl: 'https://a.example' };
      if (pushNotification) next.pushNotification = pushNotification;
    } else {
      if (!stored) return { code: 'TASK_NOT_FOUND' };
      next = stored;
      const { status, newMessages = [], artifactsUpdates = [], pushNotification } = structuredClone(operation.params);
      if (status) next.task.status = { ...status, timestamp: status.timestamp ?? NOW };
      const added = [...(status?.message ? [status.message] : []), ...newMessages];
      if (added.length > 0) next.task.history = [...(next.task.history ?? []), ...added];
      if (operation.params.metadata) next.task.metadata = operation.params.metadata;
      for (const { index = 0, parts, name, description, metadata, append, lastChunk } of artifactsUpdates) {
        next.task.artifacts ??= [];
        let known = next.task.artifacts.find((item) => item.index === index);
        if (known?.lastChunk) return { code: 'ARTIFACT_CLOSED' };
        if (!known) next.task.artifacts.push((known = { index, parts: [], ...(append !== undefined && { append }) }));
        known.parts.push(...parts);
        if (name !== undefined) known.name = name;
        if (description !== undefined) known.description = description;
        if (metadata !== undefined) known.metadata = metadata;
        if (lastChunk === undefined) delete known.lastChunk;
        else known.lastChunk = lastChunk;
      }
      if (operation.params.artifactsUpdates) next.task.artifacts ??= [];
      if (pushNotification) next.pushNotification = pushNotification;
    }
    this.#tasks.set(key, structuredClone(next));
    return { stored: next };
  }

  all(): StoredTask[] {
    return [...this.#tasks.values()];
  }
}

async function applyTo(store: TaskStore, operation: Exclude<Operation, { type: 'reopen' }>): Promise<Outcome> {
  const { id, callerId } = operation;
  try {
    switch (operation.type) {
      case 'upsert': {
        const { type: _, callerId: __, ...params } = operation;
        return { stored: await store.upsertTask(params, { callerId }) };
      }
      case 'update':
        return {
          stored: await store.updateTask(id, { ...operation.params, callerId, taskType: operation.taskType }),
        };
      case 'replace':
        return {
          stored: await store.upsertTaskForClient({ id, ...operation.task } as Task, 'https://a.example', { callerId }),
        };
      case 'delete':
        return {
          answer: await store.deleteTask(id, {
            taskType: operation.taskType,
            ...(callerId !== undefined && { callerId }),
          }),
        };
      case 'read':
        return { stored: await store.getTask(id, { callerId, historyLength: operation.historyLength }) };
    }
  } catch (error) {
    return { code: (error as { code: string }).code };
  }
}

const identity = {
  id: fc.constantFrom('a', 'b', '__proto__'),
  callerId: fc.constantFrom(undefined, 'ann'),
};

const taskType = fc.constantFrom('incoming' as const, 'incoming' as const, 'outgoing' as const);

const operation = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('upsert' as const),
      ...identity,
      message,
      metadata: fc.option(metadata, { nil: undefined }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ type: fc.constant('update' as const), ...identity, taskType, params: updateParams }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('replace' as const),
      ...identity,
      task: fc
        .record({
          status: fc.record({ state, message: fc.option(message, { nil: undefined }) }),
          history: fc.option(fc.array(message, { maxLength: 30 }), { nil: undefined }),
          artifacts: fc.option(fc.uniqueArray(artifact, { maxLength: 3, selector: ({ index = 0 }) => index }), {
            nil: undefined,
          }),
        })
        .map((task) => JSON.parse(JSON.stringify(task)) as Omit<Task, 'id'>),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), ...identity, taskType }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('read' as const),
      ...identity,
      historyLength: fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reopen' as const) }) },
);

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));

/**
 * @param open opens the same place each time it is called within one run
 * @param discard removes the place after the run
 */
export async function compareWithModel(
  what: string,
  runs: { short: number; long: number },
  begin: () => Promise<{ open: () => Promise<TaskStore>; persistent: boolean; discard: () => Promise<void> }>,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 40, size: 'max' }), async (operations) => {
      const { open, persistent, discard } = await begin();
      const model = new ModelStore();
      let store = await open();
      try {
        for (const operation of operations as Operation[]) {
          if (operation.type === 'reopen') {
            if (!persistent) continue;
            await store.close();
            store = await open();
            continue;
          }
          expect(plain(await applyTo(store, operation))).toEqual(plain(model.apply(operation)));
        }
        if (persistent) {
          await store.close();
          store = await open();
        }
        for (const stored of model.all()) {
          const { id, callerId, taskType } = stored;
          const kept = await (taskType === 'incoming'
            ? store.getTask(id, { callerId })
            : store.getTaskForClient(id, { callerId }));
          expect(plain(kept)).toEqual(plain(stored));
        }
        const listed = await store.listTasks({ allCallers: true, limit: 1000 });
        expect(listed.tasks.length).toBe(model.all().length);
      } finally {
        await store.close();
        await discard();
      }
    }),
    { numRuns: scaled(runs.short, runs.long), ...seeded(`model, ${what}`) },
  );
}
