/**
 * Messages, parts, artifacts and statuses on Elkar's wire. Going out, both spellings are written, what Elkar would drop
 * goes into the item's tag, and states it does not know are sent as ones it does. Coming in, either spelling is read,
 * nulls count as absent, and the tag is taken off and what it carried put back.
 *
 * Decoding never throws: what has the wrong shape comes out as it came in, for the checks of the core to name.
 */
import type { Artifact, Message, Part, TaskState, TaskStatus } from '../core/task.ts';

export type Json = { [key: string]: unknown };

/** The reserved key in `metadata`; on the wire only. */
const TAG = 'holdfast';

/** What one reserved key carries: who made the item, and what Elkar would drop of it. */
export interface Tag {
  /** The id of the change that made the item; unique for each item. */
  readonly op?: string | undefined;
  /** Fields that Elkar's model has no place for. */
  readonly keys?: Json | undefined;
  /** The same of a file part's `file`. */
  readonly file?: Json | undefined;
  /** The state, where Elkar knows it not. */
  readonly state?: string | undefined;
  /** On the first part of a later chunk: what it changes in the artifact's header, which Elkar ignores. */
  readonly header?: Json | undefined;
  /** On a message: what the request changes in the task that Elkar ignores. */
  readonly task?: TaskTag | undefined;
  /** The user's own value under the reserved key. */
  readonly own?: unknown;
  /** The item's metadata was there and empty. */
  readonly empty?: true | undefined;
}

/** What Elkar drops of a task. */
export interface TaskTag {
  readonly metadata?: Json | undefined;
  /** Of the status `submitted` that the task was created with. */
  readonly timestamp?: string | undefined;
  readonly isStreaming?: boolean | undefined;
  readonly agentUrl?: string | undefined;
  /** The task has no `sessionId`; Elkar insists on one. */
  readonly noSession?: true | undefined;
  /** The state and the keys of its status, where Elkar knows them not. */
  readonly status?: Pick<Tag, 'state' | 'keys'> | undefined;
  readonly keys?: Json | undefined;
}

/** A core item and the id of the change that made it. */
export interface Tagged<T> {
  readonly item: T;
  readonly op?: string | undefined;
}

export const taskKeys: ReadonlySet<string> = new Set(['id', 'sessionId', 'status', 'history', 'artifacts', 'metadata']);
const messageKeys = new Set(['role', 'parts', 'metadata']);
const partKeys = new Set(['type', 'text', 'file', 'data', 'metadata']);
const fileKeys = new Set(['name', 'mimeType', 'bytes', 'uri']);
const artifactKeys = new Set(['index', 'parts', 'name', 'description', 'append', 'lastChunk', 'metadata']);
const statusKeys = new Set(['state', 'message', 'timestamp', 'metadata']);

/** States that Elkar refuses, and what is sent in their place. */
export const sentAs: { readonly [state: string]: TaskState } = {
  rejected: 'failed',
  'auth-required': 'input-required',
};

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// Going out.

export function encodeMessage(message: Message, tag: Tag = {}): Json {
  const { known, keys } = split(message, messageKeys);
  return withTag({ ...known, parts: message.parts.map((part) => encodePart(part)) }, { keys, ...tag });
}

export function encodePart(part: Part, tag: Tag = {}): Json {
  const { known, keys } = split(part, partKeys);
  if (part.type !== 'file') return withTag(known, { keys, ...tag });
  const file = split(part.file, fileKeys);
  return withTag({ ...known, file: bothSpellings(file.known, fileSpellings) }, { keys, file: file.keys, ...tag });
}

/**
 * One chunk of an artifact. `ops`: the op of each of its parts. `isLater`: Elkar has the artifact and will take nothing
 * but the parts, so the header's other fields ride on the first of them.
 */
export function encodeArtifact(
  artifact: Artifact,
  tag: Tag & { ops?: readonly string[] | undefined; isLater?: boolean | undefined } = {},
): Json {
  const { ops, isLater, ...own } = tag;
  const { known, keys } = split(artifact, artifactKeys);
  const { parts: _, append: __, index = 0, ...header } = artifact;
  const later = isLater && Object.keys(header).length > 0 ? header : undefined;
  const parts = artifact.parts.map((part, i) =>
    encodePart(part, { op: ops?.[i], ...(i === 0 && later && { header: later }) }),
  );
  return withTag({ ...bothSpellings(known, artifactSpellings), index, parts }, { keys, ...own });
}

/** The tag stands in the status, where our endpoint keeps it, and in its message, where Elkar does. */
export function encodeStatus(status: TaskStatus, tag: Tag = {}): Json {
  const { known, keys } = split(status, statusKeys);
  const replacement = sentAs[status.state];
  const lost = { keys, ...(replacement && { state: status.state }) };
  const message = status.message && encodeMessage(status.message, withStatus(tag, lost));
  return withTag({ ...known, state: replacement ?? status.state, ...(message && { message }) }, lost);
}

function withStatus(tag: Tag, lost: Pick<Tag, 'state' | 'keys'>): Tag {
  return lost.state !== undefined || lost.keys ? { ...tag, task: { ...tag.task, status: lost } } : tag;
}

/** The fields of `item` that Elkar knows, and the others, if any. */
export function split(item: Json, names: ReadonlySet<string>): { known: Json; keys: Json | undefined } {
  const known: Json = {};
  let keys: Json | undefined;
  for (const [name, value] of Object.entries(item)) {
    if (value === undefined) continue;
    if (names.has(name)) known[name] = value;
    else keys = { ...keys, [name]: value };
  }
  return { known, keys };
}

