/**
 * The objects of A2A 0.3 and 1.0 in the store's own words and back, as far as these words go; `residue.ts` carries the
 * rest. 1.0 has every field always (empty text, empty list, undefined), the store and 0.3 only those that say something.
 */
import type { ArtifactHead, TaskBody } from '../core/head.ts';
import { copyJson } from '../core/json.ts';
import type { FilePart, Message, Part, TaskState, TaskStatus } from '../core/task.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { type Fields, isObject } from './plain.ts';
import type { Version } from './residue.ts';

/** By their number in 1.0. */
const states = [
  'unknown',
  'submitted',
  'working',
  'completed',
  'failed',
  'canceled',
  'input-required',
  'rejected',
  'auth-required',
] as const satisfies readonly TaskState[];

const none: readonly never[] = Object.freeze([]);
const isText = (value: unknown): value is string => typeof value === 'string';
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);
const isEmpty = (value: string | readonly unknown[]) => value.length === 0;

/** A frozen JSON copy, or undefined for what JSON cannot hold. */
function json(value: unknown): unknown {
  try {
    return copyJson(value);
  } catch {
    return undefined;
  }
}

/** The named fields that the store can hold as they are; those that are empty say nothing in 1.0. */
function keep(from: Fields, version: Version, texts: readonly string[], lists: readonly string[]): Fields {
  const kept: Fields = {};
  const wanted = (value: string | readonly unknown[]) => version === '0.3' || !isEmpty(value);
  for (const name of texts) if (isText(from[name]) && wanted(from[name])) kept[name] = from[name];
  for (const name of lists) if (isTexts(from[name]) && wanted(from[name])) kept[name] = copyJson(from[name]);
  const metadata = isObject(from.metadata) && json(from.metadata);
  if (metadata) kept.metadata = metadata;
  return kept;
}

/** The way back of `keep`. */
function give(from: Readonly<Fields>, version: Version, texts: readonly string[], lists: readonly string[]): Fields {
  const given: Fields = {};
  for (const name of texts) {
    if (isText(from[name])) given[name] = from[name];
    else if (version === '1.0') given[name] = '';
  }
  for (const name of lists) {
    if (isTexts(from[name])) given[name] = from[name];
    else if (version === '1.0') given[name] = none;
  }
  if (from.metadata !== undefined || version === '1.0') given.metadata = from.metadata;
  return given;
}

const partTexts = ['filename', 'mediaType'];

/** What no part of the store can say; the residue says it. */
const unsaid = { type: 'data', data: null } as const;

export function partToStore(part: Fields, version: Version): Part {
  const said = version === '1.0' ? contentToStore(part) : kindToStore(part);
  const isFile = said.type === 'file';
  return { ...said, ...keep(part, version, isFile || version === '0.3' ? [] : partTexts, []) };
}

function contentToStore({ content, filename, mediaType }: Fields): Part {
  const { $case, value } = isObject(content) ? content : ({} as Fields);
  if ($case === 'text' && isText(value)) return { type: 'text', text: value };
  if ($case === 'data') return { type: 'data', data: json(value) ?? null };
  const bytes = $case === 'raw' && value instanceof Uint8Array && encodeBase64(value);
  const uri = $case === 'url' && isText(value) && value;
  if (bytes === false && uri === false) return unsaid;
  const file = {
    ...(isText(filename) && filename && { name: filename }),
    ...(isText(mediaType) && mediaType && { mimeType: mediaType }),
    ...(bytes === false ? { uri: uri as string } : { bytes }),
  };
  return { type: 'file', file: Object.freeze(file) };
}

function kindToStore({ kind, text, file, data }: Fields): Part {
  if (kind === 'text' && isText(text)) return { type: 'text', text };
  if (kind === 'data') return { type: 'data', data: json(data) ?? null };
  const { bytes, uri, name = '', mimeType = '' } = isObject(file) ? file : ({} as Fields);
  // The store's files have exactly one of the two.
  const isFile = [bytes ?? uri, name, mimeType].every(isText) && (bytes === undefined || uri === undefined);
  const copy = kind === 'file' && isFile && json(file);
  return copy ? { type: 'file', file: copy as FilePart['file'] } : unsaid;
}

