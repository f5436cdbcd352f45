/** The tasks last loaded or saved, so that the next save reads nothing. */
import type { Version } from './residue.ts';
import type { StoredView } from './view.ts';

/** So many that a busy agent's running tasks are among them; each holds what the SDK would hold of it, once. */
const MAX_TASKS = 64;

export interface KnownTask {
  readonly view: StoredView;
  readonly version: Version;
}

export class KnownTasks extends Map<string, KnownTask> {
  /** The one that was set longest ago makes room. */
  override set(key: string, task: KnownTask): this {
    this.delete(key);
    for (const oldest of this.keys()) if (this.size >= MAX_TASKS) this.delete(oldest);
    return super.set(key, task);
  }
}