/** `item` with the tag in its metadata; as it is where there is nothing to say. */
export function withTag(item: Json, tag: Tag): Json {
  const metadata = item.metadata as Json | undefined;
  const own = metadata && Object.hasOwn(metadata, TAG) ? { own: metadata[TAG] } : undefined;
  const said = Object.entries({ ...tag, ...own }).filter(([, value]) => value !== undefined);
  if (said.length === 0) return item;
  if (metadata && Object.keys(metadata).length === 0) said.push(['empty', true]);
  return { ...item, metadata: { ...metadata, [TAG]: Object.fromEntries(said) } };
}

// Coming in.

export function decodeMessage(wire: unknown): { item: Message; tag: Tag } {
  const { item, tag } = takeTag(wire);
  if (isObject(item) && Array.isArray(item.parts)) item.parts = item.parts.map((part) => decodePart(part).item);
  return { item: restore(item, tag.keys) as Message, tag };
}

export function decodePart(wire: unknown): { item: Part; tag: Tag } {
  const { item, tag } = takeTag(wire);
  if (isObject(item) && isObject(item.file)) {
    item.file = restore(dropNulls(oneSpelling(item.file, fileSpellings), fileKeys), tag.file);
  }
  return { item: restore(item, tag.keys) as Part, tag };
}

/** An artifact without its parts' tags; `parts` has them with their tags. */
export function decodeArtifact(wire: unknown): { item: Artifact; tag: Tag; parts: { item: Part; tag: Tag }[] } {
  const { item: raw, tag } = takeTag(wire);
  if (!isObject(raw)) return { item: raw as never, tag, parts: [] };
  const item = dropNulls(oneSpelling(raw, artifactSpellings), artifactKeys);
  const parts = Array.isArray(item.parts) ? item.parts.map(decodePart) : [];
  if (Array.isArray(item.parts)) item.parts = parts.map((part) => part.item);
  return { item: restore(item, tag.keys) as Artifact, tag, parts };
}

export function decodeStatus(wire: unknown): { item: TaskStatus; tag: Tag } {
  const { item: raw, tag } = takeTag(wire);
  if (!isObject(raw)) return { item: raw as never, tag: {} };
  const item = dropNulls(raw, statusKeys);
  let message: Tag = {};
  if (item.message !== undefined) {
    const decoded = decodeMessage(item.message);
    item.message = decoded.item;
    message = decoded.tag;
  }
  const lost = tag.state !== undefined || tag.keys ? tag : message.task?.status;
  // Whoever changed the state since knew nothing of the tag.
  if (lost?.state !== undefined && sentAs[lost.state] === item.state) item.state = lost.state;
  if (typeof item.timestamp === 'string') item.timestamp = toUtc(item.timestamp);
  return { item: restore(item, lost?.keys) as TaskStatus, tag: message };
}

/** A copy of `wire` without the tag, its `metadata` as it was before, and the tag. */
export function takeTag(wire: unknown): { item: unknown; tag: Tag } {
  if (!isObject(wire)) return { item: wire, tag: {} };
  const item = { ...wire };
  const { metadata } = item;
  if (metadata === null) delete item.metadata;
  if (!isObject(metadata) || !isObject(metadata[TAG])) return { item, tag: {} };
  const { [TAG]: tag, ...kept } = metadata as Json & { [TAG]: Tag };
  if ('own' in tag) kept[TAG] = tag.own;
  if (Object.keys(kept).length > 0 || tag.empty) item.metadata = kept;
  else delete item.metadata;
  return { item, tag };
}

function restore(item: unknown, keys: unknown): unknown {
  return isObject(item) && isObject(keys) ? { ...item, ...keys } : item;
}

/** Without those of the named fields that are null: Rust and Python write null for what is not there. */
export function dropNulls(item: Json, names: ReadonlySet<string>): Json {
  const kept = { ...item };
  for (const name of names) if (kept[name] === null && name !== 'data') delete kept[name];
  return kept;
}

/** Python writes times without a zone, meaning its own, which is taken to be ours. */
function toUtc(time: string): string {
  const isNaive = /^\d{4}-\d\d-\d\d[T ][\d:.]+$/.test(time);
  const ms = Date.parse(isNaive ? time.replace(' ', 'T') : time);
  return isNaive && !Number.isNaN(ms) ? new Date(ms).toISOString() : time;
}

// Spelling.

type Spellings = readonly (readonly [camelCase: string, snakeCase: string])[];

export const fileSpellings: Spellings = [['mimeType', 'mime_type']];
export const artifactSpellings: Spellings = [['lastChunk', 'last_chunk']];
export const sendSpellings: Spellings = [
  ['acceptedOutputModes', 'accepted_output_modes'],
  ['pushNotification', 'push_notification'],
  ['historyLength', 'history_length'],
];

export function bothSpellings(item: Json, spellings: Spellings): Json {
  const written = { ...item };
  for (const [camelCase, snakeCase] of spellings)
    if (item[camelCase] !== undefined) written[snakeCase] = item[camelCase];
  return written;
}

export function oneSpelling(item: Json, spellings: Spellings): Json {
  const read = { ...item };
  for (const [camelCase, snakeCase] of spellings) {
    read[camelCase] ??= read[snakeCase];
    if (read[camelCase] === undefined) delete read[camelCase];
    delete read[snakeCase];
  }
  return read;
}
