/** One task, live: what was said, what was made, both sides, and the raw record; to be answered, cancelled, deleted. */
import { finishedStates, type StoredTask, type TaskStore } from 'holdfast';
import { AGENT, type AgentRunner } from '../agent/runner.ts';
import { isSame, readTask, type TaskRef } from '../task-key.ts';
import type { Announcer } from '../ui/announcer.ts';
import { el, onceAFrame, setText } from '../ui/dom.ts';
import { time } from '../ui/format.ts';
import { TabPanels } from '../ui/tab-panels.ts';
import { AnswerForm } from './answer-form.ts';
import { Artifacts } from './artifacts.ts';
import type { BothSides } from './both-sides.ts';
import { Conversation } from './conversation.ts';
import { RawJson } from './raw-json.ts';
import { stateBadge } from './state-badge.ts';
import { titleOf } from './task-index.ts';

const NOTHING_CHOSEN = 'Choose a task to see what was said and made, and what the remote has of it.';

export interface TaskPageOptions {
  readonly store: TaskStore;
  readonly runner: AgentRunner;
  readonly bothSides: BothSides;
  readonly announcer: Announcer;
  readonly onLeave: () => void;
}

export class TaskPage {
  readonly element: HTMLElement;
  readonly #options: TaskPageOptions;
  readonly #title = el('h2', { id: 'task-title', tabindex: -1 });
  readonly #badge = stateBadge('submitted');
  readonly #facts = el('p', { class: 'quiet facts' });
  readonly #conversation = new Conversation();
  readonly #artifacts = new Artifacts();
  readonly #raw = new RawJson();
  readonly #answer: AnswerForm;
  readonly #panels: TabPanels;
  readonly #cancel: HTMLButtonElement;
  readonly #empty = el('p', { class: 'empty', tabindex: -1 });
  readonly #content: HTMLElement;
  #task: TaskRef | undefined;
  #stored: StoredTask | undefined;
  #watch = new AbortController();
  #isFocusDue = false;
  readonly #draw = onceAFrame(() => this.#render());

