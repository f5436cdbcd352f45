/** What is told of a commit: which items were added, not the items. */
import type { ArtifactHead } from '../core/head.ts';
import type { Committed, Notice } from './backend.ts';

export function toNotice({ before, decision, record }: Committed): Notice | undefined {
  const change = decision === 'remove' ? undefined : decision;
  const head = change ? change.head : before;
  if (!decision || !head || change?.quiet) return undefined;
  const { key, updatedAt, revision, body, messageCount = 0, artifacts } = head;
  return {
    key,
    id: record?.id,
    type: change ? (before ? 'updated' : 'created') : 'deleted',
    updatedAt,
    revision,
    ...(body.status !== before?.body.status && { status: body.status }),
    ...(change?.reset && { whole: true }),
    messages: change ? [messageCount - change.messages.length, messageCount] : [0, 0],
    parts: (change?.parts ?? []).map(({ slot, parts: { length } }) => {
      const { partCount: to, header } = (artifacts as ArtifactHead[])[slot] as ArtifactHead;
      return { slot, from: to - length, to, header };
    }),
  };
}
