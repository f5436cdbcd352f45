/**
 * The store over a backend of this machine: every call is checked, committed, then told to who listens. Holds no rule of
 * its own (those are the reducer's) and knows nothing of where the backend keeps things.
 */
import type { Backend, Decide } from './backends/backend.ts';
import { ChangeHub } from './change-hub.ts';
import { untilAborted } from './core/abort.ts';
import { inCall, TaskStoreError } from './core/errors.ts';
import { type KeyOptions, keyOf, type TaskKey } from './core/head.ts';
import { selectNothing, selectView, type TaskRecord, type TaskView, toStoredTask } from './core/record.ts';
import { type Command, reduce, type Tracking } from './core/reduce.ts';
import { check, validate } from './core/shape.ts';
import type { StoredTask, Task, TaskSendParams, UpdateTaskParams } from './core/task.ts';
import {
  checkedKey,
  listQueryShape,
  optionsShape,
  taskSendParamsShape,
  taskShape,
  updateTaskParamsShape,
} from './core/task-shapes.ts';
import type { Environment } from './environment.ts';
import { toHeadQuery, toPage } from './list-tasks.ts';
import { type StorePort, SYNC_META, type SyncAdapter } from './store-port.ts';
import type {
  CallOptions,
  ExportOptions,
  ImportOptions,
  ImportResult,
  ImportSource,
  ListQuery,
  PruneOptions,
  ReadOptions,
  TaskChange,
  TaskPage,
  TaskStore,
  TaskStoreCapabilities,
  TaskSync,
  UpsertOptions,
  WatchOptions,
  WriteOptions,
} from './task-store.ts';
import { exportTasks, importTasks, prune } from './transfer.ts';
import { watchTask } from './watch.ts';

/** No options. */
const none = {};

export class LocalTaskStore implements TaskStore {
  declare readonly capabilities: TaskStoreCapabilities;
  declare readonly sync: TaskSync | undefined;
  /** For adapters; see `StorePort`. */
  declare readonly port: StorePort;

  readonly #backend: Backend;
  readonly #reason: string;
  readonly #hub = new ChangeHub();
  readonly #stopListening: () => void;
  /** Undefined until the backend has said whether this store was ever opened with sync; then whose its changes are. */
  #tracking: Promise<Tracking | undefined> | undefined;
  #active = 0;
  #idle = () => {};
  #closing: Promise<void> | undefined;