export function partFromStore(part: Part, version: Version): Fields {
  if (version === '1.0') {
    const { name, mimeType } = part.type === 'file' ? part.file : ({} as Fields);
    const named = part.type === 'file' ? { ...part, filename: name, mediaType: mimeType } : part;
    return { content: Object.freeze(contentFromStore(part)), ...give(named, version, partTexts, []) };
  }
  const metadata = part.metadata && { metadata: part.metadata };
  if (part.type === 'text') return { kind: 'text', text: part.text, ...metadata };
  if (part.type === 'file') return { kind: 'file', file: part.file, ...metadata };
  return { kind: 'data', data: part.data, ...metadata };
}

function contentFromStore(part: Part): object {
  if (part.type === 'text') return { $case: 'text', value: part.text };
  if (part.type === 'data') return { $case: 'data', value: part.data };
  const { bytes, uri } = part.file;
  if (bytes === undefined) return { $case: 'url', value: uri };
  // Bytes cannot be frozen: whoever looks gets a copy of their own.
  return Object.defineProperty({ $case: 'raw' }, 'value', { get: () => decodeBase64(bytes), enumerable: true });
}

const messageTexts = ['contextId', 'taskId'];
const messageLists = ['extensions', 'referenceTaskIds'];

export function messageToStore(message: Fields, parts: readonly Part[], version: Version): Message {
  const { messageId, role } = message;
  const isUser = role === (version === '1.0' ? 1 : 'user');
  return {
    role: isUser ? 'user' : 'agent',
    parts: parts as Part[],
    ...(isText(messageId) && { messageId }),
    ...keep(message, version, messageTexts, messageLists),
  };
}

/** `fallbackId`: for messages that others stored without an id. */
export function messageFromStore(
  message: Message,
  parts: readonly unknown[],
  version: Version,
  fallbackId: string,
): Fields {
  const { role, messageId } = message;
  return {
    ...(version === '0.3' ? { kind: 'message', role } : { role: role === 'user' ? 1 : 2 }),
    messageId: isText(messageId) ? messageId : fallbackId,
    parts,
    ...give(message, version, messageTexts, messageLists),
  };
}

/** A status of the store has a time always; `now` where this one has none that is a time. */
export function statusToStore(
  { state, timestamp }: Fields,
  message: Message | undefined,
  version: Version,
  now: string,
): TaskStatus {
  const named = states.find((known, number) => state === (version === '1.0' ? number : known));
  const isTime = isText(timestamp) && !Number.isNaN(Date.parse(timestamp));
  return { state: named ?? 'unknown', ...(message && { message }), timestamp: isTime ? timestamp : now };
}

export function statusFromStore({ state, timestamp }: TaskStatus, message: unknown, version: Version): Fields {
  if (version === '1.0') return { state: states.indexOf(state), message, timestamp };
  return { state, ...(message !== undefined && { message }), timestamp };
}

const artifactTexts = ['name', 'description'];
const artifactLists = ['extensions'];

export function artifactToStore(artifact: Fields, index: number, version: Version): ArtifactHead['header'] {
  const { artifactId } = artifact;
  return {
    index,
    ...(isText(artifactId) && { artifactId }),
    ...keep(artifact, version, artifactTexts, artifactLists),
  };
}

export function artifactFromStore(header: ArtifactHead['header'], version: Version): Fields {
  const { artifactId, index = 0 } = header;
  return {
    artifactId: isText(artifactId) ? artifactId : `artifact-${index}`,
    ...give(header, version, artifactTexts, artifactLists),
  };
}

export function bodyToStore(task: Fields, status: TaskStatus, version: Version): TaskBody {
  const { contextId } = task;
  return {
    id: task.id as string,
    ...(isText(contextId) && contextId && { sessionId: contextId }),
    status,
    ...keep(task, version, [], []),
  };
}

export function bodyFromStore({ id, sessionId = '', metadata }: TaskBody, version: Version): Fields {
  if (version === '1.0') return { id, contextId: sessionId, metadata };
  return { kind: 'task', id, contextId: sessionId, ...(metadata && { metadata }) };
}
