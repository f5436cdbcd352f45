/**
 * The rules of the store, all of them: what a command makes of a task. Pure and synchronous, so that every backend can
 * call it inside its own transaction; arguments are checked and frozen before they get here, and what is made of them
 * here is frozen too where snapshots share it.
 */
import { TaskStoreError } from './errors.ts';
import type { ArtifactHead, Change, TaskBody, TaskHead, TaskKey } from './head.ts';
import type {
  Artifact,
  Message,
  Part,
  PushNotificationConfig,
  StoredTask,
  Task,
  TaskSendParams,
  TaskStatus,
  UpdateTaskParams,
} from './task.ts';

export type Command =
  /** A user's turn: creates the task or appends the message. */
  | {
      readonly type: 'upsert';
      readonly params: TaskSendParams;
      readonly isStreaming: boolean;
      /** The session of a task that is new. */
      readonly sessionId: string;
    }
  /** What the agent did. */
  | { readonly type: 'update'; readonly params: UpdateTaskParams }
  /** The whole task as given. */
  | { readonly type: 'replace'; readonly task: Task; readonly agentUrl?: string }
  /** The whole stored task as given, times included. */
  | { readonly type: 'restore'; readonly stored: StoredTask }
  /** A new body, and items appended; for adapters that know what they changed. */
  | {
      readonly type: 'extend';
      readonly body: TaskBody;
      readonly messages: readonly Message[];
      readonly artifacts: readonly ArtifactExtension[];
      readonly pushNotification?: PushNotificationConfig;
    }
  /**
   * A note of sync's; no reader of the task sees it, unless it brings news. `pendingSince` undefined: nothing is pending any
   * more.
   */
  | {
      readonly type: 'note';
      readonly sync: Readonly<Record<string, unknown>>;
      readonly pendingSince: number | undefined;
      readonly news?: PulledChange | undefined;
    };

/** What sync brings in from the remote: items after all of ours, or, with `whole`, the tails as they are from now on. */
export interface PulledChange {
  readonly body: TaskBody;
  readonly messages: readonly Message[];
  readonly artifacts: readonly ArtifactExtension[];
  readonly whole: boolean;
}

/** The header an artifact has from now on and the parts it gets; a slot one past the last creates it. */
export interface ArtifactExtension {
  readonly slot: number;
  readonly header: ArtifactHead['header'];
  readonly parts: readonly Part[];
}

interface ReduceContext {
  readonly key: TaskKey;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Where the store is to remember what a remote has not got yet; a task that sync knows is always tracked. */
  readonly tracking: Tracking | undefined;
}

/** Whose the changes are that a store makes. */
export interface Tracking {
  readonly identity: string;
}

/** What `command` makes of the task with this head; `undefined` is a task that does not exist. Throws a `TaskStoreError`. */
export function reduce(head: TaskHead | undefined, command: Command, context: ReduceContext): Change {
  switch (command.type) {
    case 'upsert':
      return head ? followUp(head, command.params, context) : create(command, context);
    case 'update':
      return update(requireFound(head), command.params, context);
    case 'replace':
      return replace(head, command.task, command.agentUrl, context);
    case 'restore':
      return restore(head, command.stored, context);
    case 'extend':
      return extend(head, command, context);
    case 'note':
      return note(requireFound(head), command, context);
  }
}

/** What was found of a task that must be there. */
export function requireFound<T>(found: T | undefined): T {
  if (!found) throw new TaskStoreError('TASK_NOT_FOUND', 'this caller has no such task');
  return found;
}

function create({ params, isStreaming, sessionId }: Command & { type: 'upsert' }, context: ReduceContext): Change {
  const { id, message, metadata, pushNotification } = params;
  const status = withTimestamp({ state: 'submitted', message }, context.now);
  const body: TaskBody = { id, sessionId, status };
  if (metadata) body.metadata = metadata;
  return applyDelta(undefined, { body, isStreaming, messages: [message], pushNotification }, context);
}

