/** A list box of any length of which only the rows in sight exist. */
import { el, newDomId, onceAFrame, setAttribute } from './dom.ts';

export interface VirtualListOptions<T> {
  readonly label: string;
  /** In pixels, the same for all. */
  readonly rowHeight: number;
  readonly keyOf: (item: T) => string;
  /** An empty row, made once and used for many items. */
  readonly createRow: () => HTMLElement;
  readonly fillRow: (row: HTMLElement, item: T) => void;
  readonly onSelect: (item: T) => void;
}

/** Rows beyond both edges, so that a slow frame shows no gap. */
const SPARE_ROWS = 6;

export class VirtualList<T> {
  readonly element: HTMLElement;
  readonly #options: VirtualListOptions<T>;
  readonly #space = el('div', { class: 'virtual-space', role: 'presentation' });
  /** Rows by what they show: a row in sight is not filled again by scrolling. */
  #rows = new Map<number, HTMLElement>();
  #spareRows: HTMLElement[] = [];
  #items: readonly T[] = [];
  #selected: string | undefined;
  /** Where the keyboard is. */
  #active = 0;
  readonly #draw = onceAFrame(() => this.#render(false));

  constructor(options: VirtualListOptions<T>) {
    this.#options = options;
    this.element = el(
      'div',
      {
        class: 'virtual-list',
        role: 'listbox',
        tabindex: 0,
        'aria-label': options.label,
        onscroll: () => this.#draw(),
        onkeydown: (event) => this.#onKey(event as KeyboardEvent),
        onclick: (event) => this.#onClick(event),
        onfocus: () => this.#activate(this.#active),
      },
      this.#space,
    );
    new ResizeObserver(() => this.#draw()).observe(this.element);
  }

  /** Rows in sight are filled anew. */
  show(items: readonly T[], selected: string | undefined): void {
    this.#items = items;
    this.#selected = selected;
    this.#active = Math.max(0, Math.min(this.#active, items.length - 1));
    const height = `${items.length * this.#options.rowHeight}px`;
    this.#space.style.height = height;
    this.element.style.setProperty('--content', height);
    this.#render(true);
  }

  #render(fill: boolean): void {
    const { rowHeight } = this.#options;
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / rowHeight) - SPARE_ROWS);
    const last = Math.min(this.#items.length, Math.ceil((scrollTop + clientHeight) / rowHeight) + SPARE_ROWS);
    for (const [index, row] of this.#rows) if (index < first || index >= last) this.#release(index, row);
    for (let index = first; index < last; index++) {
      const row = this.#rows.get(index);
      if (!row || fill) this.#fill(row ?? this.#take(index), index);
    }
    for (const row of this.#spareRows) row.remove();
    this.#spareRows.length = Math.min(this.#spareRows.length, 40);
  }

  #fill(row: HTMLElement, index: number): void {
    const item = this.#items[index];
    if (item === undefined) return;
    row.style.transform = `translateY(${index * this.#options.rowHeight}px)`;
    setAttribute(row, 'aria-posinset', index + 1);
    setAttribute(row, 'aria-setsize', this.#items.length);
    setAttribute(row, 'aria-selected', String(this.#options.keyOf(item) === this.#selected));
    row.classList.toggle('active', index === this.#active);
    row.dataset.index = String(index);
    this.#options.fillRow(row, item);
  }

  #take(index: number): HTMLElement {
    const row = this.#spareRows.pop() ?? this.#options.createRow();
    row.id ||= newDomId('row');
    row.setAttribute('role', 'option');
    this.#rows.set(index, row);
    if (!row.isConnected) this.#space.append(row);
    return row;
  }

  #release(index: number, row: HTMLElement): void {
    this.#rows.delete(index);
    this.#spareRows.push(row);
  }

  #activate(index: number): void {
    if (this.#items.length === 0) return;
    const { rowHeight } = this.#options;
    const before = this.#rows.get(this.#active);
    this.#active = Math.max(0, Math.min(index, this.#items.length - 1));
    const top = this.#active * rowHeight;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + rowHeight > scrollTop + clientHeight) this.element.scrollTop = top + rowHeight - clientHeight;
    this.#render(false);
    const row = this.#rows.get(this.#active);
    before?.classList.remove('active');
    row?.classList.add('active');
    setAttribute(this.element, 'aria-activedescendant', row?.id);
  }

  #onKey(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.#options.rowHeight) - 1);
    const moves: Record<string, number> = {
      ArrowDown: this.#active + 1,
      ArrowUp: this.#active - 1,
      PageDown: this.#active + page,
      PageUp: this.#active - page,
      Home: 0,
      End: this.#items.length - 1,
    };
    const to = moves[event.key];
    if (to !== undefined) this.#activate(to);
    else if (event.key === 'Enter' || event.key === ' ') this.#select(this.#active);
    else return;
    event.preventDefault();
  }

  #onClick(event: Event): void {
    const row = (event.target as Element).closest<HTMLElement>('[role=option]');
    if (!row) return;
    this.#activate(Number(row.dataset.index));
    this.#select(this.#active);
  }

  #select(index: number): void {
    const item = this.#items[index];
    if (item !== undefined) this.#options.onSelect(item);
  }
}
