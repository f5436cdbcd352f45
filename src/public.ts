/** Every public name but `openTaskStore`, which differs by entry in the backends it knows. */
export type {
  Backend,
  BackendContext,
  BackendFactory,
  BackendInfo,
  BackendKind,
  Committed,
  Decide,
  Decision,
  Durability,
  Notice,
  NoticedParts,
} from './backends/backend.ts';
export { type FieldIssue, TaskStoreError, type TaskStoreErrorCode, type TaskStoreErrorDetails } from './core/errors.ts';
export {
  type ArtifactHead,
  type Change,
  encodeKey,
  encodeScope,
  type KeyOptions,
  type SlotParts,
  type TaskBody,
  type TaskHead,
  type TaskKey,
} from './core/head.ts';
export {
  type HeadQuery,
  type Listed,
  type ListedHead,
  type ListPosition,
  matcher,
  takePage,
  toListed,
} from './core/query.ts';
export type { SelectRange, TailRange, TaskRecord, TaskView } from './core/record.ts';
export type { ArtifactExtension, Command, PulledChange } from './core/reduce.ts';
export {
  type Artifact,
  type DataPart,
  type FilePart,
  finishedStates,
  type Message,
  type Metadata,
  type Part,
  type PushNotificationConfig,
  type StoredTask,
  type Task,
  type TaskSendParams,
  type TaskState,
  type TaskStatus,
  type TaskType,
  type TextPart,
  type UpdateTaskParams,
} from './core/task.ts';
export type { Environment } from './environment.ts';
export type { LocalTaskStore } from './local-task-store.ts';
export type { OpenOptions, OpenTaskStore, SyncedTaskStore } from './open-task-store.ts';
export * from './schemas.ts';
export type { StorePort, SyncAdapter, Touched, TransactOptions } from './store-port.ts';
export type {
  BlockedTask,
  CallOptions,
  ExportOptions,
  FlushOptions,
  ImportOptions,
  ImportResult,
  ImportSource,
  ListQuery,
  PruneOptions,
  ReadOptions,
  SyncStatus,
  SyncTaskOptions,
  TaskChange,
  TaskPage,
  TaskStore,
  TaskStoreCapabilities,
  TaskSummary,
  TaskSync,
  UpsertOptions,
  WatchOptions,
  WriteOptions,
} from './task-store.ts';
