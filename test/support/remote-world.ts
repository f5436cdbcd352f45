/**
 * A world for sync: a clock that is moved by hand, and a network that fails as told with a remote behind it. Nothing in it
 * waits for real time. Contexts of it can end, and freeze, at any await.
 */
import { readTaskResponse } from '../../src/elkar/wire-answers.ts';
import { elkarSync, type SyncOptions, type SyncPlatform } from '../../src/sync.ts';
import { randomOf } from './long.ts';

export type Handle = (request: Request) => Promise<Response>;

/** With these, what arrives does so at once; `ok` is what the network does with all that come after the plan. */
export const promptFaults = [
  'ok',
  'drop-request',
  'drop-answer',
  '500-before',
  '500-after',
  '503',
  '401',
  '413',
  '429',
  'captive',
] as const;

/** What the network does with one request. */
export type Fault =
  | (typeof promptFaults)[number]
  | 'late'
  | 'duplicate'
  /** Delivered; the answer comes when it is released. */
  | 'hold'
  /** It is delivered when it is released. */
  | 'hold-request'
  /** Refused when it is released. */
  | 'hold-413';

const baseUrl = 'http://remote.test/api';

/** A context: a process, or a tab. */
export class Life {
  isOver = false;
  /** What it will do when it is thawed, in order. */
  frozen: (() => void)[] | undefined;

  /** Has the context do it: now, when it is thawed, or never. */
  do(call: () => void): void {
    if (this.isOver) return;
    if (this.frozen) this.frozen.push(call);
    else call();
  }

  /** Resolves as soon as the context may go on; it does not where that is never. */
  goOn(): Promise<void> {
    return new Promise((resolve) => this.do(resolve));
  }
}

/** Ids are unique, also between worlds that share a remote. */
let worlds = 0;

export class RemoteWorld {
  readonly #name = worlds++;
  readonly #handle: Handle;
  readonly #timers = new Map<number, { at: number; call: () => void }>();
  readonly #late: Request[] = [];
  readonly #held: (() => void)[] = [];
  readonly #wakes = new Set<() => void>();
  readonly faults: Fault[] = [];
  #now = Date.parse('2026-01-01T00:00:00Z');
  #ids = 0;
  #busy = 0;
  #turn: Promise<unknown> = Promise.resolve();
  requests = 0;
  /** Some request arrived, or will, when it was given up already. */
  wasLate = false;

  constructor(handle: Handle) {
    this.#handle = handle;
  }

