/**
 * A world for sync: a clock that is moved by hand, a network that fails as told, a remote, and a store that outlives the
 * crash of its process. Nothing in it waits for real time.
 */
import type { Backend, BackendFactory } from '../../src/backends/backend.ts';
import { memory } from '../../src/backends/memory.ts';
import { TaskStoreError } from '../../src/core/errors.ts';
import { readTaskResponse } from '../../src/elkar/wire-answers.ts';
import type { LocalTaskStore } from '../../src/local-task-store.ts';
import { openTaskStore } from '../../src/memory.ts';
import { elkarSync, type SyncOptions } from '../../src/sync.ts';

export type Handle = (request: Request) => Promise<Response>;

/** What the network does with one request; `ok` is what it does with all that come after the plan. */
export type Fault =
  | 'ok'
  | 'drop-request'
  | 'drop-answer'
  | 'late'
  | 'duplicate'
  | '500-before'
  | '500-after'
  | '503'
  | '401'
  | '413'
  | '429'
  | 'captive'
  /** Delivered; the answer comes when it is released. */
  | 'hold';

const baseUrl = 'http://remote.test/api';

/** Ids are unique, also between worlds that share a remote. */
let worlds = 0;

export class SyncWorld {
  readonly #name = worlds++;
  readonly #handle: Handle;
  readonly #timers = new Map<number, { at: number; call: () => void }>();
  readonly #late: Request[] = [];
  readonly #held: (() => void)[] = [];
  readonly faults: Fault[] = [];
  /** So many of the next calls of the storage fail. */
  readonly refusals = { pending: 0, setMeta: 0, commit: 0 };
  #now = Date.parse('2026-01-01T00:00:00Z');
  #ids = 0;
  #busy = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #kept: Backend | undefined;
  #crash = () => {};
  store!: LocalTaskStore;
  requests = 0;

  constructor(handle: Handle) {
    this.#handle = handle;
  }

  async open(options: Partial<SyncOptions> = {}): Promise<LocalTaskStore> {
    const life = { isOver: false };
    this.#crash = () => {
      life.isOver = true;
    };
    const random = mulberry(this.#ids);
    this.store = await openTaskStore({
      backend: this.#survivor(life),
      environment: { now: () => this.#now, newId: () => `id${this.#name}-${this.#ids++}` },
      sync: elkarSync({
        baseUrl,
        apiKey: 'secret',
        fetch: (input, init) => this.#fetch(new Request(input as string, init as RequestInit), life),
        ...options,
        platform: {
          later: (ms, then) => this.#later(ms, then, life),
          random,
          onWake: () => () => {},
          openChannel: null,
        },
      }),
    });
    return this.store;
  }

  openWithoutSync(): Promise<LocalTaskStore> {
    return openTaskStore({ backend: this.#survivor({ isOver: false }) });
  }

  /** The process is gone: nothing of it runs on, and what it had under way gets no answer. */
  crash(): void {
    this.#crash();
  }

  /** In ms since 1970. */
  get now(): number {
    return this.#now;
  }

  /** The clock goes on without anything being due. */
  tick(ms: number): void {
    this.#now += ms;
  }

  /** Lets happen what can happen now. */
  async rest(): Promise<void> {
    for (let calm = 0; calm < 3; calm = this.#busy > 0 ? 0 : calm + 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Moves the clock from timer to timer until none is left, or so many have run. */
  async run(timers = Number.POSITIVE_INFINITY): Promise<void> {
    await this.rest();
    for (let ran = 0; ran < timers && this.#timers.size > 0; ran++) {
      const [id, timer] = [...this.#timers].reduce((a, b) => (b[1].at < a[1].at ? b : a));
      this.#timers.delete(id);
      this.#now = Math.max(this.#now, timer.at);
      timer.call();
      await this.rest();
    }
  }

  /** Delivers what the network has held back. */
  async deliverLate(): Promise<void> {
    for (const request of this.#late.splice(0)) await this.#deliver(request);
  }

  /** Lets the answers come that were held; the first ones, or all. */
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

  async #fetch(request: Request, life: { isOver: boolean }): Promise<Response> {
    if (life.isOver) return never();
    this.#busy++;
    this.requests++;
    try {
      const answer = await this.#pass(request, this.faults.shift() ?? 'ok');
      return life.isOver ? never() : answer;
    } finally {
      this.#busy--;
    }
  }

  async #pass(request: Request, fault: Fault): Promise<Response> {
    if (fault === 'late' || fault === 'duplicate') this.#late.push(request.clone());
    if (fault === 'drop-request' || fault === 'late') throw new TypeError('network');
    const refusal = refusals[fault];
    if (refusal) return refusal();
    const answer = await this.#deliver(request);
    if (fault === 'hold') await new Promise<void>((resolve) => this.#hold(resolve));
    if (fault === 'drop-answer') throw new TypeError('network');
    if (fault === '500-after') return new Response('', { status: 500 });
    return answer;
  }

  /** What waits for an answer is at rest. */
  #hold(resolve: () => void): void {
    this.#busy--;
    this.#held.push(() => {
      this.#busy++;
      resolve();
    });
  }

  #later(ms: number, then: () => void, life: { isOver: boolean }): () => void {
    const id = this.#ids++;
    this.#timers.set(id, { at: this.#now + ms, call: () => !life.isOver && then() });
    return () => this.#timers.delete(id);
  }

  /** The same memory for each opening; of a process that is gone no call returns. */
  #survivor(life: { isOver: boolean }): BackendFactory {
    const refuse = (name: keyof SyncWorld['refusals']) => {
      if (this.refusals[name]-- > 0) throw new TaskStoreError('STORE_TIMEOUT', 'no answer in time');
    };
    const guard = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => {
      return async (...args: A): Promise<R> => {
        if (life.isOver) return never();
        const result = await call(...args);
        return life.isOver ? never() : result;
      };
    };
    return {
      kind: 'kept',
      unsuitable: () => undefined,
      open: async (context) => {
        const kept = (this.#kept ??= await memory().open(context));
        return {
          info: kept.info,
          commit: guard(async (...args: Parameters<Backend['commit']>) => {
            refuse('commit');
            return kept.commit(...args);
          }),
          read: guard((...args: Parameters<Backend['read']>) => kept.read(...args)),
          list: guard((...args: Parameters<Backend['list']>) => kept.list(...args)),
          pending: guard(async (...args: Parameters<Backend['pending']>) => {
            refuse('pending');
            return kept.pending(...args);
          }),
          getMeta: guard((...args: Parameters<Backend['getMeta']>) => kept.getMeta(...args)),
          setMeta: guard(async (...args: Parameters<Backend['setMeta']>) => {
            refuse('setMeta');
            return kept.setMeta(...args);
          }),
          listen: (listener) => kept.listen(listener),
          close: async () => {},
        };
      },
    };
  }
}

const refusals: { readonly [fault: string]: () => Response } = {
  '500-before': () => new Response('', { status: 500 }),
  503: () => new Response('', { status: 503, headers: { 'retry-after': '2' } }),
  401: () => Response.json({ error_type: 'Invalid API key', details: null }, { status: 401 }),
  413: () => new Response('length limit exceeded', { status: 413 }),
  429: () => new Response('', { status: 429, headers: { 'retry-after': '1' } }),
  captive: () => new Response('<html>Log in to the hotel</html>', { status: 200 }),
};

function never<T>(): Promise<T> {
  return new Promise(() => {});
}

export function mulberry(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
