/** Every task's summary, kept up to date by reading only what has changed. */
import type { LocalTaskStore, TaskChange, TaskState, TaskStore, TaskSummary } from 'holdfast';
import { keyOf, type TaskRef } from '../task-key.ts';

const PAGE = 500;
/** Changes that come faster than this are looked up together. */
const GATHER_MS = 120;

export interface Filter {
  readonly text: string;
  readonly state: TaskState | 'all';
}

export class TaskIndex {
  readonly #store: TaskStore & { readonly port?: LocalTaskStore['port'] };
  #summaries = new Map<string, TaskSummary>();
  #newestFirst: readonly TaskSummary[] | undefined;
  #pending: ReadonlySet<string> = new Set();
  #newest = '';
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAllDue = false;
  readonly #listeners = new Set<() => void>();
  readonly #onError: (error: unknown) => void;

  constructor(store: TaskStore, onError: (error: unknown) => void) {
    this.#store = store;
    this.#onError = onError;
    store.subscribe((change) => this.#hear(change));
    store.sync?.subscribe(() => this.#wake());
  }

  get size(): number {
    return this.#summaries.size;
  }

  /** Newest first. */
  select({ text, state }: Filter): readonly TaskSummary[] {
    this.#newestFirst ??= [...this.#summaries.values()].sort((a, b) => (a.updatedAt < b.updatedAt ? 1 : -1));
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0 && state === 'all') return this.#newestFirst;
    return this.#newestFirst.filter((summary) => {
      if (state !== 'all' && summary.status.state !== state) return false;
      const haystack = searchable(summary);
      return words.every((word) => haystack.includes(word));
    });
  }

  isPending(ref: TaskRef): boolean {
    return this.#pending.has(keyOf(ref));
  }

  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Reads all summaries anew. */
  async load(): Promise<void> {
    const summaries = new Map<string, TaskSummary>();
    for (let cursor: string | undefined, first = true; first || cursor; first = false) {
      const page = await this.#store.listTasks({ allCallers: true, limit: PAGE, cursor });
      for (const summary of page.tasks) summaries.set(keyOf(summary), summary);
      cursor = page.nextCursor;
    }
    this.#summaries = summaries;
    this.#newest = [...summaries.values()].reduce((max, { updatedAt }) => (updatedAt > max ? updatedAt : max), '');
    await this.#readPending();
    this.#changed();
  }

  #hear(change: TaskChange): void {
    const ref = { id: change.taskId, callerId: change.callerId, taskType: change.taskType };
    if (change.type === 'deleted') {
      this.#summaries.delete(keyOf(ref));
      this.#changed();
    }
    // An import brings in tasks that are older than what is known.
    if (change.type !== 'deleted' && (change.updatedAt ?? '') < this.#newest) this.#isAllDue = true;
    this.#wake();
  }

  #wake(): void {
    this.#timer ??= setTimeout(() => {
      this.#refresh()
        .catch(this.#onError)
        .finally(() => {
          this.#timer = undefined;
        });
    }, GATHER_MS);
  }

  async #refresh(): Promise<void> {
    if (this.#isAllDue) {
      this.#isAllDue = false;
      return this.load();
    }
    // A millisecond back: two changes may share one.
    const updatedAfter = this.#newest && new Date(Date.parse(this.#newest) - 1).toISOString();
    for (let cursor: string | undefined, first = true; first || cursor; first = false) {
      const query = { allCallers: true, limit: PAGE, cursor, ...(updatedAfter && { updatedAfter }) };
      const page = await this.#store.listTasks(query);
      for (const summary of page.tasks) {
        this.#summaries.set(keyOf(summary), summary);
        if (summary.updatedAt > this.#newest) this.#newest = summary.updatedAt;
      }
      cursor = page.nextCursor;
    }
    await this.#readPending();
    this.#changed();
  }

  /** What is pending changes without the task changing: when the remote has taken it. */
  async #readPending(): Promise<void> {
    const heads = (await this.#store.port?.pending(1_000)) ?? [];
    this.#pending = new Set(
      heads.map(({ key: { taskId: id, callerId, taskType } }) => keyOf({ id, callerId, taskType })),
    );
  }

  #changed(): void {
    this.#newestFirst = undefined;
    for (const listener of this.#listeners) listener();
  }
}

export function titleOf({ metadata, id }: Pick<TaskSummary, 'metadata' | 'id'>): string {
  return typeof metadata?.title === 'string' && metadata.title !== '' ? metadata.title : id;
}

function searchable(summary: TaskSummary): string {
  const { id, sessionId = '', callerId = '', agentUrl = '' } = summary;
  return `${titleOf(summary)}\n${id}\n${sessionId}\n${callerId}\n${agentUrl}`.toLowerCase();
}
