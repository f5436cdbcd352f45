/**
 * One round of several contexts on one database that fails: each does anything beside the others, and whatever is answered
 * is judged by what was acknowledged. A seed repeats what is done; in which order the database gets to it, it does not.
 */
import { expect } from 'vitest';
import { type Message, openTaskStore, type TaskStore, TaskStoreError } from '../../src/index.browser.ts';
import { failureOf, insisted, pause, say, within } from './indexeddb-calls.ts';
import { contentsOf } from './indexeddb-contents.ts';
import { Fates } from './indexeddb-fates.ts';
import { type Draw, type Fault, FaultyIndexedDb } from './indexeddb-faults.ts';
import { type Ledger, messagesOf, statusOf, TaskLedger } from './indexeddb-ledger.ts';
import { contentOfJournal } from './indexeddb-tools.ts';
import { randomOf } from './long.ts';

const CONTEXTS = 3;
const STEPS = 200;

/** Where an end may never come, it is waited for again and again, and so not for long. */
const IMPATIENT_MS = 25;
const PATIENT_MS = 3_600_000;

/** A round takes a second or so, and no machine is so slow. */
const STUCK_MS = 60_000;

const ARTIFACTS = 3;

type Call = (signal: AbortSignal) => Promise<unknown>;

const client = { taskType: 'outgoing' as const };

let databases = 0;

export async function runRound(seed: number, faults: readonly Fault[]): Promise<void> {
  const round = new Round(seed, faults);
  try {
    await within(STUCK_MS, round.run());
  } finally {
    round.discard();
  }
}

class Round {
  readonly #name = `faults-${Date.now()}-${++databases}`;
  readonly #draw: Draw;
  readonly #faults: FaultyIndexedDb;
  /** A write that was given up may come about, be read, and be taken back. */
  readonly #isRevocable: boolean;
  readonly #stores: TaskStore[] = [];
  readonly #channel = new BroadcastChannel(`holdfast:${this.#name}`);
  #written = 0;
  /** Of the tasks that are appended to all the time, and never deleted. */
  readonly #ledgers: ReadonlyMap<string, TaskLedger>;
  readonly #fates: Fates;

