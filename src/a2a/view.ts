/** A task as the SDK sees it, taken apart into frozen pieces that loads and saves share. */
import type { ArtifactHead, TaskHead } from '../core/head.ts';
import { isObject } from '../core/json.ts';
import type { TaskRecord } from '../core/record.ts';
import type { Codec } from './codec.ts';
import { emptyList, someStatus } from './mapping.ts';
import { type Fields, isRecord, isSame } from './plain.ts';

export interface View {
  /** The task; in place of what stands below, something that says it is there. */
  readonly fields: Fields;
  /** Undefined where the task has no status that is an object. */
  readonly status: Fields | undefined;
  /** Undefined where the task has no list there. */
  readonly history: readonly Fields[] | undefined;
  readonly artifacts: readonly ArtifactView[] | undefined;
}

export interface ArtifactView {
  /** The artifact; an empty list in place of its parts. */
  readonly header: Fields;
  /** Undefined where it has no list there. */
  readonly parts: readonly Fields[] | undefined;
  /** The list, seen before, that the parts are known to begin with: a long one is not to be compared twice. */
  readonly grown?: readonly Fields[] | undefined;
}

/** What is stored, with the head it was read or written with. */
export interface StoredView extends View {
  readonly head: TaskHead;
  /** The saver's own view that this one was written from, where it holds nothing else. */
  readonly from?: View | undefined;
}

/** Reads all of a record; `withArtifacts: false` where its artifacts were not read. */
export function viewOf(record: TaskRecord, codec: Codec, withArtifacts = true): StoredView {
  const { head } = record;
  const { body } = head;
  const fields = codec.decodeBody(body);
  const messages = record.messages();
  // The message of a status that was stored without an id has that of its twin in the history.
  const twin = messages.findLastIndex((message) => isSame(message, body.status.message));
  const viewOfArtifact = ({ header: stored }: ArtifactHead, slot: number): ArtifactView => {
    const header = codec.decodeHeader(stored);
    return { header, parts: listIn(header.parts, record.parts(slot), (part) => codec.decodePart(part)) };
  };
  return {
    head,
    fields,
    status: codec.decodeStatus(body, `${body.id}-${twin < 0 ? 'status' : twin}`),
    history: listIn(fields.history, messages, (message, i) => codec.decodeMessage(message, `${body.id}-${i}`)),
    artifacts: withArtifacts ? listIn(fields.artifacts, head.artifacts, viewOfArtifact) : [],
  };
}

/** A list of the SDK's; `there`: whether it has one where it is empty. */
function listIn<T, V>(there: unknown, items: readonly T[] = [], decode: (item: T, i: number) => V): V[] | undefined {
  return items.length > 0 || Array.isArray(there) ? items.map(decode) : undefined;
}

/**
 * A task of the SDK's, taken apart at once: nothing done to it later reaches the view. What is the same in `base` is
 * taken from there, which costs a comparison by identity where the task came from a load.
 */
export function takeApart(task: Fields, base: View | undefined, codec: Codec): View {
  const { status, history, artifacts } = task;
  const fields = {
    ...task,
    ...(isObject(status) && { status: someStatus }),
    ...(Array.isArray(history) && { history: emptyList }),
    ...(Array.isArray(artifacts) && { artifacts: emptyList }),
  };
  return {
    fields: reuse(fields, base?.fields) ?? codec.decodeBody(codec.encodeBody(fields, undefined)),
    status: isObject(status) ? (reuse(status, base?.status) ?? codec.encodeStatus(status)) : undefined,
    history: takeList(history, base?.history, (message) => codec.encodeMessage(message)).parts,
    artifacts: Array.isArray(artifacts)
      ? artifacts.map((artifact: Fields, slot) => takeArtifact(artifact, slot, base?.artifacts?.[slot], codec))
      : undefined,
  };
}

function takeArtifact(artifact: Fields, slot: number, base: ArtifactView | undefined, codec: Codec): ArtifactView {
  const header = { ...artifact, ...(Array.isArray(artifact.parts) && { parts: emptyList }) };
  return {
    header: reuse(header, base?.header) ?? codec.encodeHeader(header, slot, base?.header),
    ...takeList(artifact.parts, base?.parts, (part) => codec.encodePart(part)),
  };
}

/** `base` itself where nothing in it changed. */
function takeList(
  list: unknown,
  base: readonly Fields[] = emptyList,
  encode: (item: unknown) => Fields,
): Pick<ArtifactView, 'parts' | 'grown'> {
  if (!Array.isArray(list)) return { parts: undefined };
  let same = 0;
  while (same < base.length && list[same] === base[same]) same++;
  const grown = same === base.length ? base : undefined;
  if (grown && same === list.length) return { parts: base };
  const parts = list.slice() as Fields[];
  for (; same < list.length; same++) parts[same] = reuse(list[same], base[same]) ?? encode(list[same]);
  return { parts, grown };
}

function reuse(value: unknown, base: Fields | undefined): Fields | undefined {
  return base && isSame(value, base) ? base : undefined;
}

/** A task of the caller's own: lists and objects of the first level are fresh, what is in them is shared and frozen. */
export function toTask({ fields, status, history, artifacts }: View): Fields {
  const task = thaw(fields);
  if (status) task.status = { ...status };
  if (history) task.history = [...history];
  if (artifacts) task.artifacts = artifacts.map(toArtifact);
  return task;
}

/** An artifact of the caller's own, as deep as `toTask`'s. */
export function toArtifact({ header, parts }: ArtifactView): Fields {
  const artifact = thaw(header);
  if (parts) artifact.parts = [...parts];
  return artifact;
}

function thaw(fields: Fields): Fields {
  const thawed = { ...fields };
  for (const [key, value] of Object.entries(thawed)) {
    if (Array.isArray(value)) thawed[key] = [...value];
    else if (isRecord(value)) thawed[key] = { ...value };
  }
  return thawed;
}
