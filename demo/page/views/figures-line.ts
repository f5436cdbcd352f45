/** The line of figures, and a burst of appends that makes them move. */
import type { TaskStore } from 'holdfast';
import type { Figures } from '../figures.ts';
import type { RequestLog } from '../sync/request-log.ts';
import type { Announcer } from '../ui/announcer.ts';
import { el, setText } from '../ui/dom.ts';
import { number } from '../ui/format.ts';

const DRAW_EVERY_MS = 500;
const BURST = 1_000;

export function figuresLine(figures: Figures, log: RequestLog, store: TaskStore, announcer: Announcer): HTMLElement {
  const perSecond = el('b', {}, '0');
  const last = el('b', {}, '–');
  const saved = el('b', {}, '0');
  const draw = () => {
    const { items, requests } = log.totals;
    setText(perSecond, number(Math.round(figures.perSecond)));
    setText(last, figures.lastMs === undefined ? '–' : `${figures.lastMs.toFixed(1)} ms`);
    setText(saved, `${number(items - requests)} of ${number(items)}`);
  };
  setInterval(draw, DRAW_EVERY_MS);
  const run = announcer.guard(async () => {
    const ms = await burst(store);
    draw();
    announcer.say(`${number(BURST)} appends, each stored, in ${number(Math.round(ms))} ms.`);
  });
  return el(
    'footer',
    { class: 'figures', 'aria-label': 'Figures' },
    el('span', {}, perSecond, ' appends a second'),
    el('span', {}, last, ' for the last append'),
    el('span', {}, saved, ' requests saved by batching'),
    el('button', { type: 'button', class: 'small', onclick: run }, `Append ${number(BURST)}`),
  );
}

/** One task to which so many messages are appended, none waiting for the one before. @returns milliseconds */
async function burst(store: TaskStore): Promise<number> {
  const id = crypto.randomUUID();
  const say = (role: 'user' | 'agent', text: string) => ({ role, parts: [{ type: 'text' as const, text }] });
  const metadata = { title: `A burst of ${number(BURST)} messages` };
  await store.upsertTask({ id, message: say('user', 'Count, please.'), metadata });
  const view = { historyLength: 0, includeArtifacts: false };
  const began = performance.now();
  const appends = Array.from({ length: BURST }, (_, i) =>
    store.updateTask(id, { newMessages: [say('agent', String(i + 1))] }, view),
  );
  await Promise.all(appends);
  const ms = performance.now() - began;
  await store.updateTask(id, { status: { state: 'completed' } }, view);
  return ms;
}
