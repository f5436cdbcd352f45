/** What a journal says: the fields of a head that a change touched, and the items it added. Never a whole task for an append. */
import type { ArtifactHead, Change, SlotParts, TaskBody, TaskHead, TaskKey } from '../../core/head.ts';
import { isoTime } from '../../core/reduce.ts';
import type { Message, Part } from '../../core/task.ts';

export type JournalRecord =
  | JournalHeader
  | { readonly meta: string; readonly value?: unknown }
  | TaskRemoval
  | WholeTask
  | TaskDelta;

export interface JournalHeader {
  readonly journal: 1;
  readonly generation: number;
  /** The opening of the store that began it, in a word that no other has. */
  readonly writer?: string | undefined;
  /** The one that wrote the file that it goes on from; absent where there was none that said so. */
  readonly of?: string | undefined;
}

/** Which task a record is of: its number in this journal, and where the number is new the encoded key that it stands for. */
export interface TaskRef {
  readonly key?: string;
  readonly task: number;
}

interface TaskRemoval extends TaskRef {
  readonly removed: true;
}

/** A task that is new, or begins anew. */
interface WholeTask extends TaskRef {
  readonly head: Omit<TaskHead, 'key' | 'messageCount' | 'artifacts'>;
  /** Absent where the task has none, which is not the same as an empty one. */
  readonly history?: readonly Message[];
  readonly artifacts?: readonly { readonly header: ArtifactHead['header']; readonly parts: readonly Part[] }[];
}

/** Counts are not written: they follow from what is appended to what. */
interface TaskDelta extends TaskRef {
  /** Absent where it is one more than before. */
  readonly revision?: number;
  /** `updatedAt`, in milliseconds since 1970; absent where it is as before. */
  readonly at?: number;
  /** Other fields of the head that changed; null where a field is gone. */
  readonly set?: Record<string, unknown>;
  /** Fields of the body that changed, and the names of those that are gone. */
  readonly body?: Record<string, unknown>;
  readonly gone?: readonly string[];
  /** By slot: headers that are new or changed. */
  readonly headers?: readonly (readonly [slot: number, header: ArtifactHead['header']])[];
  readonly messages?: readonly Message[];
  readonly parts?: readonly (readonly [slot: number, parts: readonly Part[]])[];
}

const settable = ['createdAt', 'isStreaming', 'pushNotification', 'agentUrl', 'pendingSince', 'sync'] as const;

export function toRecord(ref: TaskRef, before: TaskHead | undefined, decision: Change | 'remove'): JournalRecord {
  if (decision === 'remove') return { ...ref, removed: true };
  return before && !decision.reset ? toDelta(ref, before, decision) : toWhole(ref, decision);
}

function toWhole(ref: TaskRef, { head, messages, parts }: Change): WholeTask {
  const { key: _, messageCount, artifacts, ...rest } = head;
  return {
    ...ref,
    head: rest,
    ...(messageCount !== undefined && { history: messages }),
    ...(artifacts && {
      artifacts: artifacts.map(({ header }, slot) => ({
        header,
        parts: parts.find((added) => added.slot === slot)?.parts ?? [],
      })),
    }),
  };
}

/** The reducer shares what it leaves alone, so identity tells what changed. */
function toDelta(ref: TaskRef, before: TaskHead, { head, messages, parts }: Change): TaskDelta {
  const delta: { -readonly [K in keyof TaskDelta]: TaskDelta[K] } = ref;
  if (head.revision !== before.revision + 1) delta.revision = head.revision;
  if (head.updatedAt !== before.updatedAt) delta.at = Date.parse(head.updatedAt);
  for (const field of settable) if (head[field] !== before[field]) (delta.set ??= {})[field] = head[field] ?? null;
  if (head.body !== before.body) compareBodies(delta, before.body, head.body);
  if (head.artifacts !== before.artifacts) {
    const headers = changedHeaders(before.artifacts, head.artifacts ?? []);
    if (headers.length > 0 || !before.artifacts) delta.headers = headers;
  }
  if (messages.length > 0) delta.messages = messages;
  if (parts.length > 0) delta.parts = parts.map(({ slot, parts }) => [slot, parts] as const);
  return delta;
}

