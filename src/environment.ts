/** What this place offers. Looked up when a store is opened, never when a module is loaded, so that tests and hosts can differ. */
export interface Environment {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** A fresh unique id. */
  readonly newId: () => string;
}

/** Pages that did not come by https have no `randomUUID`. */
function newId(): string {
  return crypto.randomUUID?.() ?? crypto.getRandomValues(new Uint32Array(4)).join('-');
}

export function defaultEnvironment(): Environment {
  return { now: Date.now, newId };
}
