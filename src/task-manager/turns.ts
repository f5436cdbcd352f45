/** Taking turns: the turns of one task happen one after the other, and each leaves its task in a state that says how it went. */
import { encodeKey, type TaskKey } from '../core/head.ts';
import { KeyedQueue } from '../core/keyed-queue.ts';
import { finishedStates, type StoredTask, type TaskSendParams, type TaskStatus } from '../core/task.ts';
import { A2AError } from './a2a-error.ts';
import type { EventStream } from './event-stream.ts';
import { followTask } from './follow-task.ts';
import { readSnapshot } from './snapshot.ts';
import { headView, type TaskAccess } from './task-access.ts';
import type { RequestContext, TaskHandler } from './task-modifier.ts';
import { Turn } from './turn.ts';

export interface TurnRequest {
  readonly key: TaskKey;
  readonly params: TaskSendParams;
  readonly context: RequestContext;
  readonly handler: TaskHandler;
  /** Gets the events of the turn. */
  readonly stream?: EventStream;
  /** Called when the message is stored. */
  readonly accepted?: () => void;
}

type HandlerErrorListener = (error: unknown, key: TaskKey) => void;

const failure: TaskStatus = {
  state: 'failed',
  message: { role: 'agent', parts: [{ type: 'text', text: 'The agent failed: internal error' }] },
};

export class Turns {
  readonly #tasks: TaskAccess;
  readonly #onError: HandlerErrorListener;
  readonly #queue = new KeyedQueue();
  readonly #current = new Map<string, Turn>();
  /** Streams that end with a turn of their task. */
  readonly #readers = new Map<string, Set<EventStream>>();
  /** Handlers at work; some outlast their turn. */
  readonly #handling = new Set<Promise<void>>();
  /** Turns that have been asked for and are not over. */
  readonly #taking = new Set<Promise<void>>();
  #stopReason: Error | undefined;

  constructor(tasks: TaskAccess, onError: HandlerErrorListener) {
    this.#tasks = tasks;
    this.#onError = onError;
  }

  /** The turn that the task is in. */
  current(key: TaskKey): Turn | undefined {
    return this.#current.get(encodeKey(key));
  }

  /** The stream ends with the turn that the task is in, or else with the next. */
  endWithTurn(key: TaskKey, stream: EventStream): void {
    const name = encodeKey(key);
    const readers = this.#readers.get(name) ?? new Set();
    this.#readers.set(name, readers.add(stream));
    stream.onEnd(() => {
      readers.delete(stream);
      if (readers.size === 0 && this.#readers.get(name) === readers) this.#readers.delete(name);
    });
  }

  /** Resolves when the turn is over. Rejects where it did not begin, or its failure could not even be stored. */
  take(request: TurnRequest): Promise<void> {
    const taking = this.#queue.run(encodeKey(request.key), () => this.#take(request));
    keepUntilSettled(this.#taking, taking);
    return taking;
  }

  /** Asks every handler to stop, and waits until they have; turns that have not begun are refused. */
  async stop(reason: Error): Promise<void> {
    this.#stopReason = reason;
    for (const turn of this.#current.values()) turn.abort(reason);
    await Promise.allSettled(this.#taking);
    await Promise.allSettled(this.#handling);
  }

  async #take(request: TurnRequest): Promise<void> {
    const { key, accepted } = request;
    const turn = new Turn();
    const unfollow = this.#tasks.feed.follow(key, (change) => turn.hear(change));
    try {
      if (this.#stopReason) throw new A2AError('internalError', 'The agent is shutting down');
      const stored = await this.#tasks.inOrder(key, () => this.#begin(request, turn));
      this.#current.set(encodeKey(key), turn);
      if (this.#stopReason) turn.abort(this.#stopReason);
      accepted?.();
      const handling = this.#handle(turn, stored, request);
      keepUntilSettled(this.#handling, handling);
      await Promise.race([turn.over, handling]);
    } catch (error) {
      turn.error = error;
      throw error;
    } finally {
      turn.end('returned');
      // A message that was refused began no turn; others wait for one still.
      if (this.#current.delete(encodeKey(key)))
        for (const reader of this.#readers.get(encodeKey(key)) ?? []) reader.end(turn.error);
      unfollow();
    }
  }

  /** Stores the message, unless the task is finished. */
  async #begin({ key, params, stream }: TurnRequest, turn: Turn): Promise<StoredTask> {
    const before = await readSnapshot(this.#tasks.store, key, headView);
    const state = before?.stored.task.status.state;
    if (state && finishedStates.has(state)) {
      throw new A2AError('unsupportedOperation', `The task is ${state} and takes no more messages`);
    }
    const revision = before?.revision ?? 0;
    if (stream) {
      await followTask(this.#tasks.feed, key, stream, async () => ({ events: [], revision }));
      this.endWithTurn(key, stream);
    }
    const stored = await this.#tasks.upsert(key, params, { isNew: !before, isStreaming: stream !== undefined });
    turn.begin(revision);
    return stored;
  }

  /** Never rejects but where the failure cannot be stored either. */
  async #handle(turn: Turn, stored: StoredTask, { key, params, context, handler }: TurnRequest): Promise<void> {
    try {
      turn.signal.throwIfAborted();
      await handler(turn.modifier(params, stored, this.#tasks, key), context);
      // Changes that the handler did not wait for belong to the turn all the same.
      await this.#tasks.inOrder(key, async () => {});
      turn.throwUnobserved();
    } catch (error) {
      const failing = this.#tasks.inOrder(key, async () => {
        if (!turn.isOver) await this.#tasks.update(key, { status: failure });
      });
      await failing.finally(() => {
        if (!turn.signal.aborted || !isAbort(error, turn.signal)) this.#onError(error, key);
      });
    }
  }
}

/** What a handler, or what it called, throws because the signal told it to end. */
function isAbort(error: unknown, { reason }: AbortSignal): boolean {
  return error === reason || (error instanceof Error && error.name === 'AbortError');
}

function keepUntilSettled(set: Set<Promise<void>>, promise: Promise<void>): void {
  const forget = () => set.delete(promise);
  set.add(promise);
  promise.then(forget, forget);
}
