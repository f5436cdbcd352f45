/** Tells other contexts on the same database what was committed here: which items were added, not the items. */
import type { Committed, Notice } from '../backend.ts';

export function toNotice({ before, decision }: Committed): Notice | undefined {
  if (decision === 'remove' && before) {
    const { key, revision } = before;
    return { key, type: 'deleted', revision, statusChanged: false, messages: [0, 0], parts: [] };
  }
  if (!decision || decision === 'remove' || decision.quiet) return undefined;
  const { head, messages, parts } = decision;
  const { messageCount = 0, artifacts } = head;
  return {
    key: head.key,
    type: before ? 'updated' : 'created',
    revision: head.revision,
    statusChanged: head.body.status !== before?.body.status,
    messages: [messageCount - messages.length, messageCount],
    parts: parts.map(({ slot, parts: { length } }) => {
      const to = artifacts?.[slot]?.partCount ?? 0;
      return { slot, from: to - length, to };
    }),
  };
}
