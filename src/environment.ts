/** What this place offers. Looked up when a store is opened, never when a module is loaded, so that tests and hosts can differ. */
export interface Environment {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** A fresh unique id. */
  readonly newId: () => string;
}

export function defaultEnvironment(): Environment {
  return { now: Date.now, newId: () => crypto.randomUUID() };
}
