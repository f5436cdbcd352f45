/**
 * The shapes of A2A as Elkar speaks them. What is stored is open: keys that are not named here are kept as they came, so
 * that nothing a newer A2A version adds is lost on the way.
 */

/** Free for the user; kept as it came. */
export interface Metadata {
  [key: string]: unknown;
}

export interface TextPart {
  [key: string]: unknown;
  type: 'text';
  text: string;
  metadata?: Metadata | undefined;
}

export interface FilePart {
  [key: string]: unknown;
  type: 'file';
  /** Exactly one of `bytes` (base64) and `uri`. */
  file: {
    [key: string]: unknown;
    name?: string | undefined;
    mimeType?: string | undefined;
    bytes?: string | undefined;
    uri?: string | undefined;
  };
  metadata?: Metadata | undefined;
}

export interface DataPart {
  [key: string]: unknown;
  type: 'data';
  /** Any JSON value. */
  data: unknown;
  metadata?: Metadata | undefined;
}

export type Part = TextPart | FilePart | DataPart;

export interface Message {
  [key: string]: unknown;
  role: 'user' | 'agent';
  parts: Part[];
  metadata?: Metadata | undefined;
}

export interface Artifact {
  [key: string]: unknown;
  /** @default 0 */
  index?: number | undefined;
  parts: Part[];
  name?: string | undefined;
  description?: string | undefined;
  append?: boolean | undefined;
  /** `true` closes the artifact: it takes no more parts. */
  lastChunk?: boolean | undefined;
  metadata?: Metadata | undefined;
}

/** An index on disk holds places in this list: states may be added at its end, nothing else. */
export const taskStates = [
  'submitted',
  'working',
  'input-required',
  'completed',
  'canceled',
  'failed',
  'unknown',
  'rejected',
  'auth-required',
] as const;

export type TaskState = (typeof taskStates)[number];

export interface TaskStatus {
  [key: string]: unknown;
  state: TaskState;
  message?: Message | undefined;
  /** ISO 8601, UTC. @default now, set when it is stored */
  timestamp?: string | undefined;
}

export interface Task {
  [key: string]: unknown;
  /** Any text but the empty one. */
  id: string;
  sessionId?: string | undefined;
  status: TaskStatus;
  history?: Message[] | undefined;
  artifacts?: Artifact[] | undefined;
  metadata?: Metadata | undefined;
}

export interface PushNotificationConfig {
  [key: string]: unknown;
  url: string;
  token?: string | undefined;
  authentication?: { [key: string]: unknown; schemes: string[]; credentials?: string | undefined } | undefined;
}

/** A user's turn. */
export interface TaskSendParams {
  id: string;
  /** @default a fresh one for a new task */
  sessionId?: string | undefined;
  message: Message;
  acceptedOutputModes?: string[] | undefined;
  pushNotification?: PushNotificationConfig | undefined;
  /** How many of the last messages the answer holds. @default all */
  historyLength?: number | undefined;
  /** Merged key by key into that of a known task. */
  metadata?: Metadata | undefined;
}

/** What an agent did to a task; applied in this order, all or nothing. */
export interface UpdateTaskParams {
  /** Replaces the status. Its message, where there is one, also joins the history. */
  status?: TaskStatus | undefined;
  /** Appended to the history. */
  newMessages?: Message[] | undefined;
  /** Replaces the metadata. */
  metadata?: Metadata | undefined;
  /** By `index`: a new one is created, a known one gets the parts appended. */
  artifactsUpdates?: Artifact[] | undefined;
  /** Replaces the push configuration. */
  pushNotification?: PushNotificationConfig | undefined;
  /** Whose task it is. @default `callerId` of the call's options */
  callerId?: string | undefined;
  /** @default `taskType` of the call's options, or 'incoming' */
  taskType?: TaskType | undefined;
}

/** `incoming`: this side is the agent. `outgoing`: this side is the client. */
export type TaskType = 'incoming' | 'outgoing';

/** A task with what the store knows of it. Times are ISO 8601, UTC. */
export interface StoredTask {
  [key: string]: unknown;
  id: string;
  callerId?: string | undefined;
  taskType: TaskType;
  isStreaming: boolean;
  task: Task;
  pushNotification?: PushNotificationConfig | undefined;
  createdAt: string;
  updatedAt: string;
  agentUrl?: string | undefined;
}

/** The states that nothing follows on. */
export const finishedStates: ReadonlySet<TaskState> = new Set(['completed', 'canceled', 'failed', 'rejected']);
