/**
 * The objects of A2A 0.3 and 1.0 in the store's own words and back, as far as these words go; `residue.ts` carries the
 * rest. Where the store has no word of its own, a field passes as it is. 1.0 has every field always (empty text, empty
 * list, undefined), the store and 0.3 only those that say something.
 */
import type { ArtifactHead, TaskBody } from '../core/head.ts';
import { isObject } from '../core/json.ts';
import type { FilePart, Message, Part, TaskState, TaskStatus } from '../core/task.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { type Fields, isPlain, isSame } from './plain.ts';
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

const metadata = undefined;

/** Stand for lists and a status that are kept elsewhere, so that a field says whether there is one. */
export const emptyList: readonly never[] = Object.freeze([]);
export const someStatus: Readonly<Fields> = Object.freeze({});

/** What 1.0 has where the store has nothing. */
const emptyPart = { metadata, filename: '', mediaType: '' };
const emptyFile = { name: '', mimeType: '' };
const emptyMessage = { metadata, contextId: '', taskId: '', extensions: emptyList, referenceTaskIds: emptyList };
const emptyArtifact = { metadata, name: '', description: '', extensions: emptyList };
const emptyTask = { metadata };

/** Fields of either side that do not pass. */
const reservedKeys = [
  ...['a2a', 'kind', 'type', 'content', 'text', 'file', 'data', 'role', 'parts', 'index', 'append', 'lastChunk'],
  ...['id', 'sessionId', 'status', 'history', 'artifacts'],
];
const reservedKeysOfFile = [...reservedKeys, 'filename', 'mediaType'];
const reservedKeysOfPart03 = ['a2a', 'kind', 'type'];

const isText = (value: unknown): value is string => typeof value === 'string';

/** The fields that pass to the store; not those that it would refuse, and not those that are empty in 1.0. */
function passThroughToStore(fields: Fields, version: Version, empty: Readonly<Fields>, held = reservedKeys): Fields {
  const passes = ([key, value]: [string, unknown]) =>
    !held.includes(key) &&
    (key === 'metadata' ? isObject(value) : isText(value) || !/^(name|description|mimeType)$/.test(key)) &&
    !(version === '1.0' && isSame(value, empty[key])) &&
    isPlain(value);
  return Object.fromEntries(Object.entries(fields).filter(passes));
}

/** The way back. */
function passThroughFromStore(
  stored: Readonly<Fields>,
  version: Version,
  empty: Readonly<Fields>,
  held = reservedKeys,
): Fields {
  return { ...(version === '1.0' && empty), ...without(stored, held) };
}

function without(from: object, keys: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(from).filter(([key]) => !keys.includes(key)));
}

/** What no part of the store can say; the residue says it. */
const unmappablePart = { type: 'data', data: null } as const;

export function partToStore(part: Fields, version: Version): Part {
  if (version === '0.3') {
    const said = { type: part.kind, ...passThroughToStore(part, version, {}, reservedKeysOfPart03) };
    return isPart(said) ? said : unmappablePart;
  }
  const said = contentToStore(part);
  return {
    ...said,
    ...passThroughToStore(part, version, emptyPart, said.type === 'file' ? reservedKeysOfFile : reservedKeys),
  };
}

/** A part of 0.3 is one of the store's but for one name, if it is well-formed. */
function isPart(part: Fields): part is Part {
  const { type, text, data, file } = part;
  if (type !== 'file') return type === 'text' ? isText(text) : type === 'data' && data !== undefined;
  const { bytes, uri, name = '', mimeType = '' } = isObject(file) ? file : ({} as Fields);
  return [bytes ?? uri, name, mimeType].every(isText) && (bytes === undefined || uri === undefined);
}

