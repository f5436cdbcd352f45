/** This side and the remote, item by item, for the chosen task. */
import { type StoredTask, type TaskStore, TaskStoreError } from 'holdfast';
import { compare, type Row } from '../sync/compare.ts';
import { readTask, type TaskRef } from '../task-key.ts';
import { el, setText } from '../ui/dom.ts';
import { count, number } from '../ui/format.ts';

const SHOWN_ROWS = 200;
const LOOK_EVERY_MS = 1_500;
const verdicts: Readonly<Record<Row['verdict'], string>> = {
  equal: 'equal',
  pending: 'pending',
  different: 'differs',
  'only there': 'only there',
};

export class BothSides {
  readonly element: HTMLElement;
  readonly #remoteStore: TaskStore | undefined;
  readonly #verdict = el('p', { class: 'verdict', role: 'status' });
  readonly #rows = el('tbody');
  #task: TaskRef | undefined;
  #local: StoredTask | undefined;
  #remote: StoredTask | undefined;
  /** Why the remote could not be read; then what was last seen of it is shown. */
  #trouble = '';
  #isVisible = () => false;

  /** `remoteStore` absent: the store was opened without sync. */
  constructor(remoteStore: TaskStore | undefined) {
    this.#remoteStore = remoteStore;
    const head = ['Item', 'Here', 'Remote', ''].map((name) =>
      el('th', { scope: 'col' }, name || el('span', { class: 'visually-hidden' }, 'Verdict')),
    );
    const table = el('table', { class: 'sides' }, el('thead', {}, el('tr', {}, ...head)), this.#rows);
    const scroller = el('div', { class: 'scroller', tabindex: 0, role: 'region', 'aria-label': 'Both sides' }, table);
    this.element = el('div', {}, this.#verdict, scroller);
    if (remoteStore) setInterval(() => this.#isVisible() && this.look(), LOOK_EVERY_MS);
  }

  show(task: TaskRef, local: StoredTask | undefined, isVisible: () => boolean): void {
    if (this.#task?.id !== task.id || this.#task.callerId !== task.callerId) this.#remote = undefined;
    this.#task = task;
    this.#local = local;
    this.#isVisible = isVisible;
    if (isVisible()) this.#draw();
  }

  /** Asks the remote. */
  async look(): Promise<void> {
    const task = this.#task;
    if (!task || !this.#remoteStore || document.hidden) return;
    try {
      const remote = await readTask(this.#remoteStore, task);
      if (task !== this.#task) return;
      this.#remote = remote;
      this.#trouble = '';
    } catch (error) {
      const code = error instanceof TaskStoreError ? error.code : '';
      this.#trouble = code === 'UNAUTHORIZED' ? 'The remote refuses the key' : 'The remote does not answer';
    }
    this.#draw();
  }

  #draw(): void {
    if (!this.#remoteStore) {
      setText(this.#verdict, 'This store was opened without sync: there is no remote.');
      return;
    }
    const rows = compare(this.#local, this.#remote);
    const apart = rows.filter(({ verdict }) => verdict !== 'equal');
    this.#verdict.dataset.verdict = this.#trouble ? 'unknown' : apart.length === 0 ? 'equal' : 'apart';
    setText(this.#verdict, this.#describe(rows.length, apart));
    // What differs comes first in a list that is cut.
    const shown = rows.length > SHOWN_ROWS ? [...apart, ...rows.filter((row) => !apart.includes(row))] : rows;
    this.#rows.replaceChildren(...shown.slice(0, SHOWN_ROWS).map(toRow));
  }

  #describe(total: number, apart: readonly Row[]): string {
    const pending = apart.filter(({ verdict }) => verdict === 'pending').length;
    const others = apart.length - pending;
    const parts = [
      pending > 0 && `${count(pending, 'item')} pending`,
      others > 0 && `${count(others, 'item')} different`,
    ].filter(Boolean);
    const both = apart.length === 0 ? `Both sides are equal, item for item: ${number(total)}.` : `${parts.join(', ')}.`;
    return this.#trouble ? `${this.#trouble}. As it was last seen: ${both}` : both;
  }
}

function toRow({ name, local, remote, verdict }: Row): HTMLElement {
  const mark = el('span', { class: 'mark', 'data-verdict': verdict }, verdicts[verdict]);
  const side = (text = '–') => el('td', {}, text.length > 90 ? `${text.slice(0, 89)}…` : text);
  return el('tr', {}, el('th', { scope: 'row' }, name), side(local), side(remote), el('td', {}, mark));
}
