/** What goes wrong between several contexts only where one thing happens just before another. */
import { describe, expect, it } from 'vitest';
import { promisifyRequest } from '../../src/backends/indexeddb/connection.ts';
import type { TaskStore } from '../../src/index.browser.ts';
import {
  commitAsFirefox,
  contentOfJournal,
  fillDisk,
  newName,
  occupy,
  onCall,
  onWrite,
  open as openOne,
  openRaw,
  patch,
  undoAfterEach,
} from './indexeddb-tools.ts';

/** No browser is so slow. */
const PATIENT = 3_600_000;

const open = (name: string, timeoutMs = PATIENT) => openOne({ name, timeoutMs });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const say = (text: string) => ({ role: 'agent' as const, parts: [{ type: 'text' as const, text }] });
const append = (store: TaskStore, ...texts: string[]) => store.updateTask('t', { newMessages: texts.map(say) });

async function texts(store: TaskStore, historyLength?: number): Promise<unknown[] | undefined> {
  const stored = await store.getTask('t', historyLength === undefined ? {} : { historyLength });
  return stored?.task.history?.map(({ parts }) => parts[0]?.text);
}

/** Two tabs on one database, in which the first has made a task of two messages. */
async function twoTabs(timeoutMs?: number) {
  const name = newName();
  const [one, other] = [await open(name, timeoutMs), await open(name, timeoutMs)] as const;
  await one.upsertTask({ id: 't', message: say('first') });
  await append(one, 'second');
  return { name, one, other };
}

/** So much that all is folded in the next pause. */
const ballast = (store: TaskStore) => store.upsertTask({ id: 'ballast', message: say('x'.repeat(200_000)) });

/** The next write, of whoever it is, completes, which is not seen; but its failure is, after what `then` does, if anything. */
function loseEnd(then?: () => Promise<unknown>): () => void {
  let isLost = false;
  return onWrite((transaction) => {
    if (isLost) return;
    isLost = true;
    Object.defineProperty(transaction, 'oncomplete', { set: () => {} });
    transaction.addEventListener('complete', async (event) => {
      await then?.();
      if (then) transaction.onabort?.(event);
    });
  });
}

/** Resolves when the next write completes, of whoever it is, which is heard when the function it answers is called. */
function nextEnd(): Promise<() => void> {
  return new Promise((resolve) => {
    const restore = onWrite((transaction) => {
      restore();
      let hear = () => {};
      Object.defineProperty(transaction, 'oncomplete', {
        set: (answer) => {
          hear = answer;
        },
      });
      transaction.addEventListener('complete', () => resolve(() => hear()));
    });
  });
}

/** Answers how often the row of this task was asked for since. */
function countLooks(name: string): () => number {
  let looks = 0;
  patch(
    IDBObjectStore.prototype,
    'get',
    (original) =>
      function (this: IDBObjectStore, key) {
        if (key === name) looks++;
        return original.call(this, key);
      },
  );
  return () => looks;
}

async function countOf(name: string, store: string): Promise<number> {
  const db = await openRaw(name);
  return promisifyRequest(db.transaction(store).objectStore(store).count());
}

