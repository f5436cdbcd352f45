/**
 * Sees to it that every task of the agent is worked on in exactly one tab. The tab that works on a task holds a lock on it and
 * the others wait for that lock: however the tab ends, the next in line takes the task up where it was left.
 */
import { finishedStates, type Message, type TaskStore } from 'holdfast';
import { TaskManagerWithStore } from 'holdfast/task-manager';
import { analyst, type Pause, takeUp } from './analyst.ts';
import { isDue } from './next-change.ts';

/** The tasks of this agent carry it in their metadata; others in the store are shown, never worked on. */
export const AGENT = 'text-analyst';

export interface RunnerOptions {
  readonly store: TaskStore;
  readonly pause: Pause;
  /** Absent where the browser has none; then tabs do not take over from each other. */
  readonly locks: LockManager | undefined;
  readonly onError: (error: unknown) => void;
}

export class AgentRunner {
  readonly #options: RunnerOptions;
  readonly #manager: TaskManagerWithStore;
  /** Tasks this tab works on or waits for. */
  readonly #mine = new Set<string>();

  constructor(options: RunnerOptions) {
    const { store, pause, onError } = options;
    this.#options = options;
    this.#manager = new TaskManagerWithStore({
      agentCard: {
        name: 'Text analyst',
        url: globalThis.location?.origin ?? '',
        version: '1.0.0',
        capabilities: { streaming: true },
        skills: [{ id: 'analyse', name: 'Analyses a text' }],
      },
      store,
      sendTaskStreamingHandler: analyst(pause),
      onError,
    });
  }

  /** Resolves with the task's id as soon as the message is stored. */
  async start(message: Message, title: string): Promise<string> {
    const id = crypto.randomUUID();
    await this.#send(id, message, { agent: AGENT, title });
    return id;
  }

  async answer(taskId: string, text: string): Promise<void> {
    await this.#send(taskId, { role: 'user', parts: [{ type: 'text', text }] });
  }

  async cancel(taskId: string): Promise<void> {
    await this.#manager.cancelTask({ id: taskId });
  }

  /** Takes up what other tabs, or this one before a reload, left undone; from now on, too. */
  async standBy(): Promise<void> {
    const { store } = this.#options;
    store.subscribe(({ source, type, taskId, taskType, callerId }) => {
      if (source === 'elsewhere' && type !== 'deleted' && taskType === 'incoming' && callerId === undefined)
        this.#waitFor(taskId);
    });
    const { tasks } = await store.listTasks({ state: ['submitted', 'working', 'input-required'], limit: 500 });
    for (const { id, metadata } of tasks) if (metadata?.agent === AGENT) this.#waitFor(id);
  }

  #send(id: string, message: Message, metadata?: Record<string, unknown>): Promise<void> {
    return new Promise((accepted, reject) => {
      this.#whileMine(id, async () => {
        const stream = this.#manager.sendTaskStreaming({ id, message, ...(metadata && { metadata }) });
        await stream.ready;
        accepted();
        for await (const _ of stream);
      }).catch(reject);
    });
  }

  #waitFor(taskId: string): void {
    if (this.#mine.has(taskId)) return;
    this.#whileMine(taskId, async () => {
      const stored = await this.#options.store.getTask(taskId);
      if (stored?.task.metadata?.agent !== AGENT || !isDue(stored.task)) return;
      await takeUp(this.#options.store, taskId, this.#options.pause);
    }).catch((error) => this.#fail(taskId, error));
  }

  async #whileMine(taskId: string, work: () => Promise<void>): Promise<void> {
    const { locks } = this.#options;
    this.#mine.add(taskId);
    try {
      await (locks ? locks.request(`holdfast-demo task ${taskId}`, work) : work());
    } finally {
      this.#mine.delete(taskId);
    }
  }

  /** A task whose step cannot be stored, or whose text defeats the agent, must not be taken up for ever. */
  async #fail(taskId: string, error: unknown): Promise<void> {
    const { store, onError } = this.#options;
    onError(error);
    const stored = await store.getTask(taskId, { historyLength: 0, includeArtifacts: false });
    if (stored && !finishedStates.has(stored.task.status.state)) {
      await store.updateTask(taskId, { status: { state: 'failed' } });
    }
  }
}