  /** What a store of this world is opened with. */
  protected place(life: Life, options: Partial<SyncOptions>, platform: Pick<SyncPlatform, 'openChannel' | 'locks'>) {
    return {
      environment: { now: () => this.#now, newId: () => `id${this.#name}-${this.#ids++}` },
      sync: elkarSync({
        baseUrl,
        apiKey: 'secret',
        fetch: (input, init) => this.#fetch(new Request(input as string, init as RequestInit), life),
        ...options,
        platform: {
          later: (ms, then) => this.#later(ms, () => life.do(then)),
          random: randomOf(this.#ids),
          onWake: (wake) => {
            const call = () => life.do(wake);
            this.#wakes.add(call);
            return () => this.#wakes.delete(call);
          },
          ...platform,
        },
      }),
    };
  }

  /** In ms since 1970. */
  get now(): number {
    return this.#now;
  }

  /** So many timers are set. */
  get timers(): number {
    return this.#timers.size;
  }

  /** The clock goes on without anything being due. */
  tick(ms: number): void {
    this.#now += ms;
  }

  /** Lets happen what can happen now. */
  async rest(): Promise<void> {
    for (let calm = 0; calm < 4; calm = this.#busy > 0 ? 0 : calm + 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Moves the clock from timer to timer until none is left, or so many have run. */
  run(timers = Number.POSITIVE_INFINITY): Promise<void> {
    return this.#run(timers, Number.POSITIVE_INFINITY);
  }

  /** The same until so many ms are over. */
  async runFor(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.#run(Number.POSITIVE_INFINITY, end);
    this.#now = Math.max(this.#now, end);
  }

  async #run(timers: number, end: number): Promise<void> {
    await this.rest();
    for (let ran = 0; ran < timers && this.#timers.size > 0; ran++) {
      const [id, { at, call }] = [...this.#timers].reduce((a, b) => (b[1].at < a[1].at ? b : a));
      if (at > end) break;
      if (ran > 50_000) throw new Error('there is no end of timers');
      this.#timers.delete(id);
      this.#now = Math.max(this.#now, at);
      call();
      await this.rest();
    }
  }

  /** The network is back, or the page is seen again: told to all who want to know. Answers how many they are. */
  async wake(): Promise<number> {
    for (const wake of this.#wakes) wake();
    await this.rest();
    return this.#wakes.size;
  }

  /** Delivers what the network has held back. */
  async deliverLate(): Promise<void> {
    for (const request of this.#late.splice(0)) await this.#deliver(request);
  }

  /** Lets go on what is held; the first ones, or all. */
  release(count = this.#held.length): Promise<void> {
    for (const release of this.#held.splice(0, count)) release();
    return this.rest();
  }

  /** What another client sends. */
  async send(method: string, path: string, body?: unknown): Promise<Response> {
    return this.#deliver(
      new Request(baseUrl + path, {
        method,
        headers: { 'x-api-key': 'secret', 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    );
  }

  async remoteTask(taskId: string) {
    const response = await this.send('GET', `/tasks/${taskId}?caller_id=holdfast`);
    return response.status === 200 ? readTaskResponse(await response.json()) : undefined;
  }

  /** One request after the other, as a database would have it. */
  #deliver(request: Request): Promise<Response> {
    const copy = request.clone();
    const answer = this.#turn.then(() => this.#handle(copy));
    this.#turn = answer.catch(() => {});
    return answer;
  }

  async #fetch(request: Request, life: Life): Promise<Response> {
    if (life.frozen) this.wasLate = true;
    await life.goOn();
    this.#busy++;
    this.requests++;
    const answer = this.#pass(request, this.faults.shift() ?? 'ok');
    await answer.catch(() => {});
    this.#busy--;
    await life.goOn();
    return answer;
  }

  async #pass(request: Request, fault: Fault): Promise<Response> {
    this.wasLate ||= ['late', 'duplicate', 'hold-request'].includes(fault);
    if (fault === 'late' || fault === 'duplicate') this.#late.push(request.clone());
    if (fault === 'drop-request' || fault === 'late') throw new TypeError('network');
    const refusal = refusals[fault];
    if (refusal) return refusal();
    if (fault === 'hold-request' || fault === 'hold-413') await this.#hold();
    if (fault === 'hold-413') return tooLarge();
    const answer = await this.#deliver(request);
    if (fault === 'hold') await this.#hold();
    if (fault === 'drop-answer') throw new TypeError('network');
    if (fault === '500-after') return new Response('', { status: 500 });
    return answer;
  }

  /** What waits for the network is at rest. */
  async #hold(): Promise<void> {
    this.#busy--;
    await new Promise<void>((resolve) => this.#held.push(resolve));
    this.#busy++;
  }

  #later(ms: number, call: () => void): () => void {
    const id = this.#ids++;
    this.#timers.set(id, { at: this.#now + ms, call });
    return () => this.#timers.delete(id);
  }
}

const tooLarge = () => new Response('length limit exceeded', { status: 413 });

const refusals: { readonly [fault: string]: () => Response } = {
  '500-before': () => new Response('', { status: 500 }),
  503: () => new Response('', { status: 503, headers: { 'retry-after': '2' } }),
  401: () => Response.json({ error_type: 'Invalid API key', details: null }, { status: 401 }),
  413: tooLarge,
  429: () => new Response('', { status: 429, headers: { 'retry-after': '1' } }),
  captive: () => new Response('<html>Log in to the hotel</html>', { status: 200 }),
};
