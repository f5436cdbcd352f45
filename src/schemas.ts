/**
 * The model as zod schemas, for users' own input and for the edges of Holdfast (the wire, the endpoint, imports).
 * Open objects all: unknown keys pass through. The store's own checks in `core/task-shapes.ts` give the same verdicts.
 */
import * as z from 'zod/mini';
import {
  type Artifact,
  type Message,
  type Part,
  type PushNotificationConfig,
  type StoredTask,
  type Task,
  type TaskSendParams,
  type TaskState,
  type TaskStatus,
  type TaskType,
  taskStates,
  type UpdateTaskParams,
} from './core/task.ts';

const text = z.string();
const metadata = z.optional(z.looseObject({}));
const id = text.check(z.minLength(1));
const flag = z.optional(z.boolean());
const count = z.number().check(z.refine((n) => Number.isInteger(n) && n >= 0, 'expected a whole number of 0 or more'));
const time = text.check(z.refine((s) => !Number.isNaN(Date.parse(s)), 'expected an ISO 8601 time'));

export const taskStateSchema: z.ZodMiniType<TaskState> = z.enum(taskStates);

export const taskTypeSchema: z.ZodMiniType<TaskType> = z.enum(['incoming', 'outgoing']);

const fileSchema = z
  .looseObject({ name: z.optional(text), mimeType: z.optional(text), bytes: z.optional(text), uri: z.optional(text) })
  .check(z.refine((f) => (f.bytes === undefined) !== (f.uri === undefined), 'expected exactly one of bytes, uri'));

export const partSchema: z.ZodMiniType<Part> = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text'), text, metadata }),
  z.looseObject({ type: z.literal('file'), file: fileSchema, metadata }),
  z.looseObject({ type: z.literal('data'), data: z.unknown().check(z.refine((data) => data !== undefined)), metadata }),
]);

const parts = z.array(partSchema);

export const messageSchema: z.ZodMiniType<Message> = z.looseObject({
  role: z.enum(['user', 'agent']),
  parts,
  metadata,
});

export const artifactSchema: z.ZodMiniType<Artifact> = z.looseObject({
  index: z.optional(count),
  parts,
  name: z.optional(text),
  description: z.optional(text),
  append: flag,
  lastChunk: flag,
  metadata,
});

export const taskStatusSchema: z.ZodMiniType<TaskStatus> = z.looseObject({
  state: taskStateSchema,
  message: z.optional(messageSchema),
  timestamp: z.optional(time),
});

export const taskSchema: z.ZodMiniType<Task> = z.looseObject({
  id,
  sessionId: z.optional(text),
  status: taskStatusSchema,
  history: z.optional(z.array(messageSchema)),
  artifacts: z.optional(z.array(artifactSchema)),
  metadata,
});

export const pushNotificationSchema: z.ZodMiniType<PushNotificationConfig> = z.looseObject({
  url: text,
  token: z.optional(text),
  authentication: z.optional(z.looseObject({ schemes: z.array(text), credentials: z.optional(text) })),
});

export const taskSendParamsSchema: z.ZodMiniType<TaskSendParams> = z.looseObject({
  id,
  sessionId: z.optional(text),
  message: messageSchema,
  acceptedOutputModes: z.optional(z.array(text)),
  pushNotification: z.optional(pushNotificationSchema),
  historyLength: z.optional(count),
  metadata,
});

export const updateTaskParamsSchema: z.ZodMiniType<UpdateTaskParams> = z.looseObject({
  status: z.optional(taskStatusSchema),
  newMessages: z.optional(z.array(messageSchema)),
  metadata,
  artifactsUpdates: z.optional(z.array(artifactSchema)),
  pushNotification: z.optional(pushNotificationSchema),
  callerId: z.optional(id),
  taskType: z.optional(taskTypeSchema),
});

export const storedTaskSchema: z.ZodMiniType<StoredTask> = z.looseObject({
  id,
  callerId: z.optional(id),
  taskType: taskTypeSchema,
  isStreaming: z.boolean(),
  task: taskSchema,
  pushNotification: z.optional(pushNotificationSchema),
  createdAt: time,
  updatedAt: time,
  agentUrl: z.optional(text),
});
