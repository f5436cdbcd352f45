/** Pushes what is pending, several tasks side by side, each with one request at a time. Runs in the leading context. */
import { type TaskStoreError, toTaskStoreError } from '../core/errors.ts';
import { encodeKey, type TaskHead, type TaskKey } from '../core/head.ts';
import type { SyncStatus } from '../task-store.ts';
import type { SyncPlatform } from './options.ts';
import { type PushContext, type PushedTask, pushStep } from './push.ts';
import { blameFor, delayAfter } from './schedule.ts';
import { errorOf, note } from './state.ts';

/** So many heads are looked at, at a time. */
const WINDOW = 1000;

export interface LoopContext extends PushContext {
  readonly platform: SyncPlatform;
  readonly concurrency: number;
  readonly maxBackoffMs: number;
  /** The key was refused, or the user said so. */
  readonly pause: { by: TaskStoreError | 'user' | undefined };
  readonly onChange: () => void;
}

/** The remote, or one task, that has failed so many times in a row and is left alone for a while. */
interface Patient {
  failures: number;
  wait?: { readonly until: number; readonly isAsked: boolean; readonly cancel: () => void } | undefined;
}

/** A task known to have something pending. */
interface PendingTask extends PushedTask, Patient {
  readonly name: string;
  readonly since: number;
  work?: Promise<unknown> | undefined;
  /** It may have got something new to push while it was under way. */
  isAgain?: boolean;
}

export type PushLoop = ReturnType<typeof createPushLoop>;

/** The context's signal ends it. */
export function createPushLoop(context: LoopContext & { readonly signal: AbortSignal }) {
  const { port, platform, signal, pause } = context;
  const { now } = port.environment;
  const tasks = new Map<string, PendingTask>();
  /** The names of those set aside among them. */
  let aside = new Set<string>();
  const queue: PendingTask[] = [];
  const remote: Patient = { failures: 0 };
  let busy = 0;
  let isDirty = true;
  let isFilling = false;
  let lastError: TaskStoreError | undefined;
  let lastSuccessAt: number | undefined;

  /** Starts as many pushes as may go. */
  const fill = async () => {
    if (isFilling) return;
    isFilling = true;
    try {
      while (!signal.aborted && !pause.by && !remote.wait) {
        if (queue.length === 0 && isDirty) await refill();
        // While the remote fails, one request at a time finds out when it is back.
        const task = busy < (remote.failures > 0 ? 1 : context.concurrency) && queue.shift();
        if (!task) break;
        if (!task.work && !task.wait) push(task);
      }
    } catch (error) {
      wait(remote, failed(error));
    }
    isFilling = false;
    context.onChange();
  };

  /** The oldest pending tasks that may go now. What is set aside stays in the store's list, so more is asked for. */
  const refill = async () => {
    isDirty = false;
    for (let limit = WINDOW, isAll = false; !isAll && queue.length === 0; limit *= 4) {
      const heads = await port.pending(limit);
      isAll = heads.length < limit;
      aside = new Set();
      const listed = new Set(heads.map(enqueue));
      // The others are not pending any more for reasons of others: deleted, discarded, pushed by an earlier leader.
      if (!isAll) isDirty = true;
      else for (const task of tasks.values()) if (!listed.has(task) && !task.work) tasks.delete(task.name);
    }
  };

  const taskOf = (key: TaskKey, since: number): PendingTask => {
    const name = encodeKey(key);
    const task = tasks.get(name) ?? { key, name, since, failures: 0 };
    tasks.set(name, task);
    return task;
  };

  const enqueue = (head: TaskHead) => {
    const task = taskOf(head.key, head.pendingSince as number);
    if (errorOf(head, context.identity)) aside.add(task.name);
    else if (task.work) task.isAgain = true;
    else if (!task.wait) queue.push(task);
    return task;
  };

  const push = (task: PendingTask) => {
    busy++;
    task.work = pushStep(context, task)
      .then(
        (isMore) => {
          if (isMore !== undefined) succeeded(task);
          if (isMore) queue.push(task);
          else if (!aside.has(task.name)) tasks.delete(task.name);
        },
        (error) => fail(task, error),
      )
      .then(() => {
        busy--;
        task.work = undefined;
        if (task.isAgain) isDirty = true;
        task.isAgain = false;
        void fill();
      });
  };

  const succeeded = (task: PendingTask) => {
    remote.failures = task.failures = 0;
    lastError = undefined;
    lastSuccessAt = now();
  };

  const fail = async (task: PendingTask, cause: unknown) => {
    if (signal.aborted) return;
    const error = failed(cause);
    const { code, message, status } = error;
    const blame = blameFor(error);
    if (blame === 'key') pause.by ??= error;
    else if (blame !== 'request') wait(blame === 'remote' ? remote : task, error);
    else {
      remote.failures = 0;
      aside.add(task.name);
      // Set aside, the task stays whole as it is.
      const noted = note(port, task.key, (state) => [{ ...state, blocked: { code, message, status } }]);
      await noted.catch((failure) => wait(task, failed(failure)));
    }
  };

  const failed = (cause: unknown) => {
    lastError = toTaskStoreError(cause, 'IO_ERROR', 'sync failed');
    return lastError;
  };

  const wait = (patient: Patient, error: TaskStoreError) => {
    const { ms, isAsked } = delayAfter(patient.failures++, error, platform.random(), context.maxBackoffMs);
    const until = now() + ms;
    if (patient.wait && patient.wait.until > until) return;
    patient.wait?.cancel();
    const end = () => {
      patient.wait = undefined;
      wake();
    };
    patient.wait = { until, isAsked, cancel: platform.later(ms, end) };
  };

  const wake = () => {
    isDirty = true;
    void fill();
  };

  return {
    fill,

    get status(): Omit<SyncStatus, 'leader'> {
      const [oldest] = tasks.values();
      return {
        state: remote.failures > 0 ? 'offline' : busy > 0 ? 'pushing' : 'idle',
        pendingTasks: tasks.size,
        blockedTasks: aside.size,
        oldestPendingAt: oldest?.since,
        lastSuccessAt,
        lastError,
      };
    },

    isPushing: (key: TaskKey) => tasks.get(encodeKey(key))?.work !== undefined,

    /** A task has something pending. */
    touch(key: TaskKey) {
      taskOf(key, now());
      isDirty = true;
    },

    /** Tries at once what was only waiting to be tried again, unless the remote itself asked to be left alone. */
    hurry() {
      for (const patient of [remote, ...tasks.values()]) {
        if (patient.wait?.isAsked) continue;
        patient.wait?.cancel();
        patient.wait = undefined;
      }
      wake();
    },

    /** Resolves when nothing is under way any more; the signal has ended the requests. */
    stop: () => Promise.all([...tasks.values()].map(({ work }) => work)),
  };
}
