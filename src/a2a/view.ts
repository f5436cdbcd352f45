/** A task as the SDK sees it, taken apart into frozen pieces that loads and saves share. */
import type { TaskHead } from '../core/head.ts';
import type { TaskRecord } from '../core/record.ts';
import type { Codec } from './codec.ts';
import { type Fields, isObject, isSame } from './plain.ts';
import { residueOf } from './residue.ts';
import { without } from './words.ts';

export interface View {
  /** Everything but what stands below. */
  readonly fields: Fields;
  /** Undefined where the task has no status that is an object; then `fields` tells what it has there. */
  readonly status: Fields | undefined;
  /** Undefined where the task has no list there; then `fields` tells, too. */
  readonly history: readonly Fields[] | undefined;
  readonly artifacts: readonly ArtifactView[] | undefined;
}

export interface ArtifactView {
  /** Everything but the parts. */
  readonly header: Fields;
  /** Undefined where it has no list there; then `header` tells. */
  readonly parts: readonly Fields[] | undefined;
}

/** What is stored, with the head it was read or written with. */
export interface StoredView extends View {
  readonly head: TaskHead;
  /** The saver's own view that this one was written from, where it holds nothing else. */
  readonly from?: View;
}

const noList: readonly never[] = Object.freeze([]);

/** Reads all of a record; `withArtifacts: false` where its artifacts were not read. */
export function viewOf(record: TaskRecord, codec: Codec, withArtifacts = true): StoredView {
  const { head } = record;
  const { body } = head;
  const decoded = codec.decodeBody(body);
  // A task that others wrote has no lists where it has nothing in them; 1.0 has empty ones.
  const isOthers = codec.version === '1.0' && !residueOf(body, codec.version);
  const emptyList = (name: string) => (isOthers || Array.isArray(decoded[name]) ? noList : undefined);
  const messages = record.messages();
  const history = messages.map((message, i) => codec.decodeMessage(message, `${body.id}-${i}`));
  const artifacts = head.artifacts?.map(({ header, partCount }, slot) => {
    const hasParts = partCount > 0 || !residueOf(header, codec.version)?.none;
    const parts = hasParts ? record.parts(slot).map((part) => codec.decodePart(part)) : undefined;
    return { header: codec.decodeHeader(header), parts };
  });
  // The message of a status that was stored without an id has that of its twin in the history.
  const twin = messages.findLastIndex((message) => isSame(message, body.status.message));
  const view = {
    status: codec.decodeStatus(body.status, `${body.id}-${twin < 0 ? 'status' : twin}`),
    history: head.messageCount === undefined ? emptyList('history') : history,
    artifacts: withArtifacts ? (artifacts ?? emptyList('artifacts')) : noList,
  };
  return { ...view, head, fields: rest(decoded, view) };
}

/**
 * A task of the SDK's, taken apart at once: nothing done to it later reaches the view. What is the same in `base` is
 * taken from there, which costs a comparison by identity where the task came from a load.
 */
export function takeApart(task: Fields, base: View | undefined, codec: Codec): View {
  const { status, history, artifacts } = task;
  const view = {
    status: isObject(status) ? (reuse(status, base?.status) ?? codec.encodeStatus(status)) : undefined,
    history: takeList(history, base?.history, codec, (message) => codec.encodeMessage(message)),
    artifacts: Array.isArray(artifacts)
      ? artifacts.map((artifact: Fields, slot) => takeArtifact(artifact, slot, base?.artifacts?.[slot], codec))
      : undefined,
  };
  const fields = rest(task, view);
  return { ...view, fields: reuse(fields, base?.fields) ?? codec.decodeBody(codec.encodeBody(fields, undefined)) };
}

function takeArtifact(artifact: Fields, slot: number, base: ArtifactView | undefined, codec: Codec): ArtifactView {
  const { parts, ...header } = artifact;
  const hasParts = Array.isArray(parts);
  const given = hasParts ? header : artifact;
  const same = hasParts === (base?.parts !== undefined) ? base?.header : undefined;
  return {
    header: reuse(given, same) ?? codec.encodeHeader(given, hasParts, slot),
    parts: takeList(parts, base?.parts, codec, (part) => codec.encodePart(part)),
  };
}

/** `base` itself where nothing in it changed. */
function takeList(
  list: unknown,
  base: readonly Fields[] = noList,
  codec: Codec,
  encode: (item: unknown) => Fields,
): readonly Fields[] | undefined {
  if (!Array.isArray(list)) return undefined;
  const shared = Math.min(list.length, base.length);
  let same = 0;
  while (same < shared && list[same] === base[same]) same++;
  if (same === list.length && same === base.length) return base;
  const taken = list.slice() as Fields[];
  for (let i = same; i < list.length; i++) {
    const item: unknown = list[i];
    taken[i] = reuse(item, base[i]) ?? (codec.isItem(item) ? (item as Fields) : encode(item));
  }
  return taken;
}

function reuse(value: unknown, base: Fields | undefined): Fields | undefined {
  return base && isSame(value, base) ? base : undefined;
}

/** A task of the caller's own: lists and objects of the first level are fresh, what is in them is shared and frozen. */
export function toTask({ fields, status, history, artifacts }: View): Fields {
  return {
    ...thaw(fields),
    ...(status && { status: { ...status } }),
    ...(artifacts && { artifacts: artifacts.map(toArtifact) }),
    ...(history && { history: [...history] }),
  };
}

function toArtifact({ header, parts }: ArtifactView): Fields {
  const artifact = thaw(header);
  if (parts) artifact.parts = [...parts];
  return artifact;
}

function thaw(fields: Fields): Fields {
  const thawed = { ...fields };
  for (const key of Object.keys(thawed)) {
    const value = thawed[key];
    if (Array.isArray(value)) thawed[key] = [...value];
    else if (Object.prototype.toString.call(value) === '[object Object]') thawed[key] = { ...(value as Fields) };
  }
  return thawed;
}

/** The fields of a task that the view has nowhere else. */
function rest(task: Fields, view: Omit<View, 'fields'>): Fields {
  const elsewhere = Object.keys(view).filter((key) => view[key as keyof typeof view]);
  return Object.freeze(without(task, elsewhere));
}
