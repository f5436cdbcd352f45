/** Tells other contexts on the same database what was committed here: which items were added, not the items. */
import type { Committed, Notice } from '../backend.ts';

/**
 * The first change after a while is told at once; those that follow within so many ms of a message share the next. A message
 * of its own costs a change a fifth of its time.
 */
const TELL_EVERY_MS = 40;

export class Announcer {
  readonly channel: BroadcastChannel | undefined;
  #untold: Notice[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(name: string) {
    this.channel = globalThis.BroadcastChannel && new BroadcastChannel(`holdfast:${name}`);
    globalThis.addEventListener?.('pagehide', this.tell);
  }

  announce(committed: readonly Committed[]): void {
    if (!this.channel) return;
    for (const each of committed) this.#untold.push(...toNotices(each));
    // Browsers hold back the timers of pages that nobody sees.
    if (this.#timer === undefined || globalThis.document?.hidden) this.tell();
  }

  readonly tell = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#untold.length === 0) return;
    this.channel?.postMessage(this.#untold);
    this.#untold = [];
    this.#timer = setTimeout(this.tell, TELL_EVERY_MS);
  };

  close(): void {
    this.tell();
    clearTimeout(this.#timer);
    globalThis.removeEventListener?.('pagehide', this.tell);
    this.channel?.close();
  }
}

function toNotices({ before, decision }: Committed): Notice[] {
  if (decision === 'remove' && before) {
    const { key, revision } = before;
    return [{ key, type: 'deleted', revision, statusChanged: false, messages: [0, 0], parts: [] }];
  }
  if (!decision || decision === 'remove' || decision.quiet) return [];
  const { head, messages, parts } = decision;
  const { messageCount = 0, artifacts } = head;
  return [
    {
      key: head.key,
      type: before ? 'updated' : 'created',
      revision: head.revision,
      statusChanged: head.body.status !== before?.body.status,
      messages: [messageCount - messages.length, messageCount],
      parts: parts.map(({ slot, parts: { length } }) => {
        const to = artifacts?.[slot]?.partCount ?? 0;
        return { slot, from: to - length, to };
      }),
    },
  ];
}
