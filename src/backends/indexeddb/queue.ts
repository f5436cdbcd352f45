/** What waits by the name of its task. */
interface Named {
  readonly name: string;
}

/** So many turns of microtasks are waited for what comes next; a caller's own turns come in between. */
const LINGER_TURNS = 24;

/** Resolves when something stands in the queue, or when, by all signs, nothing more is coming for now. */
export async function waitForMore(queue: readonly unknown[]): Promise<void> {
  for (let turn = 0; turn < LINGER_TURNS && queue.length === 0; turn++) await null;
}

/** Those of one task together, in the order they came. */
export function byName<T extends Named>(waiting: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const each of waiting) {
    const group = groups.get(each.name);
    group ? group.push(each) : groups.set(each.name, [each]);
  }
  return groups;
}
