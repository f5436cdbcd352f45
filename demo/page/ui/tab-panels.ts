/** Panels of which one is seen, with tabs for pointer, keyboard and screen reader. */
import { el, newDomId, setAttribute } from './dom.ts';

export interface Panel {
  readonly name: string;
  readonly content: HTMLElement;
  /** Called each time the panel comes into sight. */
  readonly onShow?: () => void;
}

export class TabPanels {
  readonly element: HTMLElement;
  readonly #panels: readonly Panel[];
  readonly #tabs: HTMLElement[];
  readonly #boxes: HTMLElement[];
  #shown = 0;

  constructor(label: string, panels: readonly Panel[]) {
    this.#panels = panels;
    const ids = panels.map(() => newDomId('panel'));
    this.#tabs = panels.map(({ name }, i) =>
      el(
        'button',
        { type: 'button', role: 'tab', id: `${ids[i]}-tab`, 'aria-controls': ids[i], onclick: () => this.show(i) },
        name,
      ),
    );
    this.#boxes = panels.map(({ content }, i) =>
      el('div', { role: 'tabpanel', id: ids[i], 'aria-labelledby': `${ids[i]}-tab`, tabindex: 0 }, content),
    );
    const onkeydown = (event: Event) => this.#onKey(event as KeyboardEvent);
    const tabs = el('div', { class: 'tabs', role: 'tablist', 'aria-label': label, onkeydown }, ...this.#tabs);
    this.element = el('div', { class: 'tab-panels' }, tabs, ...this.#boxes);
    this.show(0);
  }

  isShown(name: string): boolean {
    return this.#panels[this.#shown]?.name === name;
  }

  show(index: number): void {
    this.#shown = index;
    for (const [i, tab] of this.#tabs.entries()) {
      setAttribute(tab, 'aria-selected', String(i === index));
      tab.tabIndex = i === index ? 0 : -1;
    }
    for (const [i, box] of this.#boxes.entries()) box.hidden = i !== index;
    this.#panels[index]?.onShow?.();
  }

  #onKey(event: KeyboardEvent): void {
    const { length } = this.#tabs;
    const moves: Record<string, number> = {
      ArrowRight: (this.#shown + 1) % length,
      ArrowLeft: (this.#shown + length - 1) % length,
      Home: 0,
      End: length - 1,
    };
    const to = moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.show(to);
    this.#tabs[to]?.focus();
  }
}
