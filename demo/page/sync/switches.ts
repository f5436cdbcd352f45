/** The faults that visitors switch on. Those of the network are shared by all tabs of this browser, as a network would be. */
export interface Switches {
  /** No request leaves the browser. */
  readonly offline: boolean;
  /** Of every three requests that reached the server, the answer of one never comes back. */
  readonly loseAnswers: boolean;
}

const KEY = 'holdfast-demo.switches';

export class SwitchBoard {
  #switches: Switches = read();
  readonly #listeners = new Set<(switches: Switches) => void>();

  constructor() {
    addEventListener('storage', ({ key }) => key === KEY && this.#apply(read()));
  }

  get switches(): Switches {
    return this.#switches;
  }

  set(change: Partial<Switches>): void {
    const switches = { ...this.#switches, ...change };
    localStorage.setItem(KEY, JSON.stringify(switches));
    this.#apply(switches);
  }

  subscribe(listener: (switches: Switches) => void): void {
    this.#listeners.add(listener);
  }

  #apply(switches: Switches): void {
    const isBack = this.#switches.offline && !switches.offline;
    this.#switches = switches;
    for (const listener of this.#listeners) listener(switches);
    // What a browser says when its network is back.
    if (isBack) dispatchEvent(new Event('online'));
  }
}

function read(): Switches {
  try {
    const { offline, loseAnswers } = JSON.parse(localStorage.getItem(KEY) ?? '{}');
    return { offline: offline === true, loseAnswers: loseAnswers === true };
  } catch {
    return { offline: false, loseAnswers: false };
  }
}
