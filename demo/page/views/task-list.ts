/** All tasks, with a search and a filter by state. */
import type { TaskState, TaskSummary } from 'holdfast';
import { keyOf, type TaskRef } from '../task-key.ts';
import { el, onceAFrame, setText } from '../ui/dom.ts';
import { allStates, count, stateName, time } from '../ui/format.ts';
import { VirtualList } from '../ui/virtual-list.ts';
import { stateBadge } from './state-badge.ts';
import { type TaskIndex, titleOf } from './task-index.ts';

export const ROW_HEIGHT = 64;

export class TaskList {
  readonly element: HTMLElement;
  readonly #index: TaskIndex;
  readonly #list: VirtualList<TaskSummary>;
  readonly #count = el('span', { class: 'quiet', role: 'status' });
  readonly #search: HTMLInputElement;
  readonly #state: HTMLSelectElement;
  readonly #empty = el('p', { class: 'empty' });
  #selected: TaskRef | undefined;
  readonly #draw = onceAFrame(() => this.#render());

  constructor(index: TaskIndex, onSelect: (task: TaskRef) => void) {
    this.#index = index;
    this.#list = new VirtualList<TaskSummary>({
      label: 'Tasks, newest first',
      rowHeight: ROW_HEIGHT,
      keyOf,
      createRow: () => new Row().element,
      fillRow: (element, summary) => Row.of(element).fill(summary, index.isPending(summary)),
      onSelect,
    });
    const filter = () => this.#draw();
    this.#search = el('input', {
      type: 'search',
      placeholder: 'Search',
      'aria-label': 'Search tasks',
      oninput: filter,
    });
    this.#state = el(
      'select',
      { 'aria-label': 'State', onchange: filter },
      el('option', { value: 'all' }, 'All states'),
    );
    this.#state.append(...allStates.map((state) => el('option', { value: state }, stateName(state))));
    this.element = el(
      'section',
      { class: 'card task-list', 'aria-labelledby': 'tasks-title' },
      el('header', { class: 'card-head' }, el('h2', { id: 'tasks-title' }, 'Tasks'), this.#count),
      el('div', { class: 'filters' }, this.#search, this.#state),
      this.#list.element,
      this.#empty,
    );
    index.subscribe(() => this.#draw());
    this.#render();
  }

  set selected(task: TaskRef | undefined) {
    this.#selected = task;
    this.#draw();
  }

  #render(): void {
    const filter = { text: this.#search.value, state: this.#state.value as TaskState | 'all' };
    const shown = this.#index.select(filter);
    const { size } = this.#index;
    setText(
      this.#count,
      shown.length === size ? count(size, 'task') : `${shown.length.toLocaleString('en')} of ${count(size, 'task')}`,
    );
    this.#list.element.hidden = shown.length === 0;
    this.#empty.hidden = shown.length > 0;
    setText(this.#empty, size === 0 ? 'No tasks yet. Give the agent a text.' : 'No task matches.');
    this.#list.show(shown, this.#selected && keyOf(this.#selected));
  }
}

/** The parts of a row that change, held by its element. */
class Row {
  static readonly #rows = new WeakMap<HTMLElement, Row>();
  readonly element: HTMLElement;
  readonly #title = el('span', { class: 'row-title' });
  readonly #facts = el('span', { class: 'row-facts' });
  readonly #pending = el('span', { class: 'row-pending', title: 'The remote has not got all of it yet' }, 'pending');
  readonly #badge = stateBadge('submitted');

  constructor() {
    const top = el('span', { class: 'row-line' }, this.#title, this.#badge.element);
    const bottom = el('span', { class: 'row-line' }, this.#facts, this.#pending);
    this.element = el('div', { class: 'row' }, top, bottom);
    Row.#rows.set(this.element, this);
  }

  static of(element: HTMLElement): Row {
    const row = Row.#rows.get(element);
    if (!row) throw new Error('not a row of this list');
    return row;
  }

  fill(summary: TaskSummary, isPending: boolean): void {
    setText(this.#title, titleOf(summary).slice(0, 160));
    this.#badge.show(summary.status.state);
    const artifacts = summary.artifactCount ? `, ${count(summary.artifactCount, 'artifact')}` : '';
    setText(this.#facts, `${time(summary.updatedAt)} · ${count(summary.messageCount, 'message')}${artifacts}`);
    this.#pending.hidden = !isPending;
  }
}
