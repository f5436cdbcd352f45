/** The SDK's `TaskStore` over a store of ours. */
import type { TaskStore as SdkTaskStore } from '@a2a-js/sdk/server';
import { invalidField } from '../core/errors.ts';
import { encodeKey, type TaskHead, type TaskKey } from '../core/head.ts';
import { selectAll, selectNothing, selectView } from '../core/record.ts';
import type { StorePort } from '../store-port.ts';
import type { TaskStore } from '../task-store.ts';
import { Codec } from './codec.ts';
import { type KnownTasks, remember } from './known-tasks.ts';
import { type ListRequest, listPage } from './list-tasks.ts';
import { conflict } from './merge.ts';
import { type Fields, isSame } from './plain.ts';
import { type Plan, planSave } from './plan.ts';
import type { Version } from './residue.ts';
import { type A2ATaskStoreOptions, type CallContext, ScopedPort } from './scoped-port.ts';
import { Seen } from './seen.ts';
import { versionFor, versionOfTask } from './version.ts';
import { type StoredView, takeApart, toTask, type View, viewOf } from './view.ts';

/**
 * The store as the official A2A SDK wants one; of 1.x (`save`, `load`, `list`) and 0.3.x (`save`, `load`) alike.
 *
 * Every task comes back deeply equal to what was saved, and is an ordinary task of the store: `listTasks` shows it, sync
 * pushes it, a task manager reads it. A save writes only what is new. Tasks belong to the context's tenant and owner; an
 * unauthenticated caller without a tenant is the store's absent `callerId`.
 *
 * A loaded task is the caller's own down to its lists (history, artifacts, their parts), metadata and status; the messages
 * and parts in them are shared and frozen, so that a save can tell by identity what is new.
 *
 * Where a task was changed elsewhere (another tab, another request) since it was loaded, a save that only adds to it keeps
 * both changes; another is refused.
 *
 * @throws TaskStoreError `UNSUPPORTED` where the store is not one of this machine. `save` rejects with `CONFLICT` (see
 * above) or `INVALID_ARGUMENT` (a value that cannot be stored, such as a function); `list` with the SDK's
 * `RequestMalformedError` for a page token that no list gave.
 * @example
 * const store = await openTaskStore({ name: 'my-agent' });
 * const handler = new DefaultRequestHandler(agentCard, toA2ATaskStore(store), executor);
 */
export function toA2ATaskStore(store: TaskStore, options: A2ATaskStoreOptions = {}): SdkTaskStore {
  return new A2ATaskStore(new ScopedPort(store, options, 'toA2ATaskStore')) as unknown as SdkTaskStore;
}

/** More writers than this at one task at once are not waited for. */
const MAX_ATTEMPTS = 100;

class A2ATaskStore {
  readonly #port: StorePort;
  readonly #scoped: ScopedPort;
  readonly #codecs: Readonly<Record<Version, Codec>>;
  readonly #known: KnownTasks = new Map();
  readonly #seen = new Seen();
  /** States that were not stored, or not yet, each with what its saver saw before: a later save adds to that. */
  readonly #unsaved = new WeakMap<View, View | undefined>();

  constructor(scoped: ScopedPort) {
    this.#scoped = scoped;
    this.#port = scoped.port;
    const { now } = scoped.port;
    this.#codecs = { '0.3': new Codec('0.3', now), '1.0': new Codec('1.0', now) };
  }

  async load(taskId: string, context?: CallContext): Promise<Fields | undefined> {
    if (!taskId) return undefined;
    const key = this.#scoped.keyOf(taskId, context);
    return this.#port.run('load', taskId, async () => {
      const view = await this.#read(key, (head) => versionFor(context, head.body));
      return view && this.#seen.handOut(toTask(view), view);
    });
  }

  async save(task: object, context?: CallContext): Promise<void> {
    const given = task as Fields;
    await this.#port.run('save', given?.id as string, async () => {
      if (typeof given?.id !== 'string' || !given.id) {
        throw invalidField(['id'], 'expected an id');
      }
      const key = this.#scoped.keyOf(given.id, context);
      const codec = this.#codecs[versionOfTask(given)];
      const seen = this.#seen.get(given);
      const next = takeApart(given, seen ?? this.#knownView(encodeKey(key), codec), codec);
      // From now on the caller's object stands for this state; another save of it may begin before this one ends.
      this.#seen.set(given, next);
      await this.#scoped.turns.run(encodeKey(key), () => this.#commit(key, next, seen, codec));
    });
  }

  async list(request: ListRequest, context?: CallContext) {
    return this.#port.run('list', undefined, async () => {
      const { heads, ...page } = await listPage(this.#port, this.#scoped.callerIdOf(context), request);
      const { includeArtifacts = false } = request;
      const tasks = heads.map(async ({ key }) => {
        const record = await this.#port.backend.read(key, selectView({ includeArtifacts }));
        return record ? [toTask(viewOf(record, this.#codecs['1.0'], includeArtifacts))] : [];
      });
      return { tasks: (await Promise.all(tasks)).flat(), ...page };
    });
  }

  /** What is stored, from memory where it is still that. */
  async #read(key: TaskKey, versionFor: (head: TaskHead) => Version): Promise<StoredView | undefined> {
    const name = encodeKey(key);
    const known = this.#known.get(name);
    // A head that only looks the same may be that of another task, made anew in the same moment.
    const isKnown = (head: TaskHead) => head === known?.view.head && versionFor(head) === known?.version;
    const record = await this.#port.backend.read(key, (head) => (isKnown(head) ? selectNothing : selectAll)(head));
    if (!record) {
      this.#known.delete(name);
      return undefined;
    }
    if (known && isKnown(record.head)) return known.view;
    const version = versionFor(record.head);
    const view = viewOf(record, this.#codecs[version]);
    remember(this.#known, name, { view, version });
    return view;
  }

  async #commit(key: TaskKey, next: View, last: View | undefined, codec: Codec): Promise<void> {
    const name = encodeKey(key);
    const seen = this.#unsaved.has(last as View) ? this.#unsaved.get(last as View) : last;
    this.#unsaved.set(next, seen);
    let current = this.#knownView(name, codec) ?? (await this.#read(key, () => codec.version));
    const base = seen ?? current;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      let plan: Plan | undefined;
      const { record } = await this.#port.transact(key, (head, look) => {
        // By identity at first, since a task made anew in the same moment looks the same; by value once it has just been
        // read, since not every backend answers the same object twice.
        plan = undefined;
        if (!(attempt ? isSame : Object.is)(head, current?.head)) {
          const whole = look?.();
          if (!whole) return undefined;
          current = viewOf(whole, codec);
        }
        plan = planSave(next, base, current, codec);
        return plan.command;
      });
      if (plan && record) {
        this.#unsaved.delete(next);
        remember(this.#known, name, {
          view: { ...plan.view, head: record.head, from: plan.isMerged ? undefined : next },
          version: codec.version,
        });
        return;
      }
      current = await this.#read(key, () => codec.version);
    }
    throw conflict();
  }

  #knownView(name: string, { version }: Codec): StoredView | undefined {
    const known = this.#known.get(name);
    return known?.version === version ? known.view : undefined;
  }
}
