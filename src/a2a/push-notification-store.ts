/** The SDK's `PushNotificationStore` over a store of ours. */
import type { PushNotificationStore as SdkPushNotificationStore } from '@a2a-js/sdk/server';
import { encodeKey } from '../core/head.ts';
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

  /** Of 0.3: `save(taskId, config)`. */
  async save(taskId: string, contextOrConfig: CallContext | Fields, given?: object): Promise<void> {
    const context = given && (contextOrConfig as CallContext);
    const config = (given ?? contextOrConfig) as Fields;
    config.id ||= context ? this.#port.environment.newId() : taskId;
    const entry = { config: toPlain(config) as Fields, wireVersion: context?.requestedVersion || '0.3' };
    await this.#change('save', taskId, context, (entries) => [...without(entries, config.id), entry]);
  }

  async load(taskId: string, context?: CallContext): Promise<Fields[]> {
    return (await this.loadWithMetadata(taskId, context)).map(({ config }) => config);
  }

  async loadWithMetadata(taskId: string, context?: CallContext): Promise<Entry[]> {
    const entries = await this.#port.run('load', taskId, () => this.#read(this.#nameOf(taskId, context)));
    return entries.map(({ config, wireVersion }) => ({
      config: structuredClone(fromPlain(config)) as Fields,
      wireVersion,
    }));
  }

  /** Of 0.3: `delete(taskId, configId?)`. The one named after the task by default, as in the SDK. */
  async delete(taskId: string, contextOrId?: CallContext | string, configId: unknown = taskId): Promise<void> {
    const isOld = typeof contextOrId === 'string';
    const [context, id] = isOld ? [undefined, contextOrId] : [contextOrId, configId];
    await this.#change('delete', taskId, context, (entries) => without(entries, id));
  }

  #change(
    operation: string,
    taskId: string,
    context: CallContext | undefined,
    change: (entries: readonly Entry[]) => readonly Entry[],
  ): Promise<void> {
    const name = this.#nameOf(taskId, context);
    return this.#port.run(operation, taskId, () => {
      const changed = this.#changing.then(async () => {
        const entries = change(await this.#read(name));
        await this.#port.setMeta(name, entries.length > 0 ? entries : undefined);
      });
      this.#changing = changed.catch(() => {});
      return changed;
    });
  }

  async #read(name: string): Promise<readonly Entry[]> {
    return ((await this.#port.getMeta(name)) as readonly Entry[] | undefined) ?? [];
  }

  #nameOf(taskId: string, context: CallContext | undefined): string {
    const callerId = callerIdOf(context, this.#ownerResolver);
    return `a2a-push:${encodeKey({ callerId, taskType: 'incoming', taskId })}`;
  }
}

function without(entries: readonly Entry[], id: unknown): readonly Entry[] {
  return entries.filter(({ config }) => !isObject(config) || config.id !== id);
}
