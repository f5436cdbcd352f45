/**
 * Tells watchers, subscribers and sync of changes: of this context's as they are committed, of others' when they are noticed.
 * Costs nothing while nobody listens.
 */
import type { Backend, Committed, Notice } from './backends/backend.ts';
import { type ArtifactHead, type Change, encodeKey, newsOf, type TaskHead, type TaskKey } from './core/head.ts';
import { Listeners } from './core/listeners.ts';
import type { SelectRange } from './core/record.ts';
import type { Artifact, Part } from './core/task.ts';
import type { Touched } from './store-port.ts';
import type { TaskChange } from './task-store.ts';

/** Called when a task may have changed; `gone` when it was deleted. */
export type Wake = (gone: boolean) => void;

/** Those who listen to it are the subscribers. */
export class ChangeHub extends Listeners<TaskChange> {
  /** Told of tasks that have something pending. */
  readonly pending = new Listeners<Touched>();
  readonly #wakes = new Map<string, Set<Wake>>();
  /** Notices of other contexts, told one after the other. */
  #telling: Promise<void> = Promise.resolve();

  onWake(key: TaskKey, wake: Wake): () => void {
    const name = encodeKey(key);
    const wakes = this.#wakes.get(name) ?? new Set();
    this.#wakes.set(name, wakes.add(wake));
    return () => {
      // Another watch may have come since this one was ended first.
      if (wakes.delete(wake) && wakes.size === 0) this.#wakes.delete(name);
    };
  }

  /** This context has committed. */
  announce(key: TaskKey, { before, decision }: Committed, source: TaskChange['source']): void {
    if (!decision) return;
    const change = decision === 'remove' ? undefined : decision;
    const head = change ? change.head : before;
    if (head?.pendingSince !== undefined) this.pending.tell(change ? head : { ...head, type: 'deleted' });
    if (change?.quiet) return;
    if (this.size > 0) this.tell(change ? toTaskChange(before, change, source) : changeOf(key, source, 'deleted'));
    this.#wake(key, !change);
  }

  /** Other contexts have committed; without a notice, nothing is known of what. The items are read from the storage they share. */
  hear(notices: readonly Notice[], storage: Pick<Backend, 'read'>): void {
    if (!notices[0]) this.#wakeAll(false);
    for (const notice of notices) {
      // One that was deleted may have been made anew; whoever watches looks.
      this.#wake(notice.key, false);
      this.pending.tell(notice);
      // A failed read must not end the telling of what follows; watchers will meet the failure themselves.
      if (this.size > 0) this.#telling = this.#telling.then(() => this.#retell(notice, storage)).catch(() => {});
    }
  }

  /** Ends every watch. */
  close(): void {
    this.#wakeAll(true);
    this.clear();
  }

  #wake(key: TaskKey, gone: boolean): void {
    if (this.#wakes.size === 0) return;
    for (const wake of this.#wakes.get(encodeKey(key)) ?? []) wake(gone);
  }

  #wakeAll(gone: boolean): void {
    for (const wakes of this.#wakes.values()) for (const wake of [...wakes]) wake(gone);
  }

  async #retell({ key, id, type, messages, parts, ...news }: Notice, storage: Pick<Backend, 'read'>): Promise<void> {
    const select: SelectRange = () => ({
      messages,
      parts: (slot) => {
        const added = parts.find((part) => part.slot === slot);
        return added ? [added.from, added.to] : [0, 0];
      },
    });
    const found = type === 'deleted' ? undefined : await storage.read(key, select);
    // Another may have taken its place by now.
    const record = found?.id === id ? found : undefined;
    this.tell({
      ...changeOf(key, 'elsewhere', type, record && news),
      ...(record && {
        messages: record.messages(),
        artifacts: parts.map(({ slot, from, header }) => toChunk(header, record.parts(slot), from > 0)),
      }),
    });
  }
}

/** A change without its items. */
function changeOf(
  { taskId, callerId, taskType }: TaskKey,
  source: TaskChange['source'],
  type: TaskChange['type'],
  news?: Partial<ReturnType<typeof newsOf>>,
): TaskChange {
  return {
    type,
    source,
    taskId,
    ...(callerId !== undefined && { callerId }),
    taskType,
    ...news,
    messages: [],
    artifacts: [],
  };
}

/** An artifact with some of its parts. `append` says where they go, whatever was said of it when the artifact began. */
function toChunk({ append: _, ...header }: ArtifactHead['header'], parts: readonly Part[], follows: boolean): Artifact {
  return { ...header, ...(follows && { append: true }), parts: [...parts] };
}

function toTaskChange(before: TaskHead | undefined, change: Change, source: TaskChange['source']): TaskChange {
  const { head, messages, parts, reset } = change;
  return {
    ...changeOf(head.key, source, before ? 'updated' : 'created', newsOf(before, head, reset)),
    messages: [...messages],
    artifacts: parts.map(({ slot, parts }) => {
      const { header, partCount } = (head.artifacts as ArtifactHead[])[slot] as ArtifactHead;
      return toChunk(header, parts, partCount > parts.length);
    }),
  };
}