function contentToStore({ content, filename, mediaType }: Fields): Part {
  const { $case, value } = isObject(content) ? content : ({} as Fields);
  if ($case === 'text' && isText(value)) return { type: 'text', text: value };
  if ($case === 'data') return { type: 'data', data: isPlain(value) ? value : null };
  const isUrl = $case === 'url' && isText(value);
  if (!isUrl && !($case === 'raw' && value instanceof Uint8Array)) return unmappablePart;
  const file: FilePart['file'] = {
    ...passThroughToStore({ name: filename, mimeType: mediaType }, '1.0', emptyFile),
    ...(isUrl ? { uri: value } : { bytes: encodeBase64(value as Uint8Array) }),
  };
  return { type: 'file', file };
}

export function partFromStore(part: Part, version: Version): Fields {
  const { type } = part;
  if (version === '0.3') return { kind: type, ...passThroughFromStore(part, version, {}, reservedKeysOfPart03) };
  const given = passThroughFromStore(part, version, emptyPart);
  if (type !== 'file') return { content: contentOf(type, part[type]), ...given };
  const { name = '', mimeType = '', bytes, uri } = part.file;
  const content = bytes === undefined ? contentOf('url', uri) : rawContent(bytes);
  return { content, ...given, filename: name, mediaType: mimeType };
}

function contentOf($case: string, value: unknown): object {
  return Object.freeze({ $case, value });
}

/** Bytes cannot be frozen: whoever looks gets a copy of their own. */
function rawContent(bytes: string): object {
  const get = () => decodeBase64(bytes);
  return Object.freeze(Object.defineProperty({ $case: 'raw' }, 'value', { get, enumerable: true }));
}

export function messageToStore(message: Fields, parts: readonly Part[], version: Version): Message {
  const isUser = message.role === (version === '1.0' ? 1 : 'user');
  return {
    role: isUser ? 'user' : 'agent',
    parts: parts as Part[],
    ...passThroughToStore(message, version, emptyMessage),
  };
}

/** `fallbackId`: for messages that others stored without an id. */
export function messageFromStore(
  message: Message,
  parts: readonly unknown[],
  version: Version,
  fallbackId: string,
): Fields {
  const { role } = message;
  const said = version === '0.3' ? { kind: 'message', role } : { role: role === 'user' ? 1 : 2 };
  return { ...said, messageId: fallbackId, parts, ...passThroughFromStore(message, version, emptyMessage) };
}

/** A status of the store has a time always; `now` where this one has none that is a time. */
export function statusToStore(
  { state, timestamp }: Fields,
  message: Message | undefined,
  version: Version,
  now: string,
): TaskStatus {
  const named = states.find((known, number) => state === (version === '1.0' ? number : known)) ?? 'unknown';
  const isTime = isText(timestamp) && !Number.isNaN(Date.parse(timestamp));
  return { state: named, ...(message && { message }), timestamp: isTime ? timestamp : now };
}

export function statusFromStore({ state, timestamp }: TaskStatus, message: unknown, version: Version): Fields {
  if (version === '1.0') return { state: states.indexOf(state), message, timestamp };
  return { state, ...(message !== undefined && { message }), timestamp };
}

export function artifactToStore(artifact: Fields, index: number, version: Version): ArtifactHead['header'] {
  return { index, ...passThroughToStore(artifact, version, emptyArtifact) };
}

export function artifactFromStore(header: ArtifactHead['header'], version: Version): Fields {
  const artifactId = `artifact-${header.index ?? 0}`;
  return { artifactId, parts: emptyList, ...passThroughFromStore(header, version, emptyArtifact) };
}

export function bodyToStore(task: Fields, status: TaskStatus, version: Version): TaskBody {
  const { id, contextId } = task;
  const session = isText(contextId) && contextId && { sessionId: contextId };
  return { id: id as string, ...session, status, ...passThroughToStore(task, version, emptyTask) };
}

/** A task that others wrote has no lists where it has nothing in them; 1.0 has empty ones. */
export function bodyFromStore(body: TaskBody, version: Version): Fields {
  const { id, sessionId = '' } = body;
  const said = version === '0.3' ? { kind: 'task' } : { history: emptyList, artifacts: emptyList };
  return { ...said, id, contextId: sessionId, status: someStatus, ...passThroughFromStore(body, version, emptyTask) };
}
