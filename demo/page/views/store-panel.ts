/** The store itself: what it is, how much room it takes, whether the browser may clear it, and all of it in and out. */
import type { TaskStore } from 'holdfast';
import type { Announcer } from '../ui/announcer.ts';
import { el, setText } from '../ui/dom.ts';
import { download } from '../ui/download.ts';
import { count, size } from '../ui/format.ts';

const LOOK_EVERY_MS = 10_000;
const survival = {
  nothing: 'kept until this tab closes',
  process: 'kept when the tab or the browser ends',
  'power-cut': 'kept through a power cut',
} as const;

export class StorePanel {
  readonly element: HTMLElement;
  readonly #store: TaskStore;
  readonly #announcer: Announcer;
  readonly #used = el('dd', {}, '…');
  readonly #persistence = el('dd', {}, '…');
  readonly #ask: HTMLButtonElement;

  constructor(store: TaskStore, announcer: Announcer) {
    this.#store = store;
    this.#announcer = announcer;
    const { kind, location, survives } = store.backend;
    this.#ask = el(
      'button',
      { type: 'button', hidden: true, onclick: announcer.guard(() => this.#persist()) },
      'Ask to keep it',
    );
    const file = el('input', { type: 'file', class: 'visually-hidden', id: 'import', accept: '.jsonl,.ndjson,.json' });
    file.addEventListener('change', () => {
      const [chosen] = file.files ?? [];
      file.value = '';
      if (chosen) announcer.guard(() => this.#import(chosen))();
    });
    this.element = el(
      'section',
      { class: 'card store-panel', 'aria-labelledby': 'store-title' },
      el('h2', { id: 'store-title' }, 'Store'),
      el(
        'dl',
        {},
        el('dt', {}, 'Where'),
        el('dd', {}, `${kind}, ${location}; ${survival[survives]}`),
        el('dt', {}, 'Used'),
        this.#used,
        el('dt', {}, 'Persistence'),
        this.#persistence,
      ),
      el(
        'div',
        { class: 'buttons' },
        this.#ask,
        el('button', { type: 'button', onclick: announcer.guard(() => this.#export()) }, 'Export'),
        file,
        el('label', { for: 'import', class: 'button' }, 'Import'),
      ),
    );
    this.#look();
    setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  async #look(): Promise<void> {
    // WebKit's older engines have neither.
    const { usage, quota } = (await navigator.storage?.estimate?.()) ?? {};
    const used = usage === undefined ? 'The browser does not say.' : size(usage);
    setText(this.#used, quota === undefined ? used : `${used} of ${size(quota)}`);
    const isPersisted = await navigator.storage?.persisted?.();
    this.#ask.hidden = isPersisted !== false;
    setText(
      this.#persistence,
      isPersisted ? 'Granted: only you can clear it.' : 'Not granted: a full disk may clear it.',
    );
  }

  async #persist(): Promise<void> {
    const isGranted = await navigator.storage.persist();
    this.#announcer.say(isGranted ? 'The browser will keep it.' : 'The browser did not grant it now; it may later.');
    await this.#look();
  }

  async #export(): Promise<void> {
    const lines: string[] = [];
    for await (const line of this.#store.exportTasks()) lines.push(line);
    download('holdfast.jsonl', lines, 'application/x-ndjson');
    this.#announcer.say(`Exported: ${count(lines.length, 'task')}.`);
  }

  async #import(file: File): Promise<void> {
    const { imported, skipped, failed } = await this.#store.importTasks(chunks(file));
    const bad = failed[0]
      ? `; ${count(failed.length, 'line')} could not be read, the first is line ${failed[0].line}`
      : '';
    this.#announcer.say(`Imported: ${count(imported, 'task')}; ${skipped} were here already${bad}.`);
    await this.#look();
  }
}

/** A file of any size, piece by piece. */
async function* chunks(file: File): AsyncGenerator<Uint8Array> {
  const reader = file.stream().getReader();
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) yield chunk.value;
}