  constructor(backend: Backend, reason: string, environment: Environment, sync?: SyncAdapter) {
    this.#backend = backend;
    this.#reason = reason;
    const isLive = !backend.info.isReadOnly;
    this.capabilities = { list: true, delete: isLive, watch: isLive, transfer: true, lossless: true };
    if (sync) this.#tracking = Promise.resolve({ identity: sync.identity });
    this.#stopListening = backend.listen((notices) => {
      // Another may have been opened with sync.
      if (!notices[0] && !sync) this.#tracking = undefined;
      this.#hub.hear(notices, backend);
    });
    this.port = {
      ...environment,
      transact: this.#transact,
      backend,
      run: this.#run,
      pending: this.#hub.pending,
    };
    this.sync = sync?.start(this.port);
  }

  /** Asked for anew, since it may say later that data was lost. */
  get backend(): TaskStore['backend'] {
    return { ...this.#backend.info, reason: this.#reason };
  }

  upsertTask(params: TaskSendParams, options: UpsertOptions = none): Promise<StoredTask> {
    return this.#write('upsertTask', params?.id, options, () => {
      const { callerId, isStreaming = false } = options;
      const valid = validate(taskSendParamsShape, params);
      const sessionId = valid.sessionId ?? this.port.newId();
      return [
        keyOf(valid.id, { callerId }),
        { type: 'upsert', params: valid, isStreaming, sessionId },
        { historyLength: options.historyLength ?? valid.historyLength, includeArtifacts: options.includeArtifacts },
      ];
    });
  }

  updateTask(taskId: string, params: UpdateTaskParams, options: WriteOptions & KeyOptions = none): Promise<StoredTask> {
    return this.#write('updateTask', taskId, options, () => {
      const valid = validate(updateTaskParamsShape, params);
      const { callerId = options.callerId, taskType = options.taskType } = valid;
      return [checkedKey(taskId, { callerId, taskType }), { type: 'update', params: valid }, options];
    });
  }

  upsertTaskForClient(
    task: Task,
    agentUrl: string,
    options: WriteOptions & Pick<KeyOptions, 'callerId'> = none,
  ): Promise<StoredTask> {
    return this.#write('upsertTaskForClient', task?.id, options, () => {
      const valid = validate(taskShape, task);
      // Optional in the shape, but not here.
      check(optionsShape, { agentUrl: agentUrl ?? null });
      const key = keyOf(valid.id, { callerId: options.callerId, taskType: 'outgoing' });
      return [key, { type: 'replace', task: valid, agentUrl }, options];
    });
  }

  getTask(taskId: string, options: ReadOptions = none): Promise<StoredTask | undefined> {
    return this.#get('getTask', taskId, 'incoming', options);
  }

  getTaskForClient(taskId: string, options: ReadOptions = none): Promise<StoredTask | undefined> {
    return this.#get('getTaskForClient', taskId, 'outgoing', options);
  }

  listTasks(query: ListQuery = none): Promise<TaskPage> {
    const limit = query?.limit;
    const begin = () => {
      check(listQueryShape, query);
      return this.#backend.list(toHeadQuery(query));
    };
    return this.#run('listTasks', undefined, begin, query, (heads) => toPage(heads, limit));
  }

  deleteTask(taskId: string, options: CallOptions & KeyOptions = none): Promise<boolean> {
    const begin = () => this.#transact(checkedKey(taskId, options), (head) => head && 'remove');
    return this.#run('deleteTask', taskId, begin, options, ({ decision }) => !!decision);
  }

  watch(taskId: string, options: WatchOptions = none): AsyncIterableIterator<StoredTask> {
    const key = this.#guard('watch', taskId, options, () => checkedKey(taskId, options));
    // The caller's own may be changed while this goes on.
    return watchTask(this.#backend, this.#hub, key, { ...options });
  }

  subscribe(listener: (change: TaskChange) => void): () => void {
    return this.#guard('subscribe', undefined, none, () => this.#hub.add(listener));
  }

  exportTasks(options: ExportOptions = none): AsyncIterableIterator<string> {
    return this.#guard('exportTasks', undefined, options, () => exportTasks(this.port, options));
  }

  importTasks(source: ImportSource, options: ImportOptions = none): Promise<ImportResult> {
    return this.#run('importTasks', undefined, () => importTasks(this.port, source, options), options);
  }

  prune(options: PruneOptions): Promise<number> {
    return this.#run('prune', undefined, () => prune(this.port, options), options);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#stopListening();
    this.#hub.close();
    // Whoever is told that sync has stopped may close the store, too: by then it is known to be closing.
    await null;
    await this.sync?.stop();
    if (this.#active > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    await this.#backend.close();
  }

  #get(operation: string, taskId: string, taskType: TaskKey['taskType'], options: ReadOptions) {
    // The caller's own may be changed while this waits.
    const view = { ...options };
    const begin = () =>
      this.#backend.read(checkedKey(taskId, { callerId: options.callerId, taskType }), selectView(view));
    return this.#run(operation, taskId, begin, options, (record) => record && toStoredTask(record, view));
  }

  /** `prepare` checks the arguments and says which task, which command, and how much of the task to answer with. */
  #write(
    operation: string,
    taskId: string,
    options: WriteOptions,
    prepare: () => readonly [TaskKey, Command, TaskView],
  ): Promise<StoredTask> {
    let view: TaskView = options;
    const begin = () => {
      const [key, command, wanted] = prepare();
      view = { ...wanted };
      const { signal, until } = options;
      const remote = until === 'remote' && this.sync;
      if (remote === undefined) {
        throw new TaskStoreError('UNSUPPORTED', "until: 'remote' needs sync");
      }
      const committed = this.#transact(key, () => command, { select: selectView(view) });
      return remote ? committed.then((result) => remote.flush({ ...key, signal }).then(() => result)) : committed;
    };
    return this.#run(operation, taskId, begin, options, ({ record }) => toStoredTask(record as TaskRecord, view, true));
  }

  readonly #transact: StorePort['transact'] = async (
    key,
    decide,
    { select = selectNothing, source = 'local' } = {},
  ) => {
    const tracking = await (this.#tracking ??= this.#learnTracking());
    const context = { key, now: this.port.now(), tracking };
    const decideChange: Decide = (head, look) => {
      const command = decide(head, look);
      return typeof command === 'object' ? reduce(head, command, context) : command;
    };
    const committed = await this.#backend.commit(key, decideChange, select);
    this.#hub.announce(key, committed, source);
    return committed;
  };

  async #learnTracking(): Promise<Tracking | undefined> {
    try {
      const meta = (await this.#backend.getMeta(SYNC_META)) as Tracking | undefined;
      return meta && { identity: meta.identity };
    } catch (error) {
      // Asked again by the next change.
      this.#tracking = undefined;
      throw error;
    }
  }

  /** The beginning of every call: the store is open, the options are good, errors are named. */
  #guard<T>(operation: string, taskId: string | undefined, options: object, begin?: () => T): T {
    try {
      if (this.#closing) throw new TaskStoreError('STORE_CLOSED', 'the store is closed');
      if (options !== none) check(optionsShape, options);
      return begin?.() as T;
    } catch (error) {
      throw inCall(error, operation, taskId);
    }
  }

  /** A call that takes time: not aborted, and waited for by `close`. `finish` makes the answer out of what `begin` came to. */
  readonly #run = async <R, T = R>(
    operation: string,
    taskId: string | undefined,
    begin: () => Promise<R>,
    options: CallOptions = none,
    finish = (result: R) => result as unknown as T,
  ): Promise<T> => {
    this.#guard(operation, taskId, options);
    const { signal } = options;
    signal?.throwIfAborted();
    this.#active++;
    try {
      return finish(await (signal ? untilAborted(begin(), signal) : begin()));
    } catch (error) {
      throw inCall(error, operation, taskId);
    } finally {
      if (--this.#active === 0) this.#idle();
    }
  };
}
