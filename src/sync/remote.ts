/** The remote as sync sees it: keys in, tasks out; who stands for "no caller" is settled here. */
import type { TaskKey } from '../core/head.ts';
import type { Task } from '../core/task.ts';
import type { ElkarTransport } from '../elkar/transport.ts';
import { assertSendable, clientTaskBody, createBody, type RemoteTask, updateBody } from '../elkar/wire.ts';
import type { Plan } from './plan.ts';

export class Remote {
  readonly #transport: ElkarTransport;
  readonly #noCaller: string;

  constructor(transport: ElkarTransport, noCaller: string) {
    this.#transport = transport;
    this.#noCaller = noCaller;
  }

  /** Checks what is to be sent, at once, and answers how to send it. Throws `REMOTE_REJECTED` where it would break the server. */
  prepare(key: TaskKey, { create, update }: Plan, signal: AbortSignal): () => Promise<RemoteTask> {
    const callerId = this.#callerOf(key);
    const { taskId } = key;
    const body = create ? createBody({ ...create, callerId }) : updateBody({ ...update, callerId });
    assertSendable(body, { taskId });
    return () =>
      create ? this.#transport.createTask(body, { signal }) : this.#transport.updateTask(taskId, body, { signal });
  }

  /** May be repeated: it stores the whole. */
  async putWhole(key: TaskKey, task: Task, agentUrl: string, signal: AbortSignal): Promise<RemoteTask> {
    const body = clientTaskBody({ task, agentUrl, callerId: this.#callerOf(key) });
    assertSendable(body, { taskId: key.taskId });
    return this.#transport.upsertClientTask(body, { signal });
  }

  get(key: TaskKey, signal: AbortSignal): Promise<RemoteTask> {
    const query = { callerId: this.#callerOf(key), signal };
    return key.taskType === 'incoming'
      ? this.#transport.getTask(key.taskId, query)
      : this.#transport.getClientTask(key.taskId, query);
  }

  #callerOf({ callerId }: TaskKey): string {
    return callerId ?? this.#noCaller;
  }
}