function compareBodies(
  delta: { body?: Record<string, unknown>; gone?: readonly string[] },
  before: TaskBody,
  after: TaskBody,
) {
  const changed = Object.entries(after).filter(
    ([name, value]) => !Object.hasOwn(before, name) || before[name] !== value,
  );
  const gone = Object.keys(before).filter((name) => !Object.hasOwn(after, name));
  if (changed.length > 0) delta.body = Object.fromEntries(changed);
  if (gone.length > 0) delta.gone = gone;
}

function changedHeaders(before: readonly ArtifactHead[] = [], after: readonly ArtifactHead[]) {
  const changed: [number, ArtifactHead['header']][] = [];
  after.forEach(({ header }, slot) => {
    const old = before[slot]?.header;
    if (!old || !sameFields(old, header)) changed.push([slot, header]);
  });
  return changed;
}

function sameFields(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && a[name] === b[name]);
}

/** The change that `toRecord` wrote down; undefined where it needs a task that is not there. */
export function toChange(
  record: WholeTask | TaskDelta,
  key: TaskKey,
  before: TaskHead | undefined,
): Change | undefined {
  if ('head' in record) return fromWhole(record, key, before !== undefined);
  return before && fromDelta(record, before);
}

function fromWhole({ head, history, artifacts }: WholeTask, key: TaskKey, reset: boolean): Change {
  return {
    head: {
      key,
      ...head,
      ...(history && { messageCount: history.length }),
      ...(artifacts && { artifacts: artifacts.map(({ header, parts }) => ({ header, partCount: parts.length })) }),
    },
    messages: history ?? [],
    parts: (artifacts ?? []).map(({ parts }, slot) => ({ slot, parts })),
    reset,
    quiet: false,
  };
}

function fromDelta(record: TaskDelta, before: TaskHead): Change {
  const { revision = before.revision + 1, at, set = {}, messages = [] } = record;
  const parts = (record.parts ?? []).map(([slot, parts]) => ({ slot, parts }));
  const updatedAt = at === undefined ? before.updatedAt : isoTime(at);
  const head: { -readonly [K in keyof TaskHead]: TaskHead[K] } = { ...before, revision, updatedAt };
  for (const [name, value] of Object.entries(set)) {
    if (value === null) delete head[name as 'sync'];
    else (head as Record<string, unknown>)[name] = value;
  }
  if (record.body || record.gone) {
    const body = { ...before.body, ...record.body };
    for (const name of record.gone ?? []) delete body[name];
    head.body = Object.freeze(body);
  }
  if (messages.length > 0) head.messageCount = (before.messageCount ?? 0) + messages.length;
  if (record.headers || parts.length > 0) head.artifacts = extendArtifacts(before.artifacts, record.headers, parts);
  return { head, messages, parts, reset: false, quiet: false };
}

function extendArtifacts(
  before: readonly ArtifactHead[] = [],
  headers: TaskDelta['headers'] = [],
  parts: readonly SlotParts[],
): ArtifactHead[] {
  const artifacts = [...before];
  for (const [slot, header] of headers) artifacts[slot] = { header, partCount: artifacts[slot]?.partCount ?? 0 };
  for (const { slot, parts: added } of parts) {
    const { header, partCount } = artifacts[slot] as ArtifactHead;
    artifacts[slot] = { header, partCount: partCount + added.length };
  }
  return artifacts;
}

/** The reverse of `encodeKey`. */
export function decodeKey(name: string): TaskKey {
  const colon = name.indexOf(':');
  const taskType = name[0] === 'i' ? 'incoming' : 'outgoing';
  if (colon === 1) return { callerId: undefined, taskType, taskId: name.slice(2) };
  const split = colon + 1 + Number(name.slice(1, colon));
  return { callerId: name.slice(colon + 1, split), taskType, taskId: name.slice(split) };
}
