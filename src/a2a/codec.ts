/** SDK objects to objects of the store and back, without loss. What comes out is frozen, either way. */
import { invalidField } from '../core/errors.ts';
import type { ArtifactHead, TaskBody } from '../core/head.ts';
import { copyJson, isObject } from '../core/json.ts';
import { isoTime } from '../core/reduce.ts';
import type { Message, Part, TaskStatus } from '../core/task.ts';
import * as mapping from './mapping.ts';
import type { Fields } from './plain.ts';
import { applyResidue, differenceOf, residueOf, type Version } from './residue.ts';

/** Key of an item's stored form; not enumerable, so copies and comparisons skip it. */
const STORED = Symbol();

export type StoredHeader = ArtifactHead['header'];

type Item = { readonly [STORED]?: object };

/**
 * The codec of one protocol version. An *item* is a frozen SDK object (a part, message, status or artifact header) that
 * the codec made; it remembers what of the store stands behind each, so that keys only the store knows are kept.
 */
export class Codec {
  readonly version: Version;
  readonly #now: () => number;

  /** `now`: milliseconds since 1970, for a status that has no time. */
  constructor(version: Version, now: () => number) {
    this.version = version;
    this.#now = now;
  }

  /** What the store has of it. */
  stored<T>(item: Fields): T {
    return (item as Item)[STORED] as T;
  }

  encodePart(value: unknown): Fields {
    const part = objectOf(value);
    return this.#encode(part, mapping.partToStore(part, this.version), (stored) =>
      mapping.partFromStore(stored, this.version),
    );
  }

  decodePart(stored: Part): Fields {
    return this.#settled(mapping.partFromStore(stored, this.version), stored);
  }

  encodeMessage(value: unknown): Fields {
    const message = objectOf(value);
    const items = Object.freeze(
      (Array.isArray(message.parts) ? message.parts : []).map((part) => this.encodePart(part)),
    );
    const parts = items.map((item) => this.stored<Part>(item));
    const decode = (stored: Message) => mapping.messageFromStore(stored, items, this.version, '');
    return this.#encode(message, mapping.messageToStore(message, parts, this.version), decode);
  }

  /** `fallbackId`: for a message that has no id, as others than the SDK store them. */
  decodeMessage(stored: Message, fallbackId: string): Fields {
    const parts = Object.freeze(stored.parts.map((part) => this.decodePart(part)));
    return this.#settled(mapping.messageFromStore(stored, parts, this.version, fallbackId), stored);
  }

  encodeStatus(value: Fields): Fields {
    const message = isObject(value.message) ? this.encodeMessage(value.message) : undefined;
    const said = mapping.statusToStore(value, message && this.stored<Message>(message), this.version, this.#time());
    return this.#encode(value, said, (stored) => mapping.statusFromStore(stored, message, this.version));
  }

  /** Undefined where the SDK's task has none. */
  decodeStatus(body: TaskBody, fallbackId: string): Fields | undefined {
    const { status } = body;
    if (status.state === 'unknown' && !isObject(this.decodeBody(body).status)) return undefined;
    const message = status.message && this.decodeMessage(status.message, fallbackId);
    return this.#settled(mapping.statusFromStore(status, message, this.version), status);
  }

  /** An artifact, a list that is empty in place of its parts. `before`: its item so far; else it gets this `index`. */
  encodeHeader(header: Fields, index: number, before?: Fields): Fields {
    const isKnown = before && before.artifactId === header.artifactId;
    const old: StoredHeader = isKnown ? this.stored<StoredHeader>(before) : { index };
    const { append, lastChunk } = old;
    const said = { append, lastChunk, ...mapping.artifactToStore(header, old.index ?? 0, this.version) };
    return this.#encode(header, said, (stored) => mapping.artifactFromStore(stored, this.version));
  }

  decodeHeader(stored: ArtifactHead['header']): Fields {
    return this.#settled(mapping.artifactFromStore(stored, this.version), stored);
  }

  /** A task, its lists and status replaced by those that stand for them. */
  encodeBody(task: Fields, status: Fields | undefined): TaskBody {
    const { version } = this;
    const said = status ? this.stored<TaskStatus>(status) : mapping.statusToStore({}, undefined, version, this.#time());
    const body = mapping.bodyToStore(task, said, version);
    const a2a = differenceOf(task, mapping.bodyFromStore(body, version), version) ?? { version };
    return copyJson({ ...body, a2a });
  }

  decodeBody(body: TaskBody): Fields {
    return applyResidue(mapping.bodyFromStore(body, this.version), residueOf(body, this.version));
  }

  #time(): string {
    return isoTime(this.#now());
  }

  #encode<S extends object>(original: Fields, said: S, decode: (stored: S) => Fields): Fields {
    const a2a = differenceOf(original, decode(said), this.version);
    const stored = copyJson(a2a ? { ...said, a2a } : said);
    return this.#settled(decode(stored), stored);
  }

  #settled(decoded: Fields, stored: object): Fields {
    Object.defineProperty(decoded, STORED, { value: stored });
    return applyResidue(decoded, residueOf(stored as Fields, this.version));
  }
}

function objectOf(value: unknown): Fields {
  if (isObject(value)) return value;
  throw invalidField([], 'expected an object');
}
