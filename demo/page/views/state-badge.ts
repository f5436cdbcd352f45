/** A task's state as a word in a colour. */
import { el, setText } from '../ui/dom.ts';
import { stateName } from '../ui/format.ts';

export function stateBadge(state: string): { readonly element: HTMLElement; show(state: string): void } {
  const element = el('span', { class: 'badge' });
  const show = (shown: string) => {
    element.dataset.state = shown;
    setText(element, stateName(shown));
  };
  show(state);
  return { element, show };
}
