/** Whose task it is: the SDK's scope (tenant and owner) as a `callerId`, and which of its versions is calling. */
import { type Fields, isObject } from './plain.ts';
import type { Version } from './residue.ts';

/** What the SDK, and so we, call somebody who is not authenticated. */
const UNKNOWN = 'unknown';

/** What of a call's context is looked at; the SDK's `ServerCallContext` of 0.3 or 1.x. */
export interface CallContext {
  readonly tenant?: string | undefined;
  readonly user?: { readonly userName: string } | undefined;
  readonly requestedVersion?: string;
}

/**
 * Different for different scopes, whatever they hold. Nobody in particular (no tenant, an unauthenticated user) is the
 * store's absent caller, so that these tasks are those of the plain calls; an owner without a tenant goes by its name.
 */
export function callerIdOf(
  context: CallContext | undefined,
  ownerResolver: (context: never) => string = defaultOwner,
): string | undefined {
  const tenant = context?.tenant ?? '';
  const owner = context ? ownerResolver(context as never) : UNKNOWN;
  if (tenant === '' && owner === UNKNOWN) return undefined;
  const isPlain = tenant === '' && owner !== '' && !owner.startsWith('[');
  return isPlain ? owner : JSON.stringify([tenant, owner]);
}

function defaultOwner({ user }: CallContext): string {
  return user?.userName || UNKNOWN;
}

export function versionOfTask(task: Fields): Version {
  return task.kind === 'task' ? '0.3' : '1.0';
}

/** The contexts of both versions tell what they are; others get the task as it was saved. */
export function versionFor(context: unknown, body: Readonly<Fields>): Version {
  if (isObject(context) && 'requestedVersion' in context) return '1.0';
  if (isObject(context) && 'addActivatedExtension' in context) return '0.3';
  const saved = isObject(body.a2a) ? body.a2a.version : undefined;
  return (saved as Version | undefined) ?? (context === undefined ? '0.3' : '1.0');
}