export function testInterleavings(): void {
  undoAfterEach();

  it('one that found nothing learns what was written and folded since', async () => {
    const name = newName();
    const one = await open(name);
    await one.deleteTask('none');
    const other = await open(name);
    await other.upsertTask({ id: 't', message: say('first') });
    await append(other, 'second');
    await other.close();
    await one.upsertTask({ id: 'mine', message: say('x') });
    await one.upsertTask({ id: 't', message: say('third') });
    for (const store of [one, await open(name)]) expect(await texts(store)).toEqual(['first', 'second', 'third']);
  });

  it('a short segment inside a longer one does not spoil what is read after it', async () => {
    const name = newName();
    const one = await open(name);
    let count = 0;
    const more = async (store: TaskStore, many: number) => {
      await append(store, ...Array.from({ length: many }, () => `${count++}`));
    };
    await one.upsertTask({ id: 't', message: say(`${count++}`) });
    for (const many of [31, 18]) {
      // Sealed up to 32, which is a full segment, and up to 50, which is none.
      await more(one, many);
      await ballast(one);
      await pause(250);
    }
    const other = await open(name);
    await texts(other, 1);
    await more(other, 17);
    await ballast(other);
    // Learns it before the other folds it, and lets it go on from 50.
    for (const ms of [50, 60]) {
      await pause(ms);
      await texts(one, 1);
    }
    await pause(300);
    // Goes on from 32.
    await more(one, 63);
    await ballast(one);
    await pause(250);
    const expected = Array.from({ length: count }, (_, i) => `${i}`);
    for (const wanted of [34, 20, 17, 60, count]) {
      expect(await texts(await open(name), wanted)).toEqual(expected.slice(-wanted));
    }
  });

  it.each([
    [0, 700_000],
    [-3_600_000, -2_900_000],
    // By its clock, it has only just written.
    [-3_600_000, 1_000],
  ])(
    'one that wrote last, as it thinks, is refused or looks first, however late (clock: %i, then %i)',
    async (turned, late) => {
      const name = newName();
      const [one, other] = [await open(name), await open(name)];
      await one.upsertTask({ id: 't', message: say('first') });
      let skew = turned;
      patch(Date, 'now', (now) => () => now() + skew);
      await append(other, 'second');
      await ballast(other);
      await pause(250);
      skew += 700_000;
      // Who comes later tidies up what was kept for others.
      const next = await open(name);
      await append(next, 'third');
      await ballast(next);
      await pause(250);
      skew = late;
      await append(one, 'late');
      for (const store of [one, other, next, await open(name)]) {
        expect(await texts(store)).toEqual(['first', 'second', 'third', 'late']);
      }
    },
  );

  it('one that wrote last, as it thinks, is refused though what is in its place was the last that was folded', async () => {
    const name = newName();
    const [one, other] = [await open(name), await open(name)];
    await one.upsertTask({ id: 't', message: say('first') });
    for (let i = 0; i < 2; i++) {
      await ballast(other);
      await pause(250);
    }
    await append(one, 'late');
    for (const store of [one, other, await open(name)]) expect(await texts(store)).toEqual(['first', 'late']);
  });

  it('what could not be folded, the disk being full, is folded whole later', async () => {
    const name = newName();
    const store = await open(name);
    await store.upsertTask({ id: 't', message: say('0') });
    const expected = Array.from({ length: 100 }, (_, i) => `${i}`);
    await append(store, ...expected.slice(1));
    await ballast(store);
    const restore = fillDisk();
    await pause(250);
    restore();
    expect(await contentOfJournal(name)).toHaveLength(3);
    await append(store, '100');
    await store.close();
    expect(await contentOfJournal(name)).toEqual([]);
    expect(await texts(await open(name))).toEqual([...expected, '100']);
  });

  it('one that has read a task asks for it no more, whoever changes it', async () => {
    const { name, one, other } = await twoTabs();
    const looks = countLooks('i:t');
    expect(await texts(other)).toEqual(['first', 'second']);
    await append(one, 'third');
    expect(await texts(other)).toEqual(['first', 'second', 'third']);
    await append(other, 'fourth');
    await append(one, 'fifth');
    expect(await texts(other)).toEqual(['first', 'second', 'third', 'fourth', 'fifth']);
    expect(looks()).toBeLessThan(3);
    expect(await texts(await open(name))).toHaveLength(5);
  });

  it.each([
    ['reads', (store: TaskStore) => store.getTask('t')],
    ['lists', (store: TaskStore) => store.listTasks()],
  ])('what one that is gone has not folded, one folds that only %s', async (_, look) => {
    const name = newName();
    const gone = await open(name);
    const stop = patch(
      globalThis,
      'setTimeout',
      (original) => ((then: () => void, ms = 0) => (ms < 50 ? original(then, ms) : 1)) as typeof setTimeout,
    );
    await gone.upsertTask({ id: 't', message: say('first') });
    for (let i = 0; i < 70; i++) await append(gone, `${i}`);
    // By then it has nothing more to write, and would fold soon.
    await texts(gone);
    stop();
    await pause(250);
    expect(await contentOfJournal(name)).toHaveLength(71);
    await look(await open(name));
    await expect.poll(() => contentOfJournal(name)).toEqual([]);
  });

  it('a long task that is deleted, or replaced, leaves none of its items behind', async () => {
    const name = newName();
    const history = Array.from({ length: 100 }, (_, i) => say(`${i}`));
    const put = async (id: string, count: number) => {
      const store = await open(name);
      const task = { id, status: { state: 'working' as const }, history: history.slice(0, count) };
      await store.upsertTaskForClient(task, 'https://a.example');
      await store.close();
    };
    for (const id of ['deleted', 'replaced']) await put(id, 100);
    expect(await countOf(name, 'segments')).toBeGreaterThan(3);
    const store = await open(name);
    await store.deleteTask('deleted', { taskType: 'outgoing' });
    await store.close();
    await put('replaced', 1);
    expect([await countOf(name, 'tasks'), await countOf(name, 'segments')]).toEqual([1, 0]);
  });

  it('a long task that is deleted and made anew in one go leaves none of its items behind', async () => {
    const store = await open(newName());
    await store.upsertTask({ id: 'before', message: say('first') });
    await store.upsertTask({ id: 't', message: say('first') });
    await append(store, ...Array.from({ length: 100 }, (_, i) => `${i}`));
    await ballast(store);
    await pause(250);
    expect(await countOf(store.name, 'segments')).toBeGreaterThan(1);
    await store.deleteTask('t');
    await store.upsertTask({ id: 't', message: say('anew') });
    await store.close();
    // That of the ballast.
    expect(await countOf(store.name, 'segments')).toBe(1);
  });

  it('two looks at once by one that knows nothing, of which the first is answered late', async () => {
    const name = newName();
    const writer = await open(name);
    await writer.upsertTask({ id: 't', message: say('first') });
    await writer.close();
    const [other, one] = [await open(name), await open(name)];
    let release = () => {};
    let looks = 0;
    const first = new Promise<void>((resolve) => {
      patch(
        IDBObjectStore.prototype,
        'openKeyCursor',
        (original) =>
          function (this: IDBObjectStore, ...args) {
            const request = original.apply(this, args);
            if (++looks === 2) release();
            if (looks > 1) return request;
            let answer: ((event: Event) => void) | undefined;
            Object.defineProperty(request, 'onsuccess', {
              set: (given) => {
                answer = given;
              },
            });
            request.addEventListener('success', (event) => {
              const { result } = request;
              Object.defineProperty(request, 'result', { value: result });
              release = () => answer?.(event);
              resolve();
            });
            return request;
          },
      );
    });
    const early = one.getTask('t').catch(() => undefined);
    await first;
    looks = 10;
    await append(other, 'second');
    await other.close();
    looks = 1;
    await one.listTasks();
    await early;
    expect(await texts(one)).toEqual(['first', 'second']);
    await append(one, 'third');
    expect(await texts(await open(name))).toEqual(['first', 'second', 'third']);
  });

  it('a write on a connection that is lost, ended after a look on another has begun, hides nothing from that', async () => {
    const name = newName();
    const store = await open(name);
    for (const id of ['t', 'u']) await store.upsertTask({ id, message: say('first') });
    const connections: IDBDatabase[] = [];
    onWrite(({ db }) => connections.push(db));
    const release = await occupy(name);
    const writing = store.upsertTask({ id: 'v', message: say('first') });
    await expect.poll(() => connections.length).toBe(2);
    connections[1]?.close();
    const reading = texts(store);
    await pause(100);
    release();
    await writing;
    expect(await reading).toEqual(['first']);
    expect(await texts(store)).toEqual(['first']);
    expect((await store.listTasks()).tasks).toHaveLength(3);
  });

  it('a fold whose end is heard late puts nothing out of mind that was learned since', async () => {
    const name = newName();
    const [one, other] = [await open(name), await open(name)];
    await one.upsertTask({ id: 't', message: say('first') });
    await ballast(one);
    const hear = await nextEnd();
    await other.upsertTask({ id: 'u', message: say('first') });
    // All is looked for anew.
    globalThis.dispatchEvent(new Event('pageshow'));
    await texts(one);
    hear();
    await append(one, 'second');
    await ballast(one);
    await pause(250);
    for (const store of [one, other, await open(name)]) {
      expect((await store.listTasks()).tasks.map(({ id }) => id).sort()).toEqual(['ballast', 't', 'u']);
      expect((await store.getTask('u'))?.task.history).toHaveLength(1);
    }
  });

  it('a change that begins while the store closes, its caller having given up, is in no row before it is written', async () => {
    const name = newName();
    const store = await open(name);
    await store.upsertTask({ id: 't', message: say('first') });
    await append(store, 'second');
    // Whether there is sync is asked again, which takes the next change a moment.
    globalThis.dispatchEvent(new Event('pageshow'));
    const controller = new AbortController();
    const given = store.updateTask('t', { newMessages: [say('late')] }, { signal: controller.signal });
    controller.abort();
    await expect(given).rejects.toMatchObject({ name: 'AbortError' });
    // Should it be written beside, that is lost.
    onWrite((transaction) => {
      if (!transaction.objectStoreNames.contains('tasks')) transaction.abort();
    });
    await store.close();
    const again = await open(name);
    const found = await texts(again);
    await again.updateTask('t', { newMessages: [say('third')] });
    expect(await texts(again)).toEqual([...(found ?? []), 'third']);
  });

  describe('a write whose end was not seen', () => {
    it('is not repeated where another has written and folded since, though it may be told to have failed', async () => {
      const { one, other } = await twoTabs();
      loseEnd(async () => {
        await append(other, 'other');
        await other.close();
      });
      await Promise.allSettled([append(one, 'a'), append(one, 'b')]);
      expect(await texts(one)).toEqual(['first', 'second', 'a', 'b', 'other']);
    });

    it('is told to have taken effect where another has written since', async () => {
      const { one, other } = await twoTabs();
      loseEnd(() => append(other, 'other'));
      await append(one, 'third');
      expect(await texts(one)).toEqual(['first', 'second', 'third', 'other']);
    });

    it('is told to have taken effect where another has folded it and written nothing', async () => {
      const { one, other } = await twoTabs();
      loseEnd(async () => {
        await texts(other);
        await other.close();
      });
      await append(one, 'third');
      expect(await texts(one)).toEqual(['first', 'second', 'third']);
    });
  });

  it.each([1, 2])(
    'a write whose end was not seen is not refused by the disk that is full since (changes: %i)',
    async (count) => {
      const store = await open(newName());
      await store.upsertTask({ id: 't', message: say('first') });
      let failures = 0;
      const end = loseEnd(async () => {
        end();
        const restore = patch(IDBFactory.prototype, 'open', () => () => {
          restore();
          failures++;
          throw new DOMException('', 'QuotaExceededError');
        });
      });
      const sent = ['a', 'b'].slice(0, count);
      const calls = await Promise.allSettled(sent.map((text) => append(store, text)));
      for (const call of calls) expect(call).toMatchObject({ reason: { code: 'STORE_UNAVAILABLE' } });
      expect(failures).toBe(1);
      expect(await texts(store)).toEqual(['first', ...sent]);
    },
  );

  describe('a write that was given up and came about all the same', () => {
    it('is taken back as the store closes', async () => {
      const name = newName();
      const store = await open(name, 1_000);
      await store.upsertTask({ id: 't', message: say('first') });
      const restore = loseEnd();
      await expect(append(store, 'given up')).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
      restore();
      await store.close();
      expect(await texts(await open(name))).toEqual(['first']);
    });

    it('is taken back though it was read before', async () => {
      const name = newName();
      const store = await open(name, 1_000);
      await store.upsertTask({ id: 't', message: say('first') });
      const release = await occupy(name);
      await expect(append(store, 'late')).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
      release();
      await texts(store);
      await append(store, 'in time');
      expect(await texts(store)).toEqual(['first', 'in time']);
    });

    it.each([false, true])('leaves its place taken for who thinks it free, folded (%s) or not', async (isFolded) => {
      const name = newName();
      const other = await open(name);
      await other.upsertTask({ id: 't', message: say('first') });
      const store = await open(name, 1_000);
      await texts(store);
      const restore = loseEnd();
      await expect(append(store, 'given up')).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
      restore();
      await append(store, 'second');
      if (isFolded) {
        await ballast(store);
        await pause(250);
      }
      await append(other, 'third');
      for (const each of [store, other, await open(name)]) {
        expect(await texts(each)).toEqual(['first', 'second', 'third']);
      }
    });
  });

  it('a change that is refused is refused all of it, be it read for, or of several records', async () => {
    commitAsFirefox();
    const { name, one, other } = await twoTabs();
    await one.upsertTask({ id: 'u', message: say('first') });
    const expected = ['first', 'second', ...Array.from({ length: 20 }, (_, i) => `${i}`)];
    await append(one, ...expected.slice(2));
    // Folded, so that who has read the head alone has none of the messages.
    await ballast(one);
    await pause(300);
    for (const historyLength of [0, 100]) {
      const writer = await open(name);
      await writer.getTask('t', { historyLength });
      // It may write without a look after that.
      await pause(1_200);
      await writer.updateTask('u', { newMessages: [say('claim')] });
      await append(other, `other ${historyLength}`);
      const long = 'x'.repeat(60_000);
      const writes = [append(writer, long)];
      if (historyLength > 0) writes.push(writer.updateTask('u', { newMessages: [say(long)] }));
      await Promise.all(writes);
      expected.push(`other ${historyLength}`, long);
      for (const store of [writer, other, await open(name)]) expect(await texts(store)).toEqual(expected);
    }
    const { task } = (await other.getTask('u')) ?? {};
    expect(task?.history).toHaveLength(4);
  });

  describe('writes that were given up', () => {
    it('are not taken for what was written in their place since', async () => {
      const name = newName();
      const [one, other] = [await open(name, 1_000), await open(name)];
      await other.deleteTask('none');
      for (const id of ['t', 'u']) await one.upsertTask({ id, message: say('first') });
      // Lost before it is written; then nothing is answered.
      let release: Promise<() => void> | undefined;
      const restore = onWrite((transaction) => {
        restore();
        transaction.abort();
        release = occupy(name);
      });
      const long = say('x'.repeat(60_000));
      const calls = ['t', 'u'].map((id) => one.updateTask(id, { newMessages: [long] }));
      for (const call of await Promise.allSettled(calls)) {
        expect(call).toMatchObject({ reason: { code: 'STORE_TIMEOUT' } });
      }
      const others = append(other, 'other');
      await pause(20);
      const end = loseEnd(async () => {});
      const own = append(one, 'own');
      await pause(20);
      (await release)?.();
      await Promise.all([others, own]);
      end();
      // It is used no more, and looks for what it gave up.
      await pause(300);
      for (const store of [one, other, await open(name)]) expect(await texts(store)).toEqual(['first', 'other', 'own']);
    });

    it('stay where another context has written them to the row of their task', async () => {
      const name = newName();
      // Time enough for the other to fold.
      const [one, other] = [await open(name, 2_500), await open(name)];
      const expected = Array.from({ length: 20 }, (_, i) => `${i}`);
      await one.upsertTask({ id: 't', message: say('0') });
      await append(one, ...expected.slice(1, -1));
      // More than are folded at a time.
      for (let i = 0; i < 68; i++) await one.upsertTask({ id: `u${i}`, message: say('x') });
      // It tells all of the head, so that who learns of the task by it needs no row.
      await one.updateTask('t', { status: { state: 'working' }, newMessages: [say('19')] });
      const restore = loseEnd();
      const late = expect(append(one, 'late')).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
      await pause(50);
      await texts(other);
      await late;
      restore();
      await texts(one);
      await one.updateTask('u1', { newMessages: [say('x')] });
      await append(one, 'last');
      await one.close();
      for (const store of [other, await open(name)]) expect(await texts(store)).toEqual([...expected, 'late', 'last']);
    });

    it('one after the other are all taken back, though the last never came about', async () => {
      const name = newName();
      const store = await open(name, 1_000);
      await store.upsertTask({ id: 't', message: say('first') });
      const release = await occupy(name);
      await expect(append(store, 'late')).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
      release();
      // Lost as it is to be written; then the database does not open.
      const restore = patch(
        IDBObjectStore.prototype,
        'add',
        (original) =>
          function (this: IDBObjectStore, ...args) {
            restore();
            const added = original.apply(this, args);
            this.transaction.abort();
            const open = patch(
              IDBFactory.prototype,
              'open',
              (original) =>
                function (this: IDBFactory, ...args) {
                  open();
                  const request = original.apply(this, args);
                  request.addEventListener('success', (event) => event.stopImmediatePropagation());
                  return request;
                },
            );
            return added;
          },
      );
      await expect(append(store, 'never')).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
      await append(store, 'in time');
      expect(await texts(store)).toEqual(['first', 'in time']);
    });
  });

  it('a task created beside more than 10,000 others does not cost a look at all of them', async () => {
    const name = newName();
    const one = await open(name);
    const ids = Array.from({ length: 10_050 }, (_, i) => `t${i}`);
    await Promise.all(ids.map((id) => one.upsertTask({ id, message: say('x') })));
    await one.close();
    const again = await open(name);
    let looks = 0;
    onCall(IDBObjectStore.prototype, 'getAllKeys', (_, self) => {
      if (self.name === 'tasks') looks++;
    });
    for (let i = 0; i < 20; i++) await again.upsertTask({ id: `new ${i}`, message: say('x') });
    expect(looks).toBeLessThan(3);
  });

  it('a task taken out on a full disk is not brought back by one that closes before it is told', async () => {
    const name = newName();
    const [one, other] = [await open(name), await open(name)];
    for (const id of ['t', 'u']) await one.upsertTask({ id, message: say('first') });
    await texts(other);
    const restore = fillDisk();
    expect(await one.deleteTask('t')).toBe(true);
    restore();
    await other.close();
    for (const store of [one, await open(name)]) {
      expect(await texts(store)).toBe(undefined);
      expect((await store.listTasks()).tasks.map(({ id }) => id)).toEqual(['u']);
    }
  });

  it('a task taken out on a full disk is not brought back though a write was taken back beside it', async () => {
    const name = newName();
    const [one, other] = [await open(name, 1_000), await open(name)];
    for (const id of ['t', 'u']) await one.upsertTask({ id, message: say('first') });
    const end = loseEnd();
    await expect(append(one, 'late')).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
    end();
    await one.upsertTask({ id: 'u', message: say('second') });
    await texts(other);
    const restore = fillDisk();
    expect(await one.deleteTask('t')).toBe(true);
    restore();
    await other.close();
    for (const store of [one, await open(name)]) expect(await texts(store)).toBe(undefined);
  });

  it('a full disk keeps a task that shares a record with another, and the one that was changed last', async () => {
    const name = newName();
    const store = await open(name);
    const create = (id: string) => store.upsertTask({ id, message: say('first') });
    await Promise.all([create('t'), create('beside')]);
    await create('last');
    const restore = fillDisk();
    for (const id of ['t', 'last'])
      await expect(store.deleteTask(id)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    restore();
    for (const each of [store, await open(name)]) {
      expect((await each.listTasks()).tasks.map(({ id }) => id).sort()).toEqual(['beside', 'last', 't']);
    }
  });

  it('a full disk keeps a task whose record is in the place that another context takes for free', async () => {
    const { name, one, other } = await twoTabs();
    for (const id of ['u', 'v']) await other.upsertTask({ id, message: say('first') });
    const restore = fillDisk();
    await expect(other.deleteTask('u')).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    restore();
    await append(one, 'late');
    for (const store of [one, other, await open(name)]) expect(await texts(store)).toEqual(['first', 'second', 'late']);
  });

  it('a long task taken out on a full disk leaves none of its items behind', async () => {
    const { name, one, other } = await twoTabs();
    await append(one, ...Array.from({ length: 100 }, (_, i) => `${i}`));
    for (const store of [one, other]) await store.close();
    const again = await open(name);
    const restore = fillDisk();
    expect(await again.deleteTask('t')).toBe(true);
    restore();
    expect([await countOf(name, 'tasks'), await countOf(name, 'segments')]).toEqual([0, 0]);
  });

  it('a task that two take out on a full disk at once is said to be deleted by one of them', async () => {
    const { one, other } = await twoTabs();
    await one.upsertTask({ id: 'u', message: say('first') });
    const restore = fillDisk();
    expect((await Promise.all([one.deleteTask('t'), other.deleteTask('t')])).sort()).toEqual([false, true]);
    restore();
    for (const store of [one, other]) expect(await texts(store)).toBe(undefined);
  });

  it('a task taken out on a full disk is told to be, though the end of that was not seen', async () => {
    const name = newName();
    const [one, other] = [await open(name), await open(name)];
    for (const id of ['t', 'u']) await one.upsertTask({ id, message: say('first') });
    await texts(other);
    const restore = fillDisk();
    let isLost = false;
    onWrite((tx) => {
      if (isLost || !tx.objectStoreNames.contains('tasks')) return;
      isLost = true;
      Object.defineProperty(tx, 'oncomplete', { set: () => {} });
      tx.addEventListener('complete', (event) => tx.onabort?.(event));
    });
    expect(await one.deleteTask('t')).toBe(true);
    restore();
    await expect.poll(() => texts(other)).toBe(undefined);
  });

  it('a task taken out on a full disk is found gone by others, though that was given up', async () => {
    const name = newName();
    const [one, other] = [await open(name, 1_000), await open(name)];
    for (const id of ['t', 'u']) await one.upsertTask({ id, message: say('first') });
    await texts(other);
    const restore = fillDisk();
    const end = onWrite((tx) => {
      if (tx.objectStoreNames.contains('tasks')) Object.defineProperty(tx, 'oncomplete', { set: () => {} });
    });
    await expect(one.deleteTask('t')).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
    end();
    restore();
    await expect.poll(() => texts(other)).toBe(undefined);
    await other.upsertTask({ id: 't', message: say('anew') });
    for (const store of [one, other, await open(name)]) expect(await texts(store)).toEqual(['anew']);
  });

  it('a task taken out on a full disk is found gone by others, though who did it was no more a moment later', async () => {
    const name = newName();
    const [one, other] = [await open(name), await open(name)];
    for (const id of ['t', 'u']) await one.upsertTask({ id, message: say('first') });
    await texts(other);
    const restore = fillDisk();
    let speak = () => {};
    const end = onWrite((tx) => {
      if (!tx.objectStoreNames.contains('tasks')) return;
      tx.addEventListener('complete', () => {
        speak = patch(BroadcastChannel.prototype, 'postMessage', () => () => {});
      });
    });
    expect(await one.deleteTask('t')).toBe(true);
    end();
    speak();
    restore();
    await expect.poll(() => texts(other)).toBe(undefined);
  });

  it('a task taken out on a full disk while another appends to it stays out, and spoils no list', async () => {
    const name = newName();
    const first = await open(name);
    await first.upsertTask({ id: 't', message: say('first') });
    await first.close();
    const [one, other] = [await open(name), await open(name)];
    await texts(other);
    // The other may write without a look.
    await other.upsertTask({ id: 'u', message: say('first') });
    const restore = fillDisk();
    let late: Promise<unknown> | undefined;
    let writes = 0;
    const end = onWrite(() => {
      // The record was refused; with room again, and before it hears of it, the other writes behind this.
      if (++writes < 2) return;
      end();
      restore();
      queueMicrotask(() => {
        late = append(other, 'late');
      });
    });
    expect(await one.deleteTask('t')).toBe(true);
    await late;
    const third = await open(name);
    for (const store of [one, other, third]) {
      await expect.poll(() => texts(store)).toBe(undefined);
      expect((await store.listTasks()).tasks.map(({ id }) => id)).toEqual(['u']);
    }
    for (const store of [other, third]) await store.close();
    expect(await contentOfJournal(name)).toEqual([]);
    await one.upsertTask({ id: 't', message: say('anew') });
    expect(await texts(await open(name))).toEqual(['anew']);
  });

  it('a task taken out on a full disk is found gone by a page that was put away, and is shown again', async () => {
    const name = newName();
    const [one, other] = [await open(name), await open(name)];
    for (const id of ['t', 'u']) await one.upsertTask({ id, message: say('first') });
    await texts(other);
    const deafen = patch(BroadcastChannel.prototype, 'postMessage', () => () => {});
    const restore = fillDisk();
    expect(await one.deleteTask('t')).toBe(true);
    restore();
    deafen();
    globalThis.dispatchEvent(new Event('pageshow'));
    await other.upsertTask({ id: 't', message: say('anew') });
    for (const store of [one, other, await open(name)]) expect(await texts(store)).toEqual(['anew']);
  });

  it('memory has its limit while a stream never pauses', async () => {
    const store = await open(newName());
    await store.upsertTask({ id: 't', message: say('first') });
    const text = 'x'.repeat(50_000);
    for (let i = 0; i < 2_000; i++) await store.upsertTask({ id: `t${i}`, message: say(text) });
    const looks = countLooks('i:t');
    await append(store, 'again');
    // It was forgotten: 100 million characters have gone by, of which 64 may be in memory.
    expect(looks()).toBeGreaterThan(0);
  });

  /** More than memory may hold, and one that knows nothing of it yet. */
  async function longMetadata() {
    const name = newName();
    const writer = await open(name);
    const metadata = { text: 'x'.repeat(2_000_000) };
    const ids = Array.from({ length: 40 }, (_, i) => `t${i}`);
    for (const id of ids) await writer.upsertTask({ id, message: say('first'), metadata });
    await writer.close();
    return { name, ids, one: await open(name) };
  }

  it('tasks of a long metadata that are not folded yet are not read again for each change and each read', async () => {
    const { name, ids, one } = await longMetadata();
    for (const id of ids) await one.updateTask(id, { newMessages: [say('second')] });
    const other = await open(name);
    const looks = countLooks('i:t0');
    for (let i = 0; i < 10; i++) {
      await one.updateTask('t1', { newMessages: [say('third')] });
      await other.getTask('t1', { historyLength: 1 });
    }
    // Each of the two may have forgotten it once.
    expect(looks()).toBeLessThan(4);
  });

  it('memory has its limit while others change tasks of a long metadata', async () => {
    const { name, ids, one } = await longMetadata();
    const other = await open(name);
    const looks = countLooks('i:t0');
    await other.getTask('t0');
    for (const id of ids.slice(1)) {
      await one.updateTask(id, { newMessages: [say('second')] });
      await other.getTask('none');
    }
    await other.getTask('t0');
    expect(looks()).toBe(2);
  });

  it.each(['history', 'metadata'] as const)('memory has its limit while tasks of a long %s are read', async (what) => {
    const name = newName();
    const writer = await open(name);
    const text = 'x'.repeat(1_000_000);
    const ids = Array.from({ length: 70 }, (_, i) => `t${i}`);
    for (const id of ids) {
      await writer.upsertTask({ id, message: say('first'), ...(what === 'metadata' && { metadata: { text } }) });
      if (what === 'history') await writer.updateTask(id, { newMessages: [say(text)] });
    }
    await writer.close();
    const reader = await open(name);
    const looks = countLooks('i:t0');
    for (const id of [...ids, 't0']) await reader.getTask(id);
    expect(looks()).toBe(2);
  });
}
