/** Gives the agent a text: typed, pasted, or a file chosen or dropped. */
import type { Message } from 'holdfast';
import { toBase64 } from '../agent/base64.ts';
import { sampleText } from '../agent/sample-text.ts';
import { allPaces, type Pace, type PaceSetting } from '../pace.ts';
import type { Announcer } from '../ui/announcer.ts';
import { el, setText } from '../ui/dom.ts';
import { size } from '../ui/format.ts';

/** Coded as base64 in a request, a file must stay under what the endpoint takes. */
const LARGEST_FILE = 1_000_000;

export interface ComposerOptions {
  readonly pace: PaceSetting;
  readonly announcer: Announcer;
  readonly onText: (message: Message, title: string) => Promise<void>;
}

export class Composer {
  readonly element: HTMLElement;
  readonly #options: ComposerOptions;
  readonly #text = el('textarea', {
    id: 'text',
    rows: 5,
    placeholder: 'Type or paste a text, or drop a file here',
    'aria-describedby': 'text-hint',
  });
  readonly #hint = el('p', { class: 'quiet', id: 'text-hint' });

  constructor(options: ComposerOptions) {
    this.#options = options;
    const { announcer } = options;
    const file = el('input', {
      type: 'file',
      class: 'visually-hidden',
      id: 'file',
      accept: 'text/*,.md,.txt,.csv,.json',
    });
    file.addEventListener('change', () => {
      const [chosen] = file.files ?? [];
      file.value = '';
      if (chosen) announcer.guard(() => this.#sendFile(chosen))();
    });
    const send = announcer.guard(() => this.#sendText());
    const onkeydown = (event: Event) => {
      const { key, ctrlKey, metaKey } = event as KeyboardEvent;
      if (key === 'Enter' && (ctrlKey || metaKey)) send();
    };
    this.#text.addEventListener('keydown', onkeydown);
    const useSample = () => {
      this.#text.value = sampleText;
      this.#text.focus();
    };
    this.element = el(
      'section',
      { class: 'card composer', 'aria-labelledby': 'composer-title' },
      el('h2', { id: 'composer-title' }, 'Give the agent a text'),
      el('label', { for: 'text', class: 'visually-hidden' }, 'The text'),
      this.#text,
      this.#hint,
      el(
        'div',
        { class: 'buttons' },
        el('button', { type: 'button', class: 'primary', onclick: send }, 'Analyse'),
        el('button', { type: 'button', onclick: useSample }, 'Use a sample'),
        file,
        el('label', { for: 'file', class: 'button' }, 'Choose a file'),
        this.#paceChoice(),
      ),
    );
    setText(this.#hint, 'It is kept in this browser before anything else happens.');
    this.#takeDrops();
  }

  #paceChoice(): HTMLElement {
    const { pace } = this.#options;
    const choice = el('select', { id: 'pace', onchange: () => pace.set(choice.value as Pace) });
    choice.append(...allPaces.map((name) => el('option', { value: name, selected: name === pace.pace }, name)));
    return el('span', { class: 'field' }, el('label', { for: 'pace' }, 'Pace'), choice);
  }

  #takeDrops(): void {
    const over = (isOver: boolean) => (event: Event) => {
      event.preventDefault();
      this.element.classList.toggle('drop', isOver);
    };
    this.element.addEventListener('dragover', over(true));
    this.element.addEventListener('dragleave', over(false));
    this.element.addEventListener('drop', (event) => {
      over(false)(event);
      const data = (event as DragEvent).dataTransfer;
      const [dropped] = data?.files ?? [];
      if (dropped) this.#options.announcer.guard(() => this.#sendFile(dropped))();
      else this.#text.value = data?.getData('text/plain') || this.#text.value;
    });
  }

  async #sendText(): Promise<void> {
    const text = this.#text.value.trim();
    if (text === '') {
      this.#options.announcer.say('There is no text yet.');
      this.#text.focus();
      return;
    }
    // At once: a second click must not send it again, and what is typed meanwhile is the next text.
    this.#text.value = '';
    await this.#options.onText({ role: 'user', parts: [{ type: 'text', text }] }, titleOf(text)).catch((error) => {
      this.#text.value ||= text;
      throw error;
    });
  }

  async #sendFile(file: File): Promise<void> {
    if (file.size > LARGEST_FILE) {
      this.#options.announcer.say(`${file.name} is too large: ${size(file.size)} of ${size(LARGEST_FILE)}.`);
      return;
    }
    const bytes = toBase64(new Uint8Array(await file.arrayBuffer()));
    const { name, type: mimeType } = file;
    const part = { type: 'file' as const, file: { name, ...(mimeType && { mimeType }), bytes } };
    await this.#options.onText({ role: 'user', parts: [part] }, name);
  }
}

/** How the text begins. */
function titleOf(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}
