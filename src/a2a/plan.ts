/**
 * What saving a task does to what is stored: nothing, an append, or a replacement. Pure.
 *
 * `base` is what the saver last saw, `next` what it wants, `current` what is stored now. Where somebody else wrote since
 * (`base` is not `current`), both sides' changes are kept if each only added; else the save is refused as `CONFLICT`.
 */
import type { TaskBody } from '../core/head.ts';
import type { ArtifactExtension, Command } from '../core/reduce.ts';
import type { Artifact, Message, Part } from '../core/task.ts';
import type { Codec } from './codec.ts';
import { addedTo, conflict, isWithin, mergeFields, mergeStatus, placesOf } from './merge.ts';
import { type Fields, isSame } from './plain.ts';
import { residueOf } from './residue.ts';
import type { ArtifactView, StoredView, View } from './view.ts';

export interface Plan {
  /** Undefined: there is nothing to write. */
  readonly command: Command | undefined;
  /** The task after it. */
  readonly view: View;
  /** Whether the view holds what others wrote meanwhile, too. */
  readonly isMerged: boolean;
}

/** `now`: asked for a status that has no time. */
export function planSave(
  next: View,
  base: View | undefined,
  current: StoredView | undefined,
  codec: Codec,
  now: () => string,
): Plan {
  if (!current) return replacement(next, undefined, codec, now);
  const isMerged = base !== undefined && base !== current && base !== current.from;
  const plan = extension(next, isMerged ? base : current, current, codec, now);
  if (plan) return { ...plan, isMerged };
  if (isMerged) throw conflict('the task was changed elsewhere, and this save does not only add to it');
  return replacement(next, current, codec, now);
}

function replacement(next: View, current: StoredView | undefined, codec: Codec, now: () => string): Plan {
  const { fields, history, artifacts } = next;
  const indexes = freeIndexes(current, codec);
  const stored = artifacts?.map(({ header, parts }): Artifact => {
    const index = indexes(header.artifactId);
    return Object.freeze({ ...codec.storedHeader(header), index, parts: storedParts(parts, codec) });
  });
  const task = Object.freeze({
    ...codec.encodeBody(fields, statusOf(next, codec, now), current?.head.body),
    ...(history && { history: storedMessages(history, codec) }),
    ...(stored && { artifacts: Object.freeze(stored) as Artifact[] }),
  });
  return { command: { type: 'replace', task }, view: next, isMerged: false };
}

/** The index that an artifact has already, by its id; a fresh one for others. */
function freeIndexes(current: StoredView | undefined, codec: Codec): (artifactId: unknown) => number {
  const known = new Map(
    current?.artifacts?.map(({ header }) => [header.artifactId, codec.storedHeader(header).index ?? 0]),
  );
  let fresh = Math.max(-1, ...known.values());
  return (artifactId) => {
    const index = known.get(artifactId) ?? ++fresh;
    known.delete(artifactId);
    return index;
  };
}

/** Undefined where `next` is not `base` with something added. */
function extension(
  next: View,
  base: View,
  current: StoredView,
  codec: Codec,
  now: () => string,
): Omit<Plan, 'isMerged'> | undefined {
  const messages = addedMessages(next, base, current);
  const artifacts = extendArtifacts(next, base, current, codec);
  if (!messages || !artifacts) return undefined;
  const isRebased = base !== current;
  const view: View = {
    fields: mergeFields(next.fields, base.fields, current.fields),
    status: mergeStatus(next.status, base.status, current.status),
    history: isRebased ? concat(current.history, messages, next.history) : next.history,
    artifacts: artifacts.views,
  };
  const body = extendBody(view, current, codec, now, messages.length > 0, artifacts.extensions.length > 0);
  if (body === current.head.body && messages.length === 0 && artifacts.extensions.length === 0) {
    return { command: undefined, view: current };
  }
  const command: Command = {
    type: 'extend',
    body,
    messages: storedMessages(messages, codec),
    artifacts: artifacts.extensions,
  };
  return { command, view };
}

function addedMessages(next: View, base: View, current: View): readonly Fields[] | undefined {
  const added = addedTo(base.history, next.history);
  if (!added || base === current) return added;
  if (!isWithin(base.history, current.history)) return undefined;
  return added.filter((message) => {
    const twin = current.history?.find((other) => other.messageId === message.messageId);
    if (twin && !isSame(twin, message)) throw conflict('a message of the same id was added elsewhere');
    return !twin;
  });
}

