/** The page's name, which tabs are open, and which of them pushes. */
import type { TabPresence } from '../tab-presence.ts';
import { el } from '../ui/dom.ts';

export function pageHeader(presence: TabPresence): HTMLElement {
  const tabs = el('ul', { class: 'open-tabs', 'aria-label': 'Open tabs' });
  const draw = () => {
    const items = presence.tabs.map(({ name, isThis, pushes }) => {
      const words = [`Tab ${name}`, isThis && 'this one', pushes && 'pushes'].filter(Boolean).join(', ');
      return el('li', { 'data-pushes': String(pushes), 'data-this': String(isThis) }, words);
    });
    const text = (nodes: Iterable<Element>) => [...nodes].map(({ textContent }) => textContent).join();
    if (text(items) !== text(tabs.children)) tabs.replaceChildren(...items);
  };
  presence.subscribe(draw);
  draw();
  return el(
    'header',
    { class: 'page-head' },
    el(
      'div',
      {},
      el('h1', {}, 'Holdfast'),
      el(
        'p',
        { class: 'quiet' },
        'An agent in a browser tab that loses nothing. Reload, close or crash it in the middle: it goes on.',
      ),
    ),
    tabs,
  );
}
