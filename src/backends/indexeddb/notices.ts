/** Tells other contexts on the same database what was committed here: which items were added, not the items. */
import type { Change, TaskHead } from '../../core/head.ts';
import type { Committed, Notice } from '../backend.ts';

export function toNotice({ before, decision }: Committed): Notice | undefined {
  if (decision === 'remove' && before) {
    const { key, revision } = before;
    return { key, type: 'deleted', revision, statusChanged: false, messages: [0, 0], parts: [] };
  }
  if (!decision || decision === 'remove' || decision.quiet) return undefined;
  const { head, parts } = decision as Change;
  const kept = decision.reset ? undefined : before;
  return {
    key: head.key,
    type: before ? 'updated' : 'created',
    revision: head.revision,
    statusChanged: head.body.status !== before?.body.status,
    messages: [kept?.messageCount ?? 0, head.messageCount ?? 0],
    parts: parts.map(({ slot }) => ({ slot, from: partCount(kept, slot), to: partCount(head, slot) })),
  };
}

function partCount(head: TaskHead | undefined, slot: number): number {
  return head?.artifacts?.[slot]?.partCount ?? 0;
}
