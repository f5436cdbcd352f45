/**
 * Which tabs are open, and which of them pushes. Each tab holds a lock in its name: a lock ends with its tab, however the tab
 * ends, so that the list is right after a crash too.
 */
const PREFIX = 'holdfast-demo tab ';
const LOOK_EVERY_MS = 2_000;

export interface OpenTab {
  readonly name: string;
  readonly isThis: boolean;
  readonly pushes: boolean;
}

export class TabPresence {
  /** A letter; the first that is free. */
  readonly name: string;
  #open: readonly string[];
  #pushing: string | undefined;
  #pushes = false;
  readonly #channel: BroadcastChannel;
  readonly #listeners = new Set<() => void>();

  /** Where the browser has no locks, this tab is the only one that is shown. */
  static async enter(channel: BroadcastChannel): Promise<TabPresence> {
    const { locks } = navigator;
    for (const letter of locks ? 'ABCDEFGHIJKLMNOPQRSTUVWXYZ' : '') {
      const isFree = await new Promise<boolean>((decide) => {
        locks.request(PREFIX + letter, { ifAvailable: true }, (lock) => {
          decide(lock !== null);
          // Held until the tab is gone.
          return lock === null ? undefined : new Promise(() => {});
        });
      });
      if (isFree) return new TabPresence(letter, channel);
    }
    return new TabPresence('A', channel);
  }

  private constructor(name: string, channel: BroadcastChannel) {
    this.name = name;
    this.#open = [name];
    this.#channel = channel;
    channel.addEventListener('message', ({ data }) => this.#hear(data));
    channel.postMessage({ hello: name });
    setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#look();
  }

  get tabs(): readonly OpenTab[] {
    return this.#open.map((name) => ({
      name,
      isThis: name === this.name,
      pushes: name === this.name ? this.#pushes : !this.#pushes && name === this.#pushing,
    }));
  }

  /** Tells the others whether this tab is the one that pushes. */
  setPushes(pushes: boolean): void {
    if (pushes === this.#pushes) return;
    this.#pushes = pushes;
    if (pushes) this.#channel.postMessage({ pushing: this.name });
    this.#changed();
  }

  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }

  #hear(data: { readonly hello?: string; readonly pushing?: string }): void {
    if (data?.hello !== undefined && this.#pushes) this.#channel.postMessage({ pushing: this.name });
    if (data?.pushing !== undefined) this.#pushing = data.pushing;
    if (data?.hello !== undefined || data?.pushing !== undefined) this.#look();
  }

  async #look(): Promise<void> {
    const { held = [] } = (await navigator.locks?.query()) ?? {};
    const names = held.flatMap(({ name = '' }) => (name.startsWith(PREFIX) ? [name.slice(PREFIX.length)] : []));
    this.#open = [...new Set([this.name, ...names])].sort();
    if (this.#pushing !== undefined && !this.#open.includes(this.#pushing)) this.#pushing = undefined;
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
