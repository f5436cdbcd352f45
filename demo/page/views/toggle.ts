/** A switch with its name and what it does. */
import { el, newDomId } from '../ui/dom.ts';

export class Toggle {
  readonly element: HTMLElement;
  readonly #box: HTMLInputElement;

  constructor(name: string, meaning: string, onChange: (isOn: boolean) => void) {
    const id = newDomId('toggle');
    this.#box = el('input', {
      type: 'checkbox',
      role: 'switch',
      id,
      'aria-describedby': `${id}-meaning`,
      onchange: () => onChange(this.#box.checked),
    });
    const text = el('span', { class: 'toggle-text' }, el('label', { for: id }, name));
    text.append(el('small', { class: 'quiet', id: `${id}-meaning` }, meaning));
    this.element = el('div', { class: 'toggle' }, this.#box, text);
  }

  show(isOn: boolean): void {
    this.#box.checked = isOn;
  }
}