function followUp(head: TaskHead, params: TaskSendParams, context: ReduceContext): Change {
  const { message, metadata, pushNotification } = params;
  // Spreads define own keys, so a key named `__proto__` merges like any other.
  const merged = metadata && Object.freeze({ ...head.body.metadata, ...metadata });
  const body = merged ? { ...head.body, metadata: merged } : head.body;
  return applyDelta(head, { body, messages: [message], pushNotification }, context);
}

function update(head: TaskHead, params: UpdateTaskParams, context: ReduceContext): Change {
  const { metadata, pushNotification, newMessages = [], artifactsUpdates } = params;
  const status = params.status && withTimestamp(params.status, context.now);
  const body = status || metadata ? { ...head.body } : head.body;
  if (status) body.status = status;
  if (metadata) body.metadata = metadata;
  const messages = filled(status?.message ? [status.message, ...newMessages] : newMessages);
  const artifacts = artifactsUpdates && extensionsOf(head.artifacts ?? [], artifactsUpdates);
  return applyDelta(head, { body, messages, artifacts, pushNotification }, context);
}

/** What updates by index are to the slots; a slot comes once, whatever the number of its updates. */
function extensionsOf(before: readonly ArtifactHead[], updates: readonly Artifact[]): ArtifactExtension[] {
  const headers = before.map(({ header }) => header);
  const added = new Map<number, Part[]>();
  for (const { parts, index = 0, ...header } of updates) {
    const found = headers.findIndex((known) => known.index === index);
    const slot = found < 0 ? headers.length : found;
    const old = headers[slot];
    if (old?.lastChunk) throw new TaskStoreError('ARTIFACT_CLOSED', `artifactsUpdates: artifact ${index} is closed`);
    headers[slot] = old ? laterHeader(old, header) : { index, ...header };
    added.set(slot, [...(added.get(slot) ?? []), ...parts]);
  }
  return [...added].map(([slot, parts]) => ({ slot, header: headers[slot] as ArtifactHead['header'], parts }));
}

/** A later chunk's fields win where given, but for two: `append` says how the artifact began, `lastChunk` how this chunk ends it. */
function laterHeader(old: ArtifactHead['header'], later: ArtifactHead['header']): ArtifactHead['header'] {
  const { lastChunk: _, ...kept } = old;
  const { append: __, ...given } = later;
  return { ...kept, ...given };
}

function replace(head: TaskHead | undefined, task: Task, agentUrl: string | undefined, context: ReduceContext): Change {
  const { history, artifacts, ...body } = task;
  const whole: Delta = {
    body: { ...body, status: withTimestamp(body.status, context.now) },
    messages: history,
    artifacts: artifacts?.map(({ parts, ...header }, slot) => ({
      slot,
      header: { ...header, index: header.index ?? 0 },
      parts,
    })),
    agentUrl,
  };
  if (!head) return applyDelta(head, whole, context);
  const { revision, sync } = head;
  // What sync has counted is gone, and what it has sent is not to be taken for what stands here now; outgoing tasks go whole.
  const isCounted = sync && context.key.taskType === 'incoming';
  const noted = isCounted ? { ...sync, replacedAt: revision } : sync;
  return {
    ...applyDelta({ ...head, messageCount: undefined, artifacts: undefined, sync: noted }, whole, context),
    reset: true,
  };
}

function restore(head: TaskHead | undefined, stored: StoredTask, context: ReduceContext): Change {
  const { agentUrl, pushNotification, isStreaming } = stored;
  const written = replace(undefined, stored.task, agentUrl, context);
  const restored: TaskHead = {
    ...written.head,
    revision: (head?.revision ?? 0) + 1,
    isStreaming,
    createdAt: isoTime(Date.parse(stored.createdAt)),
    updatedAt: isoTime(Date.parse(stored.updatedAt)),
    pushNotification,
    // What the remote holds of it, if anything, is not known any more.
    sync: context.tracking && { ...context.tracking, unsure: true },
  };
  return { ...written, head: restored, reset: head !== undefined };
}

