/**
 * What lies under a store: a place that keeps heads and tails and knows no rule of its own.
 *
 * **Consistency, which every backend keeps**
 * - `commit` is one transaction: it reads the head, calls `decide`, and writes the new head and the new items, all of it
 *   or nothing. Two commits to one task, from one context or several, happen one after the other, and the later `decide`
 *   sees the head the earlier one wrote. `decide` is synchronous, may be called again when another context wrote first,
 *   and its throw aborts the commit and comes out of it unchanged.
 * - `decide` may look at the whole task, too, as of that head; undefined where some of it is not at hand. After a commit that
 *   selects all of it, it is, as far as memory allows: who decides again is then not outrun by other changes.
 * - When `commit` resolves, the change survives what `BackendInfo.survives` names.
 * - A read sees whole commits only, and every commit that resolved before the read began.
 * - The cost of a commit does not grow with the task's tails nor with the number of tasks.
 * - What a backend is given is frozen and may be kept; what it hands out is never changed afterwards.
 */
import type { ArtifactHead, Change, TaskHead, TaskKey } from '../core/head.ts';
import type { HeadQuery } from '../core/query.ts';
import type { SelectRange, TaskRecord } from '../core/record.ts';
import type { TaskStatus } from '../core/task.ts';

export type BackendKind = 'indexeddb' | 'json-file' | 'memory' | (string & {});

/** `strict`: an acknowledged change survives a power cut too. `relaxed`: it survives everything that leaves the machine running. */
export type Durability = 'strict' | 'relaxed';

export interface BackendInfo {
  readonly kind: BackendKind;
  /** What an acknowledged change survives, each including those before it: nothing, the end of the process, a power cut. */
  readonly survives: 'nothing' | 'process' | 'power-cut';
  /** Where the tasks lie, for people: a file's path, a database's name. */
  readonly location: string;
  /** Nothing can be changed here, and what others change is not seen until it is opened anew. @default false */
  readonly isReadOnly?: boolean;
  /**
   * Chromium alone: it found the origin's databases damaged when this one was opened, or opened again since, and deleted
   * them; its reason, for people. Only the first to open a database of the origin is told.
   */
  readonly dataLoss?: string | undefined;
}

/** What `decide` answers: a change, `'remove'` to delete the task with all it holds, or nothing to do. */
export type Decision = Change | 'remove' | undefined;
export type Decide = (head: TaskHead | undefined, look?: () => TaskRecord | undefined) => Decision;

export interface Committed {
  /** The head that `decide` saw. */
  readonly before: TaskHead | undefined;
  /** What `decide` answered; undefined where it had nothing to do. */
  readonly decision: Decision;
  /** The task after the commit, with the items asked for; undefined where there is none (any more). */
  readonly record: TaskRecord | undefined;
}

/** A change another context (a tab, a worker) made to the same storage. */
export interface Notice {
  readonly key: TaskKey;
  /** Of the record that holds what was added: items of a record with another id do not belong to this change. */
  readonly id: number | undefined;
  readonly type: 'created' | 'updated' | 'deleted';
  readonly revision: number;
  readonly updatedAt: string;
  /** The new status, where the change set one. */
  readonly status?: TaskStatus;
  /** Whether it replaced a task. */
  readonly whole?: true;
  /** Which items the change added; `from` is 0 where it replaced the task. */
  readonly messages: readonly [from: number, to: number];
  readonly parts: readonly NoticedParts[];
}

export interface NoticedParts {
  readonly slot: number;
  readonly from: number;
  readonly to: number;
  /** The artifact's, after the change. */
  readonly header: ArtifactHead['header'];
}

export interface Backend {
  readonly info: BackendInfo;
  /** See above. `select` names the items wanted back with the new head. */
  commit(key: TaskKey, decide: Decide, select: SelectRange): Promise<Committed>;
  read(key: TaskKey, select: SelectRange): Promise<TaskRecord | undefined>;
  /** Heads in the order asked for, by an index where the query allows it. */
  list(query: HeadQuery): Promise<readonly TaskHead[]>;
  /** Heads with a `pendingSince`, the oldest first. */
  pending(limit: number): Promise<readonly TaskHead[]>;
  /** Small values beside the tasks, kept as durably as they are. */
  getMeta(name: string): Promise<unknown>;
  setMeta(name: string, value: unknown): Promise<void>;
  /**
   * Calls `listener` with what other contexts commit to the same storage; with an empty list where they set a value
   * beside the tasks, or may have done something that went unheard. Ends with the returned function.
   */
  listen(listener: (notices: readonly Notice[]) => void): () => void;
  /** Lets what is under way finish, then lets go of the storage. Called once, with no call after it. */
  close(): Promise<void>;
}

/** What a backend is opened with. */
export interface BackendContext {
  readonly name: string;
  /** Where the user says that a file should lie. */
  readonly path: string | undefined;
  /** Absent: the backend's own default. */
  readonly durability: Durability | undefined;
  /** How long one request to the storage may take before it is given up, in milliseconds. */
  readonly timeoutMs: number;
}

/**
 * How to open a backend; what the entries `holdfast/memory`, `/indexeddb` and `/json-file` offer.
 *
 * `unsuitable` says, without touching the storage, why this place cannot have such a backend, or undefined where it can.
 * `open` rejects with `STORE_UNAVAILABLE` where the storage turns out to be missing or denied.
 */
export interface BackendFactory {
  readonly kind: BackendKind;
  unsuitable(): string | undefined;
  open(context: BackendContext): Promise<Backend>;
}
