/** The SDK's `PushNotificationStore` over a store of ours. */
import type { PushNotificationStore as SdkPushNotificationStore } from '@a2a-js/sdk/server';
import { encodeKey } from '../core/head.ts';
import { copyJson } from '../core/json.ts';
import type { StorePort } from '../store-port.ts';
import type { TaskStore } from '../task-store.ts';
import { type Fields, fromPlain, isObject, toPlain } from './plain.ts';
import { requirePort } from './require-port.ts';
import { type CallContext, callerIdOf } from './scope.ts';
import type { A2ATaskStoreOptions, OwnerResolver } from './task-store.ts';

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
 * Of 1.x, and of 0.3.x, whose calls have no context.
 *
 * @throws TaskStoreError `UNSUPPORTED` where the store is not one of this machine
 * @example new DefaultRequestHandler(card, toA2ATaskStore(store), executor, undefined, toPushNotificationStore(store));
 */
export function toPushNotificationStore(store: TaskStore, options: A2ATaskStoreOptions = {}): SdkPushNotificationStore {
  return new A2APushNotificationStore(
    requirePort(store, 'toPushNotificationStore'),
    options,
  ) as unknown as SdkPushNotificationStore;
}

class A2APushNotificationStore {
  readonly #port: StorePort;
  readonly #ownerResolver: OwnerResolver | undefined;
  /** Changes, one after the other: each reads what is there first. */
  #changing: Promise<unknown> = Promise.resolve();

  constructor(port: StorePort, { ownerResolver }: A2ATaskStoreOptions) {
    this.#port = port;
    this.#ownerResolver = ownerResolver;
  }

  /** `save(taskId, context, config)`; of 0.3: `save(taskId, config)`. */
  save(taskId: string, ...given: [...context: CallContext[], config: Fields]): Promise<void> {
    const [config, context] = given.reverse() as [Fields, CallContext?];
    config.id ||= context ? this.#port.environment.newId() : taskId;
    const wireVersion = context?.requestedVersion || '0.3';
    const entry = copyJson({ config: toPlain(config) as Fields, wireVersion });
    return this.#change('save', taskId, context, config.id, [entry]);
  }

  async load(taskId: string, context?: CallContext): Promise<Fields[]> {
    return (await this.loadWithMetadata(taskId, context)).map(({ config }) => config);
  }

  async loadWithMetadata(taskId: string, context?: CallContext): Promise<Entry[]> {
    const read = () => this.#port.getMeta(this.#nameOf(taskId, context));
    return structuredClone(fromPlain((await this.#port.run('load', taskId, read)) ?? [])) as Entry[];
  }

  /**
   * `delete(taskId, context, configId?)`; of 0.3: `delete(taskId, configId?)`. The one named after the task by default, as
   * in the SDK.
   */
  delete(taskId: string, ...given: (CallContext | string | undefined)[]): Promise<void> {
    const configId = given.find((value) => typeof value === 'string') ?? taskId;
    return this.#change('delete', taskId, given.find(isObject) as CallContext | undefined, configId, []);
  }

  #change(operation: string, taskId: string, context: CallContext | undefined, id: unknown, added: readonly Entry[]) {
    const name = this.#nameOf(taskId, context);
    return this.#port.run(operation, taskId, async () => {
      const change = this.#changing.then(async () => {
        const entries = ((await this.#port.getMeta(name)) ?? []) as readonly Entry[];
        const changed = [...entries.filter(({ config }) => config.id !== id), ...added];
        await this.#port.setMeta(name, changed.length > 0 ? changed : undefined);
      });
      this.#changing = change.catch(() => {});
      await change;
    });
  }

  #nameOf(taskId: string, context: CallContext | undefined): string {
    const callerId = callerIdOf(context, this.#ownerResolver);
    return `a2a-push:${encodeKey({ callerId, taskType: 'incoming', taskId })}`;
  }
}