  constructor(options: TaskPageOptions) {
    this.#options = options;
    const { runner, announcer, bothSides, onLeave } = options;
    this.#answer = new AnswerForm((text) => runner.answer(this.#task?.id ?? '', text), announcer);
    const cancel = announcer.guard(() => runner.cancel(this.#task?.id ?? ''));
    this.#cancel = el('button', { type: 'button', onclick: cancel }, 'Cancel');
    const remove = announcer.guard(() => this.#delete());
    const said = el('div', {}, el('h3', {}, 'Conversation'), this.#conversation.element, this.#answer.element);
    const made = el('div', {}, el('h3', {}, 'Artifacts'), this.#artifacts.element);
    this.#panels = new TabPanels('The task', [
      { name: 'Work', content: el('div', { class: 'work' }, said, made) },
      { name: 'Both sides', content: bothSides.element, onShow: () => this.#showBothSides() },
      { name: 'Raw JSON', content: this.#raw.element, onShow: () => this.#stored && this.#raw.draw() },
    ]);
    this.#content = el(
      'div',
      { class: 'task-content', hidden: true },
      el('header', { class: 'card-head' }, this.#title, this.#badge.element),
      this.#facts,
      el('div', { class: 'buttons' }, this.#cancel, el('button', { type: 'button', onclick: remove }, 'Delete')),
      this.#panels.element,
    );
    // Also where the task is gone: on a small screen there is no other way to the rest of the page.
    const back = el('button', { type: 'button', class: 'back', onclick: onLeave }, '← All tasks');
    this.element = el(
      'section',
      { class: 'card task-page', 'aria-label': 'Chosen task' },
      back,
      this.#empty,
      this.#content,
    );
    this.#badge.element.setAttribute('role', 'status');
    this.#showEmpty(NOTHING_CHOSEN);
  }

  show(task: TaskRef | undefined): void {
    if (task && this.#task && isSame(task, this.#task)) return;
    this.#watch.abort();
    this.#task = task;
    this.#stored = undefined;
    this.#isFocusDue = false;
    this.#artifacts.clear();
    if (!task) {
      this.#showEmpty(NOTHING_CHOSEN);
      return;
    }
    this.#showEmpty('Reading…');
    this.#panels.show(0);
    this.#watch = new AbortController();
    const { signal } = this.#watch;
    Promise.all([this.#follow(task, signal), this.#sayIfAbsent(task, signal)]).catch((error) => {
      if (!signal.aborted) this.#showEmpty(`The task cannot be read: ${error.message}`);
    });
  }

  /** Takes the keyboard to the task as soon as it is shown. */
  focus(): void {
    if (this.#stored) this.#title.focus();
    else this.#isFocusDue = true;
  }

  async #follow(task: TaskRef, signal: AbortSignal): Promise<void> {
    const { id, callerId, taskType } = task;
    for await (const stored of this.#options.store.watch(id, { callerId, taskType, signal })) {
      if (signal.aborted) return;
      this.#stored = stored;
      this.#draw();
    }
    if (signal.aborted) return;
    this.#stored = undefined;
    this.#showEmpty('The task was deleted.');
  }

  /** A watch waits for a task that is not there, as behind an old link: it may still come. */
  async #sayIfAbsent(task: TaskRef, signal: AbortSignal): Promise<void> {
    const found = await readTask(this.#options.store, task, { historyLength: 0, includeArtifacts: false });
    if (!found && !this.#stored && !signal.aborted) this.#showEmpty('There is no such task here.');
  }

  #render(): void {
    const stored = this.#stored;
    const task = this.#task;
    if (!stored || !task) return;
    const { status, history = [], artifacts = [], metadata } = stored.task;
    this.#empty.hidden = true;
    this.#content.hidden = false;
    setText(this.#title, titleOf({ id: stored.id, metadata }));
    if (this.#isFocusDue) this.#title.focus();
    this.#isFocusDue = false;
    this.#badge.show(status.state);
    setText(this.#facts, describe(stored));
    const isOurs = metadata?.agent === AGENT && stored.taskType === 'incoming' && stored.callerId === undefined;
    this.#hide(this.#cancel, !isOurs || finishedStates.has(status.state));
    const isAsked = isOurs && status.state === 'input-required' && history.at(-1)?.role !== 'user';
    this.#hide(this.#answer.element, !isAsked);
    this.#conversation.show(history);
    this.#artifacts.show(artifacts);
    this.#raw.show(stored, this.#panels.isShown('Raw JSON'));
    this.#options.bothSides.show(task, stored, () => this.#stored !== undefined && this.#panels.isShown('Both sides'));
  }

  #showBothSides(): void {
    if (!this.#task || !this.#stored) return;
    this.#options.bothSides.show(this.#task, this.#stored, () => this.#panels.isShown('Both sides'));
    void this.#options.bothSides.look();
  }

  /** What is hidden hands the keyboard on: it must not fall back to the top of the page. */
  #hide(element: HTMLElement, isHidden: boolean): void {
    if (isHidden && element.contains(document.activeElement)) this.#title.focus();
    element.hidden = isHidden;
  }

  #showEmpty(text: string): void {
    const hadFocus = this.#content.contains(document.activeElement);
    this.#content.hidden = true;
    this.#empty.hidden = false;
    setText(this.#empty, text);
    if (hadFocus) this.#empty.focus();
  }

  async #delete(): Promise<void> {
    const { store, announcer, onLeave } = this.#options;
    const { id, callerId, taskType } = this.#task ?? {};
    if (id === undefined || !confirm('Delete this task? It cannot be brought back.')) return;
    await store.deleteTask(id, { ...(callerId !== undefined && { callerId }), ...(taskType && { taskType }) });
    announcer.say('The task was deleted.');
    onLeave();
  }
}

function describe({ id, callerId, agentUrl, createdAt, updatedAt }: StoredTask): string {
  return [
    `Task ${id}`,
    callerId !== undefined && `caller ${callerId}`,
    agentUrl !== undefined && `of ${agentUrl}`,
    `created ${time(createdAt)}`,
    `changed ${time(updatedAt)}`,
  ]
    .filter(Boolean)
    .join(' · ');
}
