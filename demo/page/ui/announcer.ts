/** Tells of what happened, in a place that screen readers read out. */
import { el } from './dom.ts';

const SHOWN_MS = 6_000;

export class Announcer {
  readonly element = el('div', { class: 'announcer', role: 'status', 'aria-live': 'polite' });
  #timer: ReturnType<typeof setTimeout> | undefined;

  say(text: string): void {
    clearTimeout(this.#timer);
    this.element.replaceChildren(el('p', {}, text));
    this.#timer = setTimeout(() => this.element.replaceChildren(), SHOWN_MS);
  }

  /** For handlers of events: their failures must be seen too. */
  guard(work: () => Promise<unknown>): () => void {
    return () => {
      work().catch((error: unknown) => this.say(`That failed: ${error instanceof Error ? error.message : error}`));
    };
  }
}
