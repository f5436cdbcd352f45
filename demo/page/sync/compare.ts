/** What this side and the remote hold of one task, item by item. */
import type { Message, Part, StoredTask } from 'holdfast';

export interface Row {
  /** `Message 3`, `Summary, part 2`. */
  readonly name: string;
  readonly local?: string;
  readonly remote?: string;
  readonly verdict: 'equal' | 'pending' | 'different' | 'only there';
}

export function compare(local: StoredTask | undefined, remote: StoredTask | undefined): Row[] {
  const rows: Row[] = [row('State', local?.task.status.state, remote?.task.status.state, (state) => state)];
  const messages = pairs(local?.task.history, remote?.task.history);
  rows.push(...messages.map(([a, b], i) => row(`Message ${i + 1}`, a, b, messageText)));
  const indexes = new Set([...artifactsOf(local), ...artifactsOf(remote)].map(({ index = 0 }) => index));
  for (const index of [...indexes].sort((a, b) => a - b)) {
    const ours = artifactsOf(local).find((artifact) => artifact.index === index);
    const theirs = artifactsOf(remote).find((artifact) => artifact.index === index);
    const name = ours?.name ?? theirs?.name ?? `Artifact ${index}`;
    rows.push(...pairs(ours?.parts, theirs?.parts).map(([a, b], i) => row(`${name}, part ${i + 1}`, a, b, partText)));
  }
  return rows;
}

function artifactsOf(stored: StoredTask | undefined) {
  return stored?.task.artifacts ?? [];
}

function pairs<T>(a: readonly T[] = [], b: readonly T[] = []): [T | undefined, T | undefined][] {
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => [a[i], b[i]]);
}

function row<T>(name: string, local: T | undefined, remote: T | undefined, toText: (item: T) => string): Row {
  return {
    name,
    verdict: verdictOf(local, remote),
    ...(local !== undefined && { local: toText(local) }),
    ...(remote !== undefined && { remote: toText(remote) }),
  };
}

function verdictOf(local: unknown, remote: unknown): Row['verdict'] {
  if (remote === undefined) return 'pending';
  if (local === undefined) return 'only there';
  return canonical(local) === canonical(remote) ? 'equal' : 'different';
}

/** The order of keys means nothing. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function messageText({ role, parts }: Message): string {
  return `${role}: ${parts.map(partText).join(' ')}`;
}

function partText(part: Part): string {
  if (part.type === 'text') return part.text;
  return part.type === 'file' ? `file ${part.file.name ?? ''}` : JSON.stringify(part.data);
}
