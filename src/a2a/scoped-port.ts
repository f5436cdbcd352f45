/** A store as the adapters see it: its port, and tasks by the SDK's scope (tenant and owner) in place of a `callerId`. */
import type { ServerCallContext } from '@a2a-js/sdk/server';
import { TaskStoreError } from '../core/errors.ts';
import type { TaskKey } from '../core/head.ts';
import { KeyedQueue } from '../core/keyed-queue.ts';
import type { StorePort } from '../store-port.ts';
import type { TaskStore } from '../task-store.ts';

/** Says whose task it is, from the context of a call. */
export type OwnerResolver = (context: ServerCallContext) => string;

export interface A2ATaskStoreOptions {
  /** @default the user's name, or 'unknown' for who is not authenticated */
  readonly ownerResolver?: OwnerResolver | undefined;
}

/** What of a call's context is looked at; the SDK's `ServerCallContext` of 0.3 or 1.x. */
export interface CallContext {
  readonly tenant?: string | undefined;
  readonly user?: { readonly userName: string } | undefined;
  readonly requestedVersion?: string;
}

/** What the SDK, and so we, call somebody who is not authenticated. */
const UNKNOWN = 'unknown';

/** One store may have several adapters, which take turns with each other. */
const turnsOf = new WeakMap<StorePort, KeyedQueue>();

export class ScopedPort {
  declare readonly port: StorePort;
  readonly #ownerResolver: (context: never) => string;
  /** Changes of one name happen one after the other, in the order they came in. */
  declare readonly turns: KeyedQueue;

  /** The SDK writes whole tasks, which only a store with its own transaction can turn into appends. */
  constructor(store: TaskStore, { ownerResolver = defaultOwner }: A2ATaskStoreOptions, operation: string) {
    const { port } = store as TaskStore & { readonly port?: StorePort };
    if (!port) throw new TaskStoreError('UNSUPPORTED', 'needs a store of openTaskStore', { operation });
    this.port = port;
    turnsOf.set(port, (this.turns = turnsOf.get(port) ?? new KeyedQueue()));
    this.#ownerResolver = ownerResolver;
  }

  keyOf(taskId: string, context: CallContext | undefined): TaskKey {
    return { callerId: this.callerIdOf(context), taskType: 'incoming', taskId };
  }

  /**
   * Different for different scopes, whatever they hold. Nobody in particular (no tenant, an unauthenticated user) is the
   * store's absent caller, so that these tasks are those of the plain calls; an owner without a tenant goes by its name.
   */
  callerIdOf(context: CallContext | undefined): string | undefined {
    const tenant = context?.tenant ?? '';
    const owner = context ? this.#ownerResolver(context as never) : UNKNOWN;
    if (tenant || !owner || owner[0] === '[') return JSON.stringify([tenant, owner]);
    return owner === UNKNOWN ? undefined : owner;
  }
}

function defaultOwner({ user }: CallContext): string {
  return user?.userName || UNKNOWN;
}
