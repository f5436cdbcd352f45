/**
 * The shapes of A2A as Elkar speaks them. What is stored is open: keys that are not named here are kept as they came, so
 * that nothing a newer A2A version adds is lost on the way.
 */
import { invalidArgument } from './errors.ts';
import {
  bool,
  check,
  count,
  flag,
  id,
  is,
  list,
  object,
  oneOf,
  optional,
  type Shape,
  text,
  time,
  within,
} from './shape.ts';

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

const optionalText = optional(text);
const metadata = optional(object({}));

const parts: Readonly<Record<string, Shape>> = {
  text: object({ text, metadata }),
  file: object({
    file: object(
      { name: optionalText, mimeType: optionalText, bytes: optionalText, uri: optionalText },
      is(
        (file) => ((file as FilePart['file']).bytes === undefined) !== ((file as FilePart['file']).uri === undefined),
        'exactly one of bytes, uri',
      ),
    ),
    metadata,
  }),
  data: object({ data: is((data) => data !== undefined, 'a JSON value'), metadata }),
};
const partType = oneOf(...Object.keys(parts));

const part: Shape = object({}, (value, path, issues) => {
  const { type } = value as Part;
  within('type', partType, type, path, issues);
  if (typeof type === 'string' && Object.hasOwn(parts, type)) parts[type]?.(value, path, issues);
});

const message = object({ role: oneOf('user', 'agent'), parts: list(part), metadata });

const artifact = object({
  index: optional(count),
  parts: list(part),
  name: optionalText,
  description: optionalText,
  append: flag,
  lastChunk: flag,
  metadata,
});

const state = oneOf(...taskStates);

const status = object({ state, message: optional(message), timestamp: optional(time) });

export const taskShape: Shape = object({
  id,
  sessionId: optionalText,
  status,
  history: optional(list(message)),
  artifacts: optional(list(artifact)),
  metadata,
});

const pushNotification = optional(
  object({
    url: text,
    token: optionalText,
    authentication: optional(object({ schemes: list(text), credentials: optionalText })),
  }),
);

export const taskSendParamsShape: Shape = object({
  id,
  sessionId: optionalText,
  message,
  acceptedOutputModes: optional(list(text)),
  pushNotification,
  historyLength: optional(count),
  metadata,
});

const callerId = optional(id);
const taskType = oneOf('incoming', 'outgoing');

export const updateTaskParamsShape: Shape = object({
  status: optional(status),
  newMessages: optional(list(message)),
  metadata,
  artifactsUpdates: optional(list(artifact)),
  pushNotification,
  callerId,
  taskType: optional(taskType),
});

export const storedTaskShape: Shape = object({
  id,
  callerId,
  taskType,
  isStreaming: bool,
  task: taskShape,
  pushNotification,
  createdAt: time,
  updatedAt: time,
  agentUrl: optionalText,
});

/** Checks what is to be taken in as a stored task. Throws `INVALID_ARGUMENT`. */
export function checkStoredTask(stored: StoredTask): void {
  check(storedTaskShape, stored);
  if (stored.task.id !== stored.id)
    throw invalidArgument([{ path: ['task', 'id'], message: 'expected the same as id' }]);
}

/** The options of all calls together; each takes some of them. */
export const optionsShape: Shape = object({
  callerId,
  taskType: optional(taskType),
  historyLength: optional(count),
  includeArtifacts: flag,
  isStreaming: flag,
  agentUrl: optionalText,
  until: optional(oneOf('local', 'remote')),
  onConflict: optional(oneOf('skip', 'replace')),
});

/** A task's id that is an argument of its own. */
export const taskIdShape: Shape = object({ taskId: id });

export const listQueryShape: Shape = object({
  callerId,
  allCallers: flag,
  taskType: optional(taskType),
  state: optional((value, path, issues) => (Array.isArray(value) ? list(state) : state)(value, path, issues)),
  sessionId: optionalText,
  updatedAfter: optional(time),
  order: optional(oneOf('newest', 'oldest')),
  limit: optional(is((limit) => Number.isInteger(limit) && (limit as number) > 0, 'a whole number over 0')),
  cursor: optionalText,
});

/** The parts of the model that adapters validate by themselves. */
export { artifact as artifactShape, message as messageShape, state as stateShape };
