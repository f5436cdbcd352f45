/** The stored task as the JSON that an export holds. */
import type { StoredTask } from 'holdfast';
import { el, setText } from '../ui/dom.ts';
import { download } from '../ui/download.ts';
import { size } from '../ui/format.ts';

const SHOWN = 100_000;

export class RawJson {
  readonly element: HTMLElement;
  readonly #pre = el('pre', { class: 'raw', tabindex: 0, 'aria-label': 'The task as JSON' });
  readonly #size = el('span', { class: 'quiet' });
  #stored: StoredTask | undefined;

  constructor() {
    const save = () => download(`${this.#stored?.id ?? 'task'}.json`, [this.#json()], 'application/json');
    const button = el('button', { type: 'button', onclick: save }, 'Download JSON');
    this.element = el('div', {}, el('p', { class: 'buttons' }, button, this.#size), this.#pre);
  }

  show(stored: StoredTask, isVisible: boolean): void {
    this.#stored = stored;
    if (isVisible) this.draw();
  }

  draw(): void {
    const json = this.#json();
    const isCut = json.length > SHOWN;
    setText(this.#size, isCut ? `${size(json.length)}, of which the beginning is shown` : size(json.length));
    setText(this.#pre, isCut ? `${json.slice(0, SHOWN)}…` : json);
  }

  #json(): string {
    return JSON.stringify(this.#stored, undefined, 2) ?? '';
  }
}
