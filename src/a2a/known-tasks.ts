/** The tasks last loaded or saved, so that the next save reads nothing. Bounded: by how many items they hold together. */
import type { Version } from './residue.ts';
import type { StoredView, View } from './view.ts';

/** Messages and parts; some 10 MB of short ones. */
const MAX_ITEMS = 50_000;

export interface KnownTask {
  readonly view: StoredView;
  readonly version: Version;
}

export class KnownTasks {
  readonly #tasks = new Map<string, KnownTask & { readonly size: number }>();
  #size = 0;

  get(key: string): KnownTask | undefined {
    return this.#tasks.get(key);
  }

  /** The one set last is kept however long it is. */
  set(key: string, view: StoredView, version: Version): void {
    this.delete(key);
    const size = sizeOf(view);
    this.#tasks.set(key, { view, version, size });
    this.#size += size;
    for (const oldest of this.#tasks.keys()) {
      if (this.#size <= MAX_ITEMS || oldest === key) return;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    this.#size -= this.#tasks.get(key)?.size ?? 0;
    this.#tasks.delete(key);
  }
}

function sizeOf({ history, artifacts }: View): number {
  const parts = artifacts?.reduce((sum, artifact) => sum + (artifact.parts?.length ?? 0), 0);
  return 1 + (history?.length ?? 0) + (parts ?? 0);
}
