/** The SDK's `PushNotificationStore` over a store of ours; of 0.3, whose calls have no context, and of 1.x. */
import type { PushNotificationStore as SdkPushNotificationStore } from '@a2a-js/sdk/server';
import { encodeKey } from '../core/head.ts';
import { copyJson } from '../core/json.ts';
import type { TaskStore } from '../task-store.ts';
import { type Fields, fromPlain, toPlain } from './plain.ts';
import { type A2ATaskStoreOptions, type CallContext, ScopedPort } from './scoped-port.ts';

/** A configuration with the A2A version it was registered over. */
interface Entry {
  readonly config: Fields;
  readonly wireVersion: string;
}

/**
 * Where the official A2A SDK keeps a task's push configurations: beside the tasks, as durable as they are, seen by nobody
 * but their owner, and never pushed by sync. A configuration without an `id` gets one, in place. They stay until they are
 * deleted here, also where the task is gone.
 *
 * @throws TaskStoreError `UNSUPPORTED` where the store is not one of this machine
 * @example new DefaultRequestHandler(card, toA2ATaskStore(store), executor, undefined, toPushNotificationStore(store));
 */
export function toPushNotificationStore(store: TaskStore, options: A2ATaskStoreOptions = {}): SdkPushNotificationStore {
  return new A2APushNotificationStore(
    new ScopedPort(store, options, 'toPushNotificationStore'),
  ) as unknown as SdkPushNotificationStore;
}

class A2APushNotificationStore {
  readonly #scoped: ScopedPort;

  constructor(scoped: ScopedPort) {
    this.#scoped = scoped;
  }

  async save(
    taskId: string,
    ...[given, last]: [context: CallContext, config: Fields] | [config: Fields]
  ): Promise<void> {
    const [context, config] = last ? [given as CallContext, last] : [undefined, given as Fields];
    // As in the SDK: without contexts a task has one configuration, unless they are named.
    config.id ||= context ? this.#scoped.port.newId() : taskId;
    const wireVersion = context?.requestedVersion || '0.3';
    const entry = copyJson({ config: toPlain(config) as Fields, wireVersion });
    return this.#change('save', taskId, context, config.id, [entry]);
  }

  async load(taskId: string, context?: CallContext): Promise<Fields[]> {
    return (await this.loadWithMetadata(taskId, context)).map(({ config }) => config);
  }

  async loadWithMetadata(taskId: string, context?: CallContext): Promise<Entry[]> {
    const read = () => this.#scoped.port.backend.getMeta(this.#nameOf(taskId, context));
    return structuredClone(fromPlain((await this.#scoped.port.run('load', taskId, read)) ?? [])) as Entry[];
  }

  /** The one named after the task by default, as in the SDK. */
  async delete(taskId: string, given?: CallContext | string, last = taskId): Promise<void> {
    const [context, configId] = typeof given === 'string' ? [undefined, given] : [given, last];
    return this.#change('delete', taskId, context, configId, []);
  }

  #change(operation: string, taskId: string, context: CallContext | undefined, id: unknown, added: readonly Entry[]) {
    const { port } = this.#scoped;
    const name = this.#nameOf(taskId, context);
    const change = async () => {
      const entries = ((await port.backend.getMeta(name)) ?? []) as readonly Entry[];
      const changed = [...entries.filter(({ config }) => config.id !== id), ...added];
      await port.backend.setMeta(name, changed[0] && changed);
    };
    return port.run(operation, taskId, () => this.#scoped.turns.run(name, change));
  }

  #nameOf(taskId: string, context: CallContext | undefined): string {
    return `a2a-push:${encodeKey(this.#scoped.keyOf(taskId, context))}`;
  }
}
