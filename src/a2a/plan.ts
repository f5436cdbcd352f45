/**
 * What saving a task does to what is stored: nothing, an append, or a replacement. Pure.
 *
 * `base` is what the saver last saw, `next` what it wants, `current` what is stored now. Where somebody else wrote since,
 * both sides' changes are kept if each only added; else the save is refused as `CONFLICT`.
 */
import type { TaskBody } from '../core/head.ts';
import type { ArtifactExtension, Command } from '../core/reduce.ts';
import type { Artifact, Message, Part, TaskStatus } from '../core/task.ts';
import type { Codec, StoredHeader } from './codec.ts';
import { addedTo, conflict, isTwin, isWithin, merge, mergeStatus } from './merge.ts';
import type { Fields } from './plain.ts';
import { type ArtifactView, type StoredView, toArtifact, type View } from './view.ts';

export interface Plan {
  /** Undefined: there is nothing to write. */
  readonly command: Command | undefined;
  /** The task after it. */
  readonly view: View;
  /** Whether the view holds what others wrote meanwhile, too. */
  readonly isMerged: boolean;
}

export function planSave(next: View, base: View | undefined, current: StoredView | undefined, codec: Codec): Plan {
  if (!current) return replacement(next, codec);
  const isMerged = base !== undefined && base !== current && base !== current.from;
  const plan = extension(next, isMerged ? base : current, current, codec);
  if (!plan && isMerged) throw conflict();
  return plan ? { ...plan, isMerged } : replacement(next, codec);
}

function replacement(next: View, codec: Codec): Plan {
  const { fields, status, history, artifacts } = next;
  const free = freeIndexes([], codec);
  const stored = artifacts?.map(({ header, parts = [] }): Artifact => {
    const before = codec.stored<StoredHeader>(header);
    return { ...before, index: free(before.index), parts: storedOf<Part>(parts, codec) };
  });
  const task = {
    ...codec.encodeBody(fields, status),
    ...(history && { history: storedOf<Message>(history, codec) }),
    ...(stored && { artifacts: stored }),
  };
  return { command: { type: 'replace', task }, view: next, isMerged: false };
}

/** Answers the index that was asked for, or the next that none of these artifacts has. */
function freeIndexes(artifacts: readonly ArtifactView[], codec: Codec): (index: number | undefined) => number {
  const used = new Set(artifacts.map(({ header }) => codec.stored<StoredHeader>(header).index));
  return (index = 0) => {
    let free = index;
    while (used.has(free)) free++;
    used.add(free);
    return free;
  };
}

/** Undefined where `next` is not `base` with something added. */
function extension(
  next: View,
  base: View,
  current: StoredView,
  codec: Codec,
): Pick<Plan, 'command' | 'view'> | undefined {
  const isMerged = base !== current;
  const added = addedTo(base.history, next.history);
  const artifacts = extendArtifacts(next.artifacts, base.artifacts, current, codec, isMerged);
  if (!added || !artifacts || !isWithin(base.history, current.history)) return undefined;
  const idOf = (message: Fields) => message.messageId;
  const messages = isMerged ? added.filter((message) => !isTwin(message, current.history, idOf)) : added;
  const view: View = {
    fields: merge(next.fields, base.fields, current.fields),
    status: mergeStatus(next.status, base.status, current.status),
    history: isMerged ? join(current.history, messages) : next.history,
    artifacts: next.artifacts || current.artifacts ? artifacts.views : undefined,
  };
  const { extensions } = artifacts;
  const body = extendBody(view, current, codec);
  if (body === current.head.body && messages.length + extensions.length === 0) return { command: undefined, view };
  return { command: { type: 'extend', body, messages: storedOf(messages, codec), artifacts: extensions }, view };
}

interface ExtendedArtifacts {
  readonly views: readonly ArtifactView[];
  readonly extensions: readonly ArtifactExtension[];
}

function extendArtifacts(
  next: View['artifacts'],
  base: View['artifacts'],
  current: StoredView,
  codec: Codec,
  isMerged: boolean,
): ExtendedArtifacts | undefined {
  if (base && !(next && next.length >= base.length)) return undefined;
  const views = [...(current.artifacts ?? [])];
  const extensions: ArtifactExtension[] = [];
  const free = freeIndexes(views, codec);
  for (const [i, artifact] of next?.entries() ?? []) {
    const isIt = (other: ArtifactView | undefined) => other?.header.artifactId === artifact.header.artifactId;
    const old = base?.[i];
    // As the SDK has them: a view knows of itself how it came to be, too.
    if (!old && isMerged && isTwin(toArtifact(artifact), views.map(toArtifact), (twin) => twin.artifactId)) continue;
    const slot = !old ? views.length : isMerged ? views.findIndex(isIt) : i;
    const there = views[slot];
    const added = addedTo(old?.parts, artifact.parts, artifact.grown);
    if (!added || (old && !(isIt(old) && there && isWithin(old.parts, there.parts)))) return undefined;
    let header = old && there ? merge(artifact.header, old.header, there.header) : artifact.header;
    if (header !== there?.header) {
      const { index } = codec.stored<StoredHeader>(artifact.header);
      header = codec.encodeHeader(header, there ? 0 : free(index), there?.header);
    } else if (added.length === 0) continue;
    views[slot] = { header, parts: isMerged && there ? join(there.parts, added) : artifact.parts };
    extensions.push({ slot, header: codec.stored(header), parts: storedOf(added, codec) });
  }
  return { views, extensions };
}

/** The stored body itself where nothing in it changes. */
function extendBody({ fields, status }: View, current: StoredView, codec: Codec): TaskBody {
  const { body } = current.head;
  if (fields !== current.fields) return codec.encodeBody(fields, status);
  if (!status || status === current.status) return body;
  return Object.freeze({ ...body, status: codec.stored<TaskStatus>(status) });
}

function join(list: readonly Fields[] | undefined, added: readonly Fields[]): readonly Fields[] | undefined {
  return list || added.length > 0 ? [...(list ?? []), ...added] : undefined;
}

function storedOf<T>(items: readonly Fields[], codec: Codec): T[] {
  return Object.freeze(items.map((item) => codec.stored<T>(item))) as T[];
}