interface ExtendedArtifacts {
  readonly views: readonly ArtifactView[] | undefined;
  readonly extensions: readonly ArtifactExtension[];
}

function extendArtifacts(
  { artifacts }: View,
  base: View,
  current: StoredView,
  codec: Codec,
): ExtendedArtifacts | undefined {
  const before = base.artifacts ?? [];
  if (base.artifacts && (!artifacts || artifacts.length < before.length)) return undefined;
  const places = placesOf(before, current.artifacts ?? []);
  if (!places) return undefined;
  const views = [...(current.artifacts ?? [])];
  const extensions: ArtifactExtension[] = [];
  const indexes = freeIndexes(current, codec);
  for (const [i, artifact] of (artifacts ?? []).entries()) {
    const old = before[i];
    const slot = places[i] ?? views.length;
    const there = views[slot];
    const added = addedTo(old?.parts, artifact.parts);
    if (!added || (old && !old.parts !== !artifact.parts)) return undefined;
    if (old && old.header.artifactId !== artifact.header.artifactId) return undefined;
    if (!old && isNewTwin(artifact, current, base)) continue;
    if (old && base !== current && !isWithin(old.parts, there?.parts)) return undefined;
    const header = old && there ? mergeFields(artifact.header, old.header, there.header) : artifact.header;
    if (there && header === there.header && added.length === 0) continue;
    const item =
      header === there?.header ? header : encodeHeader({ header, parts: artifact.parts }, there, codec, indexes);
    views[slot] = {
      header: item,
      parts: base === current ? artifact.parts : concat(there?.parts, added, artifact.parts),
    };
    extensions.push({ slot, header: codec.storedHeader(item), parts: storedParts(added, codec) });
  }
  return { views: artifacts || current.artifacts ? views : undefined, extensions };
}

function encodeHeader(
  { header, parts }: ArtifactView,
  there: ArtifactView | undefined,
  codec: Codec,
  indexes: (artifactId: unknown) => number,
): Fields {
  const before = there && codec.storedHeader(there.header);
  return codec.encodeHeader(header, parts !== undefined, before?.index ?? indexes(header.artifactId), before);
}

/** Whether the artifact was created elsewhere too, and is the same. */
function isNewTwin({ header, parts }: ArtifactView, current: View, base: View): boolean {
  if (base === current) return false;
  const twin = current.artifacts?.find((other) => other.header.artifactId === header.artifactId);
  if (!twin) return false;
  if (isSame(twin, { header, parts })) return true;
  throw conflict('an artifact of the same id was added elsewhere');
}

/** The stored body itself where nothing in it changes. */
function extendBody(
  view: View,
  current: StoredView,
  codec: Codec,
  now: () => string,
  addsMessages: boolean,
  addsArtifacts: boolean,
): TaskBody {
  const { body, messageCount, artifacts } = current.head;
  const isStatusSame = view.status === current.status;
  const isShapeSame =
    view.fields === current.fields && !view.history === !current.history && !view.artifacts === !current.artifacts;
  const isOurs = residueOf(body, codec.version) !== undefined;
  if (isShapeSame && isStatusSame && (isOurs || !(addsMessages || addsArtifacts))) return body;
  const status = statusOf(view, codec, now);
  if (isShapeSame && isOurs) return Object.freeze({ ...body, status });
  // A list without items leaves no trace in the tails.
  const empty = {
    ...(view.history && messageCount === undefined && !addsMessages && { history: [] }),
    ...(view.artifacts && artifacts === undefined && !addsArtifacts && { artifacts: [] }),
  };
  return codec.encodeBody({ ...view.fields, ...empty }, status, body);
}

function statusOf({ status }: View, codec: Codec, now: () => string) {
  return status ? codec.storedStatus(status) : codec.noStatus(now());
}

function concat<T>(a: readonly T[] | undefined, b: readonly T[], wanted: unknown): readonly T[] | undefined {
  return a || wanted ? [...(a ?? []), ...b] : undefined;
}

function storedMessages(items: readonly Fields[], codec: Codec): Message[] {
  return Object.freeze(items.map((item) => codec.storedMessage(item))) as Message[];
}

function storedParts(items: readonly Fields[] | undefined, codec: Codec): Part[] {
  return Object.freeze((items ?? []).map((item) => codec.storedPart(item))) as Part[];
}
