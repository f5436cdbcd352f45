/** The tasks last loaded or saved, so that the next save reads nothing. */
import type { Version } from './residue.ts';
import type { StoredView } from './view.ts';

/** So many that a busy agent's running tasks are among them; each holds what the SDK would hold of it, once. */
const MAX_TASKS = 64;

interface KnownTask {
  readonly view: StoredView;
  readonly version: Version;
}

export type KnownTasks = Map<string, KnownTask>;

/** The one that was set longest ago makes room. */
export function remember(known: KnownTasks, key: string, task: KnownTask): void {
  known.delete(key);
  if (known.set(key, task).size > MAX_TASKS) known.delete(known.keys().next().value as string);
}
