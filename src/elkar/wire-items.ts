/**
 * Messages, parts, artifacts, statuses and tasks on Elkar's wire, all by one table. Going out, both spellings are written,
 * what Elkar would drop goes into the item's tag, and states it does not know are sent as ones it does. Coming in, either
 * spelling is read, nulls count as absent, and the tag is taken off and what it carried put back.
 *
 * Decoding never throws: what has the wrong shape comes out as it came in, for the checks of the core to name.
 */
import { isObject, type Json } from '../core/json.ts';
import type { Artifact, TaskState } from '../core/task.ts';

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
  readonly noSession?: boolean | undefined;
  /** The state and the keys of its status, where Elkar knows them not. */
  readonly status?: Pick<Tag, 'state' | 'keys'> | undefined;
  readonly keys?: Json | undefined;
}

const message = ['role', 'parts', 'metadata'];

/** What Elkar's models know, by the field that they stand in; other fields it drops. */
const models = {
  task: ['id', 'sessionId', 'status', 'history', 'artifacts', 'metadata'],
  status: ['state', 'message', 'timestamp', 'metadata'],
  message,
  history: message,
  artifacts: ['index', 'parts', 'name', 'description', 'append', 'lastChunk', 'metadata'],
  parts: ['type', 'text', 'file', 'data', 'metadata'],
  file: ['name', 'mimeType', 'bytes', 'uri'],
};

export type Model = keyof typeof models;

/** States that Elkar refuses, and what is sent in their place. */
export const wireStates: { readonly [state: string]: TaskState } = {
  rejected: 'failed',
  'auth-required': 'input-required',
};

export function isKnown(model: Model, name: string): boolean {
  return models[model].includes(name);
}

// Going out.

/** What the items of a request are to carry; by the items themselves. */
export type Tags = Map<unknown, Tag>;

/** What stands in a field of this name: an item, or a list of them. The tags are for one request; some are added to. */
export function encode(model: Model, value: unknown, tags: Tags = new Map()): unknown {
  if (Array.isArray(value)) return value.map((item) => encode(model, item, tags));
  if (!isObject(value)) return value;
  const { known, keys } = splitKnown(model, value);
  const { file, state, message } = known;
  const lost: Tag = {
    keys,
    file: file ? splitKnown('file', file as Json).keys : undefined,
    state: wireStates[state as string] && (state as string),
  };
  if (lost.state) known.state = wireStates[lost.state];
  // What is lost of a status stands in it, where our endpoint keeps it, and in its message, where Elkar does.
  const tag = tags.get(message);
  if (keys || lost.state) tags.set(message, { ...tag, task: { ...tag?.task, status: lost } });
  for (const name in known) if (Object.hasOwn(models, name)) known[name] = encode(name as Model, known[name], tags);
  return model === 'file' ? known : withTag(known, { ...lost, ...tags.get(value) });
}

/** Of a chunk that follows others Elkar takes the parts alone, so what else it says rides on the first of them. */
export function tagLater(tags: Tags, { parts, append: _, index: __, ...header }: Artifact): void {
  tags.set(parts[0], { ...tags.get(parts[0]), header });
}

/** The fields of `item` that Elkar knows, in both spellings, and the others, if any. */
export function splitKnown(model: Model, item: Json): { known: Json; keys: Json | undefined } {
  const known: Json = {};
  let keys: Json | undefined;
  for (const [name, value] of Object.entries(item)) {
    if (value === undefined) continue;
    if (!isKnown(model, name)) keys = { ...keys, [name]: value };
    // All that end in Id are spelled one way.
    else known[name] = known[name.replace(/[A-Z](?!d$)/g, (letter) => `_${letter.toLowerCase()}`)] = value;
  }
  return { known, keys };
}

/** `item` with the tag in its metadata; as it is where there is nothing to say. */
export function withTag(item: Json, tag: Tag): Json {
  const metadata = item.metadata as Json | undefined;
  const own = metadata && Object.hasOwn(metadata, TAG) ? { own: metadata[TAG] } : undefined;
  const said = { ...tag, ...own };
  if (Object.values(said).every((value) => value === undefined)) return item;
  const empty = metadata && Object.keys(metadata).length === 0 ? true : undefined;
  return { ...item, metadata: { ...metadata, [TAG]: { ...said, empty } } };
}

// Coming in.

/** Of what was decoded: an item looks as if it had never been on the wire. */
const tags = new WeakMap<object, Tag>();

/** The tag that a decoded item came with. */
export function tagOf(item: unknown): Tag {
  return tags.get(item as object) ?? {};
}

/**
 * A request that arrives after it was given up, and repeated, doubles its items; the first of each op counts. What is not the
 * same was made of another item, metadata and all, by somebody who knows nothing of ops: it has none.
 */
function withoutDoubles(items: unknown[]): unknown[] {
  const seen = new Map<string, unknown>();
  return items.filter((item) => {
    const { op } = tagOf(item);
    if (op === undefined) return true;
    const twin = seen.get(op);
    if (!twin) return seen.set(op, item);
    return JSON.stringify(twin) !== JSON.stringify(item) && tags.delete(item as object);
  });
}

/** `first` with the fields that the tags of the items tell of, the later winning; spread, so that no key is special. */
export function applyTags<T extends object>(first: T, items: readonly unknown[], name: 'task' | 'header'): T {
  let sum = first;
  for (const item of items) sum = { ...sum, ...tagOf(item)[name] };
  return sum;
}

export function decode<T>(model: Model, wire: unknown): T {
  if (Array.isArray(wire)) return withoutDoubles(wire.map((item) => decode(model, item))) as T;
  if (!isObject(wire)) return wire as T;
  const item: Json = Object.fromEntries(
    Object.entries(wire).flatMap(([key, value]) => {
      const name = toCamelCase(key);
      if (!isKnown(model, name)) return [[key, value]];
      // Rust and Python write null for what is not there.
      if (value === null && name !== 'data') return [];
      return [[name, Object.hasOwn(models, name) ? decode(name as Model, value) : value]];
    }),
  );
  const tag = model === 'file' ? {} : takeTag(item);
  if (tag.file && isObject(item.file)) item.file = { ...item.file, ...tag.file };
  const whole = { ...item, ...(model === 'status' ? putBack(item, tag) : tag.keys) };
  tags.set(whole, tag);
  return whole as T;
}

export function toCamelCase(name: string): string {
  return name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
}

/** Takes the tag out of the metadata of an item, which are then as they were before. */
export function takeTag(item: Json): Tag {
  const { metadata } = item;
  if (!isObject(metadata) || !isObject(metadata[TAG])) return {};
  const { [TAG]: tag, ...kept } = metadata as Json & { [TAG]: Tag };
  if ('own' in tag) kept[TAG] = tag.own;
  if (Object.keys(kept).length > 0 || tag.empty) item.metadata = kept;
  else delete item.metadata;
  return tag;
}

/** What was lost of a status. Whoever changed the state since knew nothing of the tag. */
function putBack({ state, message, timestamp }: Json, tag: Tag): Json {
  const lost = tag.state !== undefined || tag.keys ? tag : tagOf(message).task?.status;
  return {
    ...(lost?.state !== undefined && wireStates[lost.state] === state && { state: lost.state }),
    ...(typeof timestamp === 'string' && { timestamp: toUtc(timestamp) }),
    ...lost?.keys,
  };
}

/** Python writes times without a zone, meaning its own, which is taken to be ours. */
function toUtc(time: string): string {
  const ms = Date.parse(time.replace(' ', 'T'));
  return ms && /^[\d-]+[T ][\d:.]+$/.test(time) ? new Date(ms).toISOString() : time;
}
