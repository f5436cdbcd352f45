/**
 * Tells watchers, subscribers and sync of changes: of this context's as they are committed, of others' when they are noticed.
 * Costs nothing while nobody listens.
 */
import type { Backend, Committed, Notice } from './backends/backend.ts';
import { toNotice } from './backends/notices.ts';
import { type Change, encodeKey, type TaskKey } from './core/head.ts';
import { Listeners } from './core/listeners.ts';
import type { SelectRange } from './core/record.ts';
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
  announce(key: TaskKey, committed: Committed, source: TaskChange['source']): void {
    const { before, decision } = committed;
    if (!decision) return;
    const change = decision === 'remove' ? undefined : decision;
    const head = change ? change.head : before;
    if (head?.pendingSince !== undefined) this.pending.tell(change ? head : { ...head, type: 'deleted' });
    if (change?.quiet) return;
    if (this.size > 0) this.tell(toTaskChange(toNotice(committed) as Notice, source, change));
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
    for (const wakes of this.#wakes.values()) for (const wake of wakes) wake(gone);
  }

  async #retell(notice: Notice, storage: Pick<Backend, 'read'>): Promise<void> {
    const { key, id, type, messages, parts } = notice;
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
    const added = record && {
      messages: record.messages(),
      parts: parts.map(({ slot }) => ({ slot, parts: record.parts(slot) })),
    };
    this.tell(toTaskChange(notice, 'elsewhere', added));
  }
}

/** `added`: the items that the notice is of. Where they are gone, there is nothing more to tell than that. */
function toTaskChange(
  { key, id: _, type, messages: __, parts, ...news }: Notice,
  source: TaskChange['source'],
  added: Pick<Change, 'messages' | 'parts'> | undefined,
): TaskChange {
  const { taskId, callerId, taskType } = key;
  return {
    type,
    source,
    taskId,
    ...(callerId !== undefined && { callerId }),
    taskType,
    ...(added && news),
    messages: [...(added?.messages ?? [])],
    artifacts: (added?.parts ?? []).map((each, i) => {
      const { from, header } = parts[i] as Notice['parts'][number];
      // Says where the parts go, whatever was said of it when the artifact began.
      const { append: _, ...artifact } = header;
      return { ...artifact, ...(from > 0 && { append: true }), parts: [...each.parts] };
    }),
  };
}