  /** Those that stand here more often are made more often. */
  readonly #moves: readonly ((who: number) => Promise<void>)[] = [
    ...Array(9).fill(this.#append),
    ...Array(4).fill(this.#addPart),
    ...Array(3).fill(this.#read),
    ...Array(3).fill(this.#readLast),
    ...Array(3).fill(this.#comeOrGo),
    ...Array(2).fill(this.#contend),
    ...Array(2).fill(this.#list),
    ...Array(2).fill(this.#replace),
    this.#tellToLook,
  ];

  constructor(seed: number, faults: readonly Fault[]) {
    this.#draw = drawOf(seed);
    // Faults are drawn when the database gets to it, which must not change what is done.
    this.#faults = new FaultyIndexedDb(faults, drawOf(seed + 1));
    this.#isRevocable = faults.includes('noEnd');
    this.#fates = new Fates(faults);
    this.#ledgers = new Map(['a', 'b'].map((id) => [id, new TaskLedger(ARTIFACTS, this.#isRevocable)]));
  }

  async run(): Promise<void> {
    for (let who = 0; who < CONTEXTS; who++) this.#stores.push(await insisted(() => this.#open()));
    for (const [id, { history }] of this.#ledgers) {
      const first = this.#newItem(0);
      history.send([first]);
      await insisted(() => this.#store(0).upsertTask({ id, message: say(first) }));
      history.acknowledge([first]);
    }
    this.#faults.start();
    await this.#play();
    this.#faults.stop();
    await this.#judgeAll();
  }

  /** To be called in any case, however far the round has come; what is stuck is not waited for. */
  discard(): void {
    this.#faults.stop();
    this.#channel.close();
    for (const store of this.#stores) store.close().catch(() => {});
    indexedDB.deleteDatabase(this.#name);
  }

  async #play(): Promise<void> {
    const underWay: Promise<void>[] = [];
    const settle = () => Promise.all(underWay.splice(0));
    for (let step = 0; step < STEPS; step++) {
      this.#faults.turn();
      const who = this.#draw(CONTEXTS);
      const what = this.#draw(90);
      if (what < 2) {
        await settle();
        await (what === 0 ? this.#reopen(who) : pause(this.#draw(30)));
      } else if (what < 8) await pause(this.#draw(3));
      else underWay.push(this.#move(who));
      if (this.#draw(3) === 0) await settle();
    }
    await settle();
  }

  #move(who: number): Promise<void> {
    const move = this.#moves[this.#draw(this.#moves.length)] as (who: number) => Promise<void>;
    const moving = move.call(this, who);
    // It is looked at when others are, which may be after it has failed.
    moving.catch(() => {});
    return moving;
  }

  async #append(who: number): Promise<void> {
    const [id, { history }] = this.#anyLedger();
    const items = Array.from({ length: 1 + this.#draw(3) }, () => this.#newItem(who));
    const newMessages = items.map((item) => say(item, this.#draw(6) === 0 ? this.#draw(3_000) : 0));
    const status = this.#draw(3) === 0 ? statusOf(newMessages.shift() as Message) : undefined;
    const options = this.#draw(2) === 0 ? {} : { historyLength: items.length + this.#draw(12) };
    await this.#write(history, items, async (signal) => {
      const answer = await this.#store(who).updateTask(id, { status, newMessages }, { ...options, signal });
      expect(messagesOf(answer).slice(-items.length)).toEqual(items);
    });
  }

  async #addPart(who: number): Promise<void> {
    const [id, { artifacts }] = this.#anyLedger();
    const index = this.#draw(ARTIFACTS);
    const item = this.#newItem(who);
    const { parts } = say(item);
    await this.#write(artifacts[index] as Ledger, [item], (signal) =>
      this.#store(who).updateTask(id, { artifactsUpdates: [{ index, parts }] }, { signal }),
    );
  }

  async #write(ledger: Ledger, items: readonly string[], call: Call): Promise<void> {
    ledger.send(items);
    const code = await failureOf(() => this.#maybeAborted(call));
    if (!code) ledger.acknowledge(items);
    // Of what failed otherwise, nobody can tell.
    else if (code === 'QUOTA_EXCEEDED') ledger.refuse(items);
  }

  /** Now and then its caller gives up, at once or in a moment; the change may still come about, be it while the store closes. */
  async #maybeAborted(call: Call): Promise<unknown> {
    const controller = new AbortController();
    const { signal } = controller;
    const turns = this.#draw(5) === 0 ? this.#draw(60) : undefined;
    const calling = call(signal);
    if (turns === undefined) return calling;
    calling.catch(() => {});
    for (let turn = 0; turn < turns; turn++) await null;
    controller.abort(new TaskStoreError('IO_ERROR', 'given up'));
    return calling;
  }

  async #read(who: number): Promise<void> {
    const [id, ledger] = this.#anyLedger();
    const judge = ledger.judge();
    await failureOf(async () => judge(await this.#store(who).getTask(id)));
  }

  async #readLast(who: number): Promise<void> {
    const [id, ledger] = this.#anyLedger();
    const historyLength = this.#draw(12);
    const judge = ledger.judge(historyLength);
    await failureOf(async () => judge(await this.#store(who).getTask(id, { historyLength })));
  }

  #comeOrGo(who: number): Promise<void> {
    const act = (['look', 'delete', 'upsert', 'upsert'] as const)[this.#draw(4)] ?? 'look';
    return this.#fates.meet(`one at a time ${this.#draw(2)}`, act, this.#store(who), this.#newItem(who));
  }

  /** Tasks that several contexts make and delete at once. */
  async #contend(who: number): Promise<void> {
    const id = `contended ${this.#draw(2)}`;
    const message = say(this.#newItem(who), this.#draw(900));
    const store = this.#store(who);
    const isDeletion = this.#draw(3) === 0;
    await failureOf(() => (isDeletion ? store.deleteTask(id) : store.upsertTask({ id, message })));
  }

  async #list(who: number): Promise<void> {
    const limit = 1 + this.#draw(5);
    const order = this.#draw(2) === 0 ? 'newest' : 'oldest';
    await failureOf(async () => {
      const { tasks } = await this.#store(who).listTasks({ limit, order });
      expect(tasks.length).toBeLessThanOrEqual(limit);
      expect(tasks.length).toBeGreaterThanOrEqual(Math.min(limit, this.#ledgers.size));
      expect(new Set(tasks.map(({ id, taskType }) => `${id} ${taskType}`)).size).toBe(tasks.length);
    });
  }

  /** Puts a whole task in the place of another, which a reader must see whole. */
  async #replace(who: number): Promise<void> {
    const length = this.#draw(9);
    const items = Array.from({ length }, (_, i) => `${this.#written}.${i}.${length}`);
    this.#written++;
    const task = { id: 'replaced', status: { state: 'working' as const }, history: items.map((item) => say(item)) };
    const isDeletion = this.#draw(6) === 0;
    const reader = this.#store(this.#draw(CONTEXTS));
    await failureOf(async () => {
      if (isDeletion) await this.#store(who).deleteTask(task.id, client);
      else await this.#store(who).upsertTaskForClient(task, 'https://a.example');
      const found = messagesOf(await reader.getTaskForClient(task.id));
      const [number, , count] = (found[0] ?? '..0').split('.');
      expect(found).toEqual(Array.from({ length: Number(count) }, (_, i) => `${number}.${i}.${count}`));
    });
  }

  /** As one does that has set a value beside the tasks; whatever is known is looked for anew. */
  async #tellToLook(): Promise<void> {
    this.#channel.postMessage([]);
  }

  async #reopen(who: number): Promise<void> {
    const old = this.#store(who);
    let opened: TaskStore | undefined;
    while (!opened) {
      await failureOf(async () => {
        opened = await this.#open();
      });
    }
    this.#stores[who] = opened;
    await old.close();
  }

  /** All is well again: now everyone must agree, and who comes later too. */
  async #judgeAll(): Promise<void> {
    // Long enough for some of it to be folded.
    await pause(50);
    // Who has given up a write takes it back when it writes, or looks whether there is anything to write.
    for (const store of this.#stores) await insisted(() => store.deleteTask('none'));
    const last = await this.#open(PATIENT_MS);
    this.#stores.push(last);
    await this.#judge(last);
    const all = await contentsOf(last);
    for (const store of this.#stores) expect(await contentsOf(store)).toEqual(all);
    await Promise.all(this.#stores.map((store) => store.close()));
    expect(await contentOfJournal(this.#name), 'all is folded').toEqual([]);
    const again = await this.#open(PATIENT_MS);
    this.#stores.push(again);
    await this.#judge(again);
    expect(await contentsOf(again)).toEqual(all);
    await again.close();
  }

  async #judge(store: TaskStore): Promise<void> {
    for (const [id, ledger] of this.#ledgers) ledger.judge()(await store.getTask(id));
    await this.#fates.judge(store);
  }

  #open(timeoutMs = this.#isRevocable ? IMPATIENT_MS : PATIENT_MS): Promise<TaskStore> {
    return openTaskStore({ name: this.#name, backend: 'indexeddb', timeoutMs });
  }

  #store(who: number): TaskStore {
    return this.#stores[who] as TaskStore;
  }

  #anyLedger(): [id: string, ledger: TaskLedger] {
    return [...this.#ledgers][this.#draw(this.#ledgers.size)] as [string, TaskLedger];
  }

  #newItem(who: number): string {
    return `${who}:${this.#written++}`;
  }
}

function drawOf(seed: number): Draw {
  const random = randomOf(seed);
  return (count) => Math.floor(random() * count);
}
