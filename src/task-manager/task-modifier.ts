/** What a handler gets in hand: the task of its turn, and the ways to change it. */
import type { Artifact, Message, StoredTask, TaskSendParams, TaskState, TaskStatus } from '../core/task.ts';

/** Who asks. Every call takes one; without one it is the caller without an id. */
export interface RequestContext {
  /** Whose tasks the call sees. Absent is a caller of its own, not a wildcard. */
  readonly callerId?: string | undefined;
  /** The application's own, passed on to the handler. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * Each change is stored, whole, when its promise resolves; only then do readers get it. One that is refused rejects; where the
 * handler does not wait for it, the turn fails as if it had.
 *
 * A turn is over when the task is finished or waits for its user (`input-required`, `auth-required`), when it is cancelled, or
 * when the handler returns. What a handler still tries to change afterwards is refused: with `CONFLICT`, or with the reason of
 * `signal` after a cancellation.
 */
export interface TaskModifier {
  /** The message of this turn and what came with it. */
  readonly params: TaskSendParams;
  /** The task as it was when the turn began, this turn's message included. */
  readonly stored: StoredTask;
  /** Aborted when the task is cancelled or the manager closed. */
  readonly signal: AbortSignal;
  /** The task as it is stored now. */
  getTask(): Promise<StoredTask>;
  /** Replaces the status; its message joins the history. */
  setStatus(status: TaskStatus | TaskState): Promise<void>;
  addMessagesToHistory(messages: readonly Message[]): Promise<void>;
  /** By `index`: a new one is created, a known one gets the parts appended; `lastChunk: true` closes it. */
  upsertArtifacts(artifacts: readonly Artifact[]): Promise<void>;
}

/**
 * One turn of the agent.
 *
 * @example
 * const handler: TaskHandler = async (task) => {
 *   await task.setStatus('working');
 *   for await (const text of model(task.params.message, task.signal)) {
 *     await task.upsertArtifacts([{ index: 0, parts: [{ type: 'text', text }] }]);
 *   }
 *   await task.setStatus('completed');
 * };
 */
export type TaskHandler = (task: TaskModifier, context: RequestContext) => Promise<void>;
