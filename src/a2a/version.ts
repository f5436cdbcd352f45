/** Which version of the SDK is calling. */
import { isObject } from '../core/json.ts';
import type { Fields } from './plain.ts';
import type { Version } from './residue.ts';

export function versionOfTask(task: Fields): Version {
  return task.kind === 'task' ? '0.3' : '1.0';
}

/** The contexts of both versions tell what they are; others get the task as it was saved. */
export function versionFor(context: object | undefined, { a2a }: Readonly<Fields>): Version {
  if (context && 'requestedVersion' in context) return '1.0';
  if (context && 'addActivatedExtension' in context) return '0.3';
  return isObject(a2a) ? (a2a.version as Version) : context ? '1.0' : '0.3';
}
