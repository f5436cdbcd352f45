/** A task's history, as who said what. Only what is new is drawn; of a long history the end, the rest when asked for. */
import type { Message } from 'holdfast';
import { el } from '../ui/dom.ts';
import { count } from '../ui/format.ts';
import { showPart } from './parts.ts';

const SHOWN_AT_FIRST = 100;
/** In characters. */
const LONG = 500;

export class Conversation {
  readonly element: HTMLElement;
  readonly #list = el('ol', { class: 'conversation', 'aria-label': 'Conversation' });
  readonly #earlier: HTMLButtonElement;
  #history: readonly Message[] = [];
  /** What stands in the list: from here to there. */
  #from = 0;
  #to = 0;

  constructor() {
    this.#earlier = el('button', { type: 'button', onclick: () => this.#showEarlier() });
    this.element = el('div', {}, this.#earlier, this.#list);
  }

  show(history: readonly Message[]): void {
    const isContinued =
      history.length >= this.#to && this.#to > 0 && sameText(history[this.#from], this.#history[this.#from]);
    if (!isContinued) {
      this.#list.replaceChildren();
      this.#from = this.#to = Math.max(0, history.length - SHOWN_AT_FIRST);
    }
    this.#history = history;
    for (const message of history.slice(this.#to)) this.#list.append(showMessage(message));
    this.#to = history.length;
    this.#labelEarlier();
  }

  #showEarlier(): void {
    const from = Math.max(0, this.#from - SHOWN_AT_FIRST);
    this.#list.prepend(...this.#history.slice(from, this.#from).map(showMessage));
    this.#from = from;
    this.#labelEarlier();
  }

  #labelEarlier(): void {
    this.#earlier.hidden = this.#from === 0;
    this.#earlier.textContent = `Show earlier: ${count(this.#from, 'message')}`;
  }
}

function showMessage({ role, parts }: Message): HTMLElement {
  const length = parts.reduce((sum, part) => sum + (part.type === 'text' ? part.text.length : 0), 0);
  // A long message scrolls in itself, and so must be in reach of the keyboard.
  const isLong = length > LONG && { tabindex: 0, role: 'group', 'aria-label': 'A long message' };
  const body = el('div', { class: isLong ? 'bubble long' : 'bubble', ...isLong }, ...parts.map(showPart));
  return el('li', { class: role }, el('span', { class: 'who' }, role === 'user' ? 'You' : 'Agent'), body);
}

function sameText(a: Message | undefined, b: Message | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
