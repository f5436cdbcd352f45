/** Every task's summary, kept up to date by reading only what has changed. */
import type { LocalTaskStore, TaskChange, TaskState, TaskStore, TaskSummary } from 'holdfast';
import { keyOf, type TaskRef } from '../task-key.ts';

const PAGE = 500;
/** Changes that come faster than this are looked up together. */
const GATHER_MS = 120;
/** Of the time, reading takes one part in so many at the most: an import of thousands must not keep the page busy. */
const READING_SHARE = 5;
const LONGEST_WAIT_MS = 1_000;

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
  #lastReadMs = 0;
  #reading: Promise<void> = Promise.resolve();
  #isReading = false;
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
  load(): Promise<void> {
    return this.#inTurn(() => this.#readAll());
  }

  async #readAll(): Promise<void> {
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
      // What is being read may still hold it.
      this.#isAllDue ||= this.#isReading;
      this.#changed();
    }
    // An import brings in tasks that are older than what is known.
    if (change.type !== 'deleted' && (change.updatedAt ?? '') < this.#newest) this.#isAllDue = true;
    this.#wake();
  }

  #wake(): void {
    const wait = Math.min(Math.max(GATHER_MS, this.#lastReadMs * READING_SHARE), LONGEST_WAIT_MS);
    this.#timer ??= setTimeout(() => this.#readOnce(), wait);
  }

  #readOnce(): void {
    // A change that comes while reading is under way may be missed by it, and so asks for another.
    this.#timer = undefined;
    this.#inTurn(() => this.#refresh()).catch(this.#onError);
  }

  /** One reading after the other, so that an older answer never replaces a newer one. */
  #inTurn(read: () => Promise<void>): Promise<void> {
    const reading = this.#reading.then(async () => {
      const began = performance.now();
      this.#isReading = true;
      await read().finally(() => {
        this.#isReading = false;
        this.#lastReadMs = performance.now() - began;
      });
    });
    this.#reading = reading.catch(() => {});
    return reading;
  }

  async #refresh(): Promise<void> {
    if (this.#isAllDue) {
      this.#isAllDue = false;
      return this.#readAll();
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
    const heads = (await this.#store.port?.backend.pending(1_000)) ?? [];
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
