/** The request log: each attempt and how it ended. */
import type { Attempt } from '../sync/faulty-fetch.ts';
import type { RequestLog } from '../sync/request-log.ts';
import { el, onceAFrame } from '../ui/dom.ts';
import { number } from '../ui/format.ts';

const SHOWN = 100;

export function logTable(log: RequestLog): HTMLElement {
  const names = ['Time', 'Request', 'Changes', 'Outcome', 'ms'];
  const rows = el('tbody');
  const head = el('tr', {}, ...names.map((name) => el('th', { scope: 'col' }, name)));
  const table = el('table', { class: 'log' }, el('thead', {}, head), rows);
  const empty = el('p', { class: 'empty' }, 'No request yet.');
  const clear = el('button', { type: 'button', class: 'small', onclick: () => log.clear() }, 'Clear');
  const draw = onceAFrame(() => {
    rows.replaceChildren(...log.attempts.slice(0, SHOWN).map(toRow));
    table.hidden = log.attempts.length === 0;
    empty.hidden = log.attempts.length > 0;
  });
  log.subscribe(draw);
  draw();
  return el(
    'section',
    { 'aria-labelledby': 'log-title' },
    el('header', { class: 'card-head' }, el('h3', { id: 'log-title' }, 'Requests'), clear),
    el(
      'div',
      { class: 'scroller log-scroller', tabindex: 0, role: 'region', 'aria-label': 'Request log' },
      table,
      empty,
    ),
  );
}

function toRow({ at, method, path, items, outcome, status, ms }: Attempt): HTMLElement {
  const ended = status === undefined ? outcome : `${outcome}: ${status}`;
  const isGood = outcome === 'answered' && status === 200;
  const verdict = outcome === 'under way' ? 'open' : isGood ? 'good' : 'bad';
  return el(
    'tr',
    {},
    el('td', {}, new Date(at).toLocaleTimeString('en-GB')),
    el('td', { class: 'path', title: path }, `${method} ${shorten(path)}`),
    el('td', { class: 'number' }, items ? number(items) : '–'),
    el('td', {}, el('span', { class: 'outcome', 'data-outcome': verdict }, ended)),
    el('td', { class: 'number' }, ms === undefined ? '' : number(Math.round(ms))),
  );
}

/** Of an id at the end, the beginning. */
function shorten(path: string): string {
  return path.replace(/(?<=\/)([^/]{8})[^/]{4,}$/, '$1…');
}
