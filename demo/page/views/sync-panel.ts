/** Sync: its state in words, the faults one can switch on, tasks set aside, and every request. */
import type { BlockedTask, TaskSync } from 'holdfast';
import type { RequestLog } from '../sync/request-log.ts';
import { readFaults, type ServerFaults, setFaults } from '../sync/server-faults.ts';
import { inWords, stateNames } from '../sync/status-words.ts';
import type { SwitchBoard } from '../sync/switches.ts';
import type { Announcer } from '../ui/announcer.ts';
import { el, setText } from '../ui/dom.ts';
import { logTable } from './log-table.ts';
import { Toggle } from './toggle.ts';

const LOOK_EVERY_MS = 1_000;

export interface SyncPanelOptions {
  /** Absent: the store was opened without sync. */
  readonly sync: TaskSync | undefined;
  readonly switches: SwitchBoard;
  readonly log: RequestLog;
  readonly announcer: Announcer;
  readonly channel: BroadcastChannel;
}

export class SyncPanel {
  readonly element: HTMLElement;
  readonly #options: SyncPanelOptions;
  readonly #state = el('span', { class: 'badge' });
  readonly #words = el('p', { class: 'sync-words' });
  readonly #blocked = el('ul', { class: 'blocked', 'aria-label': 'Tasks set aside' });
  readonly #down: Toggle;
  readonly #revoked: Toggle;
  #wasRevoked = false;

  constructor(options: SyncPanelOptions) {
    this.#options = options;
    const { switches, announcer } = options;
    const offline = new Toggle('Go offline', 'No request leaves the browser', (offline) => switches.set({ offline }));
    const lose = new Toggle(
      'Lose every third answer',
      'The server has done it; the answer never comes',
      (loseAnswers) => switches.set({ loseAnswers }),
    );
    const fault = (change: Partial<ServerFaults>) => announcer.guard(() => this.#setFaults(change))();
    this.#down = new Toggle('Server down', 'The endpoint cuts every connection', (down) => fault({ down }));
    this.#revoked = new Toggle('Key revoked', 'The endpoint answers 401', (revoked) => fault({ revoked }));
    const showSwitches = () => {
      offline.show(switches.switches.offline);
      lose.show(switches.switches.loseAnswers);
    };
    switches.subscribe(showSwitches);
    showSwitches();
    this.element = el(
      'section',
      { class: 'card sync-panel', 'aria-labelledby': 'sync-title' },
      el('header', { class: 'card-head' }, el('h2', { id: 'sync-title' }, 'Sync'), this.#state),
      this.#words,
      el(
        'fieldset',
        { class: 'switches' },
        el('legend', {}, 'Make trouble'),
        ...[offline, lose, this.#down, this.#revoked].map(({ element }) => element),
      ),
      this.#blocked,
      logTable(options.log),
    );
    this.#listen();
  }

  #listen(): void {
    const { sync, channel } = this.#options;
    const draw = () => this.#draw();
    sync?.subscribe(draw);
    // The age of what is pending grows by itself.
    setInterval(draw, LOOK_EVERY_MS);
    draw();
    channel.addEventListener('message', ({ data }) => data?.faults && this.#showFaults(data.faults));
    const look = () => void readFaults().then((faults) => this.#showFaults(faults));
    // A server that was started anew has forgotten its faults.
    window.addEventListener('focus', look);
    look();
  }

  #draw(): void {
    const { sync } = this.#options;
    if (!sync) {
      setText(this.#state, 'Off');
      setText(this.#words, 'This store was opened without sync: everything stays here.');
      return;
    }
    const { status } = sync;
    this.#state.dataset.sync = status.state;
    setText(this.#state, stateNames[status.state]);
    setText(this.#words, inWords(status, Date.now()));
    if (status.blockedTasks > 0 || this.#blocked.childElementCount > 0) {
      sync.blocked().then(
        (blocked) => this.#showBlocked(sync, blocked),
        () => {},
      );
    }
  }

  #showBlocked(sync: TaskSync, blocked: readonly BlockedTask[]): void {
    const shown = [...this.#blocked.children].map((item) => (item as HTMLElement).dataset.task).join();
    if (shown === blocked.map(({ taskId }) => taskId).join()) return;
    this.#blocked.replaceChildren(...blocked.map((task) => this.#blockedTask(sync, task)));
  }

  #blockedTask(sync: TaskSync, { taskId, callerId, taskType, error }: BlockedTask): HTMLElement {
    const { announcer } = this.#options;
    const which = { callerId, taskType };
    const retry = announcer.guard(() => sync.retry(taskId, which));
    const discard = announcer.guard(() => sync.discard(taskId, which));
    return el(
      'li',
      { 'data-task': taskId },
      el('span', {}, `${taskId}: ${error.message}`),
      el('button', { type: 'button', onclick: retry, 'aria-label': `Retry ${taskId}` }, 'Retry'),
      el(
        'button',
        { type: 'button', onclick: discard, 'aria-label': `Discard what is pending of ${taskId}` },
        'Discard',
      ),
    );
  }

  async #setFaults(change: Partial<ServerFaults>): Promise<void> {
    const faults = await setFaults(change);
    if (!faults) this.#options.announcer.say('The server does not answer.');
    else this.#options.channel.postMessage({ faults });
    this.#showFaults(faults);
  }

  #showFaults(faults: ServerFaults | undefined): void {
    this.#down.show(faults?.down ?? false);
    this.#revoked.show(faults?.revoked ?? false);
    // As after a new login: sync waits for somebody to say that the key is good again.
    if (this.#wasRevoked && faults?.revoked === false) this.#options.sync?.resume();
    this.#wasRevoked = faults?.revoked ?? this.#wasRevoked;
  }
}