function extend(
  head: TaskHead | undefined,
  { body, messages, artifacts, pushNotification }: Omit<Command & { type: 'extend' }, 'type'>,
  context: ReduceContext,
): Change {
  return applyDelta(
    head,
    { body, messages: filled(messages), artifacts: filled(artifacts), pushNotification },
    context,
  );
}

function note(
  head: TaskHead,
  { sync, pendingSince, news }: Command & { type: 'note' },
  context: ReduceContext,
): Change {
  const change = news
    ? extend(news.whole ? emptied(head) : head, news, context)
    : { head, messages: none, parts: none };
  const next = { ...change.head, revision: head.revision + 1, sync, pendingSince };
  return { ...change, head: next, reset: !!news?.whole, quiet: !news };
}

function emptied(head: TaskHead): TaskHead {
  return { ...head, messageCount: head.messageCount && 0, artifacts: head.artifacts && [] };
}

/** What every change of a task comes down to: a body, items to append, and fields to set where given. */
interface Delta {
  readonly body: TaskBody;
  /** Absent: the task has no history if it had none. */
  readonly messages?: readonly Message[] | undefined;
  /** As `messages`. */
  readonly artifacts?: readonly ArtifactExtension[] | undefined;
  readonly pushNotification?: PushNotificationConfig | undefined;
  readonly agentUrl?: string | undefined;
  readonly isStreaming?: boolean;
}

/** On the way of every streamed chunk, so heads are put together field by field: spreads on conditions cost several times that. */
function applyDelta(head: TaskHead | undefined, change: Delta, { key, now, tracking }: ReduceContext): Change {
  const { body, messages = none, artifacts: extensions, pushNotification, agentUrl, isStreaming = false } = change;
  const time = isoTime(now);
  const next: { -readonly [K in keyof TaskHead]: TaskHead[K] } = head
    ? { ...head }
    : { key, revision: 0, body, isStreaming, createdAt: time, updatedAt: time };
  next.body = body;
  next.revision++;
  // A clock that was set back must not reorder what was already listed.
  if (time > next.updatedAt) next.updatedAt = time;
  if (change.messages) next.messageCount = (next.messageCount ?? 0) + messages.length;
  if (extensions) next.artifacts = extendArtifacts(next.artifacts, extensions);
  if (pushNotification) next.pushNotification = pushNotification;
  if (agentUrl !== undefined) next.agentUrl = agentUrl;
  if (next.pendingSince === undefined && (tracking || next.sync)) {
    next.pendingSince = now;
    // A task that was here before sync, or belonged to another identity, is compared with the remote first.
    if (tracking && next.sync?.identity !== tracking.identity) next.sync = { ...tracking, unsure: head && true };
  }
  return { head: next, messages, parts: extensions ?? none, reset: false, quiet: false };
}

const none: readonly never[] = [];

function extendArtifacts(before: readonly ArtifactHead[] = none, extensions: readonly ArtifactExtension[]) {
  const artifacts = before.slice();
  for (const { slot, header, parts } of extensions) {
    artifacts[slot] = { header, partCount: (artifacts[slot]?.partCount ?? 0) + parts.length };
  }
  return artifacts;
}

/** Undefined for an empty list, which adds nothing and so creates no history or artifacts. */
function filled<T>(items: readonly T[]): readonly T[] | undefined {
  return items.length > 0 ? items : undefined;
}

function withTimestamp(status: TaskStatus, now: number): TaskStatus {
  return status.timestamp === undefined ? Object.freeze({ ...status, timestamp: isoTime(now) }) : status;
}

let lastMs: number | undefined;
let lastIso = '';

/** ISO 8601 with milliseconds. Remembers the last answer: within one millisecond many changes ask for the same. */
export function isoTime(ms: number): string {
  if (ms !== lastMs) {
    lastIso = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastIso;
}
