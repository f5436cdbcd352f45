/** What befalls a database in one page, and what the store makes of it; for every IndexedDB there is. */
import { describe, expect, it } from 'vitest';
import type { StoredTask, TaskChange, TaskStore } from '../../src/index.browser.ts';
import type { LocalTaskStore } from '../../src/local-task-store.ts';
import { elkarSync } from '../../src/sync.ts';
import {
  contentOfJournal,
  newName,
  occupy,
  onCall,
  onWrite,
  open,
  openRaw,
  patch,
  patchStoring,
  putAway,
  replace,
  undoAfterEach,
} from './indexeddb-tools.ts';

const say = (text: string) => ({ role: 'agent' as const, parts: [{ type: 'text' as const, text }] });
const create = (store: TaskStore, id: string) => store.upsertTask({ id, message: say('first') });
const append = (store: TaskStore, id: string, text: string) => store.updateTask(id, { newMessages: [say(text)] });

/** Answers nothing, and counts what it is asked. */
function silentRemote() {
  let count = 0;
  const fetch = () => {
    count++;
    return new Promise<Response>(() => {});
  };
  return { fetch, requests: () => count };
}

async function texts(store: TaskStore, id: string): Promise<unknown[] | undefined> {
  return (await store.getTask(id))?.task.history?.map(({ parts }) => parts[0]?.text);
}

/** Rejects where somebody does not make way. */
function deleteDatabase(name: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = resolve;
    request.onerror = request.onblocked = reject;
  });
}

export function testIndexedDbCases(): void {
  undoAfterEach();

  it('what a store without sync creates is pending once another has sync', async () => {
    const store = await open();
    await create(store, 'before');
    const { fetch, requests } = silentRemote();
    const sync = elkarSync({ baseUrl: 'https://remote.test/api', apiKey: 'key', fetch });
    const other = await open({ name: store.name, sync });
    await expect.poll(requests).toBe(1);
    await create(store, 'after');
    expect((await store.listTasks()).tasks.map(({ id, pending }) => [id, pending])).toEqual([
      ['after', true],
      ['before', true],
    ]);
    await Promise.all([store.close(), other.close()]);
  });

  it('what is pending is found, the oldest first, be it folded, changed since, or deleted', async () => {
    const name = newName();
    let now = Date.parse('2026-01-01T00:00:00Z');
    const environment = { now: () => now++ };
    const sync = elkarSync({ baseUrl: 'https://remote.test/api', apiKey: 'key', fetch: silentRemote().fetch });
    const one = await open({ name, environment, sync });
    for (const id of ['a', 'b', 'c', 'd', 'e']) await create(one, id);
    // By then the database says that changes are to be noted.
    await expect.poll(() => one.sync?.status.leader, { timeout: 5_000 }).toBe(true);
    await one.close();
    const other = (await open({ name, environment })) as unknown as LocalTaskStore;
    const pending = async (limit: number) => (await other.port.backend.pending(limit)).map(({ key }) => key.taskId);
    expect(await pending(3)).toEqual(['a', 'b', 'c']);
    await create(other, 'f');
    await append(other, 'b', 'more');
    await other.deleteTask('a');
    expect(await pending(3)).toEqual(['b', 'c', 'd']);
    expect(await pending(10)).toEqual(['b', 'c', 'd', 'e', 'f']);
  });

  describe('a connection', () => {
    it('closed under the store is opened anew, and what was asked for happens once', async () => {
      const connections: IDBDatabase[] = [];
      patch(
        IDBDatabase.prototype,
        'transaction',
        (original) =>
          function (this: IDBDatabase, ...args) {
            connections.push(this);
            return original.apply(this, args);
          },
      );
      const store = await open();
      await create(store, 't');
      connections.at(-1)?.close();
      await append(store, 't', 'written');
      connections.at(-1)?.close();
      expect(await texts(store, 't')).toEqual(['first', 'written']);
      expect(new Set(connections).size).toBe(3);
    });

    it('that is lost again and again is given up, and used again when it holds', async () => {
      const store = await open();
      await create(store, 't');
      let tries = 0;
      const restore = onWrite((transaction) => {
        tries++;
        transaction.abort();
      });
      // So does WebKit on a full disk.
      await expect(append(store, 't', 'lost')).rejects.toMatchObject({
        code: 'IO_ERROR',
        message: expect.stringMatching(/no reason given$/),
      });
      expect(tries).toBe(4);
      restore();
      await append(store, 't', 'kept');
      expect(await texts(store, 't')).toEqual(['first', 'kept']);
    });

    it('whose transaction was ended since the page stood still amid it, and others waited, is used again', async () => {
      const store = await open();
      await create(store, 't');
      const restore = onWrite((transaction) => {
        restore();
        Object.defineProperty(transaction, 'error', { value: new DOMException('', 'TimeoutError') });
        transaction.abort();
      });
      await append(store, 't', 'written');
      expect(await texts(store, 't')).toEqual(['first', 'written']);
    });

    describe('lost to a full disk', () => {
      /** A store of such a browser that has just lost its connection so; a cache takes nothing until the function is called. */
      const lose = async (browser: string) => {
        replace(Navigator.prototype, 'userAgent', { configurable: true, get: () => browser });
        const store = await open();
        await create(store, 't');
        let isFull = true;
        const put = async () => {
          if (isFull) throw new DOMException('', 'UnknownError');
        };
        replace(globalThis, 'caches', {
          configurable: true,
          value: { open: async () => ({ put }), delete: async () => true },
        });
        const restore = onWrite((transaction) => {
          restore();
          const error = new DOMException('IO error: 000004.log: FILE_ERROR_NO_SPACE', 'UnknownError');
          Object.defineProperty(transaction, 'error', { value: error });
          transaction.abort();
        });
        const makeRoom = () => {
          isFull = false;
        };
        return { store, makeRoom };
      };

      it('is opened anew, in Chromium, once there is room for more than the next change', async () => {
        const { store, makeRoom } = await lose('Chrome/156.0.0.0');
        const opened: string[] = [];
        patch(
          IDBFactory.prototype,
          'open',
          (original) =>
            function (this: IDBFactory, ...args) {
              opened.push(args[0]);
              return original.apply(this, args);
            },
        );
        // The first may have taken effect.
        await expect(append(store, 't', 'lost')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
        await expect(append(store, 't', 'refused')).rejects.toMatchObject({
          code: 'QUOTA_EXCEEDED',
          message: expect.stringContaining('the disk is full'),
        });
        expect(opened).not.toContain(store.name);
        makeRoom();
        await append(store, 't', 'kept');
        expect(await texts(store, 't')).toEqual(['first', 'kept']);
      });

      it('is opened anew at once in others, where what is stored can still be read', async () => {
        const { store } = await lose('Firefox/153.0');
        await append(store, 't', 'kept');
        expect(await texts(store, 't')).toEqual(['first', 'kept']);
      });
    });

    it('that could not be opened anew is tried again by the next call', async () => {
      const store = await open();
      await create(store, 't');
      let connection: IDBDatabase | undefined;
      onWrite((transaction) => {
        connection = transaction.db;
      });
      await append(store, 't', 'second');
      connection?.close();
      const restore = patch(IDBFactory.prototype, 'open', () => () => {
        throw new DOMException('', 'UnknownError');
      });
      await expect(store.getTask('t')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      restore();
      expect(await texts(store, 't')).toEqual(['first', 'second']);
    });

    it('lost after a commit took effect and before that was said does not double the change', async () => {
      const store = await open();
      await create(store, 't');
      let lost = 0;
      onWrite((transaction) => {
        if (lost > 0) return;
        Object.defineProperty(transaction, 'oncomplete', { set: () => {} });
        transaction.addEventListener('complete', (event) => {
          lost++;
          transaction.onabort?.(event);
        });
      });
      await append(store, 't', 'once');
      expect(lost).toBe(1);
      expect(await texts(store, 't')).toEqual(['first', 'once']);
      lost = 0;
      await create(store, 'new');
      expect(lost).toBe(1);
      expect(await texts(store, 'new')).toEqual(['first']);
      lost = 0;
      expect(await store.deleteTask('new')).toBe(true);
      expect(lost).toBe(1);
    });

    it('lost so until it is given up does not double what shared the transaction', async () => {
      const store = await open();
      await create(store, 't');
      let tries = 0;
      onWrite((transaction) => {
        if (++tries < 4) transaction.abort();
        if (tries !== 4) return;
        Object.defineProperty(transaction, 'oncomplete', { set: () => {} });
        transaction.addEventListener('complete', (event) => transaction.onabort?.(event));
      });
      const calls = await Promise.allSettled([append(store, 't', 'one'), append(store, 't', 'two')]);
      for (const call of calls) expect(call).toMatchObject({ reason: { code: 'IO_ERROR' } });
      expect(await texts(store, 't')).toEqual(['first', 'one', 'two']);
    });

    it('is not opened again for what is still under way when the store closes', async () => {
      const name = newName();
      const [store, writer] = [await open({ name }), await open({ name })];
      for (const id of ['t', 'u']) await create(writer, id);
      const heard = new Promise<void>((resolve) => {
        store.subscribe(() => resolve());
      });
      await Promise.all(Array.from({ length: 100 }, (_, i) => append(writer, 't', `${i}`)));
      await heard;
      let opened = 0;
      // Another database is opened to make Chromium begin a new log.
      patch(
        IDBFactory.prototype,
        'open',
        (original) =>
          function (this: IDBFactory, ...args) {
            if (args[0] === name) opened++;
            return original.apply(this, args);
          },
      );
      const controller = new AbortController();
      const given = store.upsertTask({ id: 'new', message: say('x') }, { signal: controller.signal });
      controller.abort();
      await expect(given).rejects.toMatchObject({ name: 'AbortError' });
      const tasks = store.exportTasks();
      await tasks.next();
      const watched = store.watch('t').next();
      await store.close();
      expect((await watched).done).toBe(true);
      await expect(tasks.next()).rejects.toMatchObject({ code: 'STORE_CLOSED' });
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(opened).toBe(0);
    });

    it('closed while a call that was given up begins a change leaves no rejection unheard', async () => {
      const name = newName();
      const [store, writer] = [await open({ name }), await open({ name })];
      await create(writer, 't');
      // What it has learned is folded as it closes.
      await store.getTask('t');
      const controller = new AbortController();
      const given = store.upsertTask({ id: 'new', message: say('x') }, { signal: controller.signal });
      controller.abort();
      await expect(given).rejects.toMatchObject({ name: 'AbortError' });
      await store.close();
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(await texts(writer, 't')).toEqual(['first']);
    });

    it('makes way for an upgrade by a newer version, and says why it cannot come back', async () => {
      const store = await open();
      await create(store, 't');
      const watched = store.watch('t');
      await watched.next();
      const news = watched.next();
      (await openRaw(store.name, 99)).close();
      await expect(news).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      await expect(store.getTask('t')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      await expect(open({ name: store.name })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    });

    it('makes way for a deletion of the database and goes on with an empty one', async () => {
      const store = await open();
      await create(store, 't');
      const watched = store.watch('t');
      await watched.next();
      const news = watched.next();
      await deleteDatabase(store.name);
      expect((await news).done).toBe(true);
      await expect(append(store, 't', 'gone')).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
      await create(store, 't');
      expect(await texts(store, 't')).toEqual(['first']);
    });

    it('makes way for a deletion of the database, and what it wrote there last is nothing to build on in the next', async () => {
      const store = await open();
      await create(store, 't');
      await append(store, 't', 'second');
      await deleteDatabase(store.name);
      // Whether there is sync is looked up before the next change, which finds another connection by then.
      globalThis.dispatchEvent(new Event('pageshow'));
      await expect(append(store, 't', 'gone')).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
      expect(await texts(store, 't')).toBe(undefined);
    });

    it('that opened while another before it was waited for in vain makes way, too', async () => {
      const store = await open({ timeoutMs: 500 });
      await create(store, 't');
      const unheard = <T extends IDBRequest>(request: T) => {
        request.addEventListener('success', (event) => event.stopImmediatePropagation());
        return request;
      };
      let connection: IDBDatabase | undefined;
      const restore = patch(
        IDBObjectStore.prototype,
        'getAll',
        (original) =>
          function (this: IDBObjectStore, ...args) {
            connection = this.transaction.db;
            return unheard(original.apply(this, args));
          },
      );
      const first = store.getTask('t');
      await expect.poll(() => connection).toBeTruthy();
      restore();
      connection?.close();
      await new Promise((resolve) => setTimeout(resolve, 100));
      const answer = patch(
        IDBFactory.prototype,
        'open',
        (original) =>
          function (this: IDBFactory) {
            return unheard(original.call(this, newName()));
          },
      );
      const second = store.listTasks();
      await expect(first).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
      answer();
      expect(await texts(store, 't')).toEqual(['first']);
      await expect(second).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
      expect(await texts(store, 't')).toEqual(['first']);
      await deleteDatabase(store.name);
    });

    it('that opened while the page was put away is opened anew when it is shown again', async () => {
      const before = await open();
      const { name } = before;
      await before.close();
      const show = putAway();
      const opening = open({ name, timeoutMs: 5000 });
      // It has begun.
      for (let turn = 0; turn < 30; turn++) await null;
      await show(name);
      await create(await opening, 't');
    });

    it('that does not open in time is given up', async () => {
      const store = await open();
      await store.close();
      // It does not make way, so that the deletion and all that follows it wait.
      await openRaw(store.name);
      indexedDB.deleteDatabase(store.name);
      await expect(open({ name: store.name, timeoutMs: 200 })).rejects.toMatchObject({ code: 'STORE_TIMEOUT' });
    });
  });

  describe('a transaction', () => {
    it('that is never answered is given up in time, reads too, and leaves nothing behind', async () => {
      // Long enough for all the rest of it in a browser that has much else to do.
      const store = await open({ timeoutMs: 1000 });
      await create(store, 't');
      const release = await occupy(store.name);
      const calls = await Promise.allSettled([append(store, 't', 'late'), store.getTask('t'), store.listTasks()]);
      for (const call of calls) expect(call).toMatchObject({ reason: { code: 'STORE_TIMEOUT' } });
      release();
      await append(store, 't', 'in time');
      expect(await texts(store, 't')).toEqual(['first', 'in time']);
    });

    it('that ended while the page was put away is known to have ended when it is shown again', async () => {
      const store = await open({ timeoutMs: 5000 });
      await create(store, 't');
      const show = putAway();
      const calls: Promise<unknown>[] = [append(store, 't', 'a'), append(store, 't', 'b')];
      // They have begun.
      for (let turn = 0; turn < 30; turn++) await null;
      calls.push(append(store, 't', 'c'), texts(store, 't'), store.listTasks(), store.deleteTask('u'));
      await show(store.name);
      await Promise.all(calls);
      expect(await texts(store, 't')).toEqual(['first', 'a', 'b', 'c']);
    });

    it('that was answered while the page stood still is heard', async () => {
      const store = await open({ timeoutMs: 600 });
      await create(store, 't');
      for (let i = 0; i < 5; i++) {
        const appended = append(store, 't', `${i}`);
        // It has begun.
        for (let turn = 0; turn < 30; turn++) await null;
        for (const until = performance.now() + 800; performance.now() < until; );
        await appended;
      }
      expect(await texts(store, 't')).toHaveLength(6);
    });

    it('is waited for without an end where the caller wants none, and without looking at the time again and again', async () => {
      let timers = 0;
      const counted = (original: typeof setTimeout) =>
        ((...args: Parameters<typeof setTimeout>) => {
          if (Number(args[1]) > 1000) timers++;
          return original(...args);
        }) as typeof setTimeout;
      patch(globalThis, 'setTimeout', counted);
      const store = await open({ timeoutMs: Number.POSITIVE_INFINITY });
      const release = await occupy(store.name);
      const created = create(store, 't');
      for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
      release();
      await created;
      expect(timers).toBeLessThan(3);
    });

    it('the storage has no room for fails alone, whole, and with its own code', async () => {
      const store = await open();
      await create(store, 't');
      const restore = patchStoring(
        (original) =>
          function (this: IDBObjectStore, value, ...key) {
            const { transaction } = this;
            if (JSON.stringify(value).includes('too much')) {
              // As browsers do it: the request is taken, and the transaction ends.
              Object.defineProperty(transaction, 'commit', { value: () => {} });
              Object.defineProperty(transaction, 'error', { value: new DOMException('', 'QuotaExceededError') });
              queueMicrotask(() => transaction.abort());
            }
            return original.call(this, value, ...key);
          },
      );
      await create(store, 'other');
      const calls = await Promise.allSettled([
        append(store, 't', 'before'),
        append(store, 'other', 'beside'),
        append(store, 't', 'too much'),
        append(store, 't', 'after'),
      ]);
      expect(calls.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
      expect(calls[2]).toMatchObject({ reason: { code: 'QUOTA_EXCEEDED' } });
      restore();
      expect(await texts(store, 't')).toEqual(['first', 'before', 'after']);
      expect(await texts(store, 'other')).toEqual(['first', 'beside']);
    });

    it('of a change does not wait until very many reads are answered', async () => {
      const store = await open();
      await create(store, 't');
      let answered = 0;
      const reads = Array.from({ length: 5000 }, (_, i) => store.getTask(`none ${i}`).then(() => answered++));
      await append(store, 't', 'x');
      expect(answered).toBeLessThan(5000);
      await Promise.all(reads);
      expect(answered).toBe(5000);
    });

    it('serves reads one after the other with one look, and keeps neither the page nor another context waiting', async () => {
      const store = await open();
      const other = await open({ name: store.name });
      await create(store, 't');
      let looks = 0;
      onCall(IDBObjectStore.prototype, 'getAll', () => {
        looks++;
      });
      let reads = 0;
      let written: Promise<unknown> | undefined;
      setTimeout(() => {
        written = append(other, 't', 'second');
      }, 20);
      for (let length = 1; length < 2; reads++) length = (await texts(store, 't'))?.length ?? 0;
      await written;
      expect(looks).toBeLessThan(reads / 2);
    });

    it('that takes one of its values for too large leaves no rejection unheard', async () => {
      const store = await open();
      for (const id of ['unknown', 'known']) await create(store, id);
      await store.close();
      const other = await open({ name: store.name });
      await other.getTask('known');
      patchStoring(
        (original) =>
          function (this: IDBObjectStore, value, ...key) {
            if (JSON.stringify(value).includes('too large')) throw new DOMException('', 'DataError');
            return original.call(this, value, ...key);
          },
      );
      const calls = await Promise.allSettled([
        append(other, 'unknown', 'beside'),
        append(other, 'known', 'too large'),
        append(other, 'unknown', 'after'),
      ]);
      expect(calls.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
      expect(await texts(other, 'unknown')).toEqual(['first', 'beside', 'after']);
    });

    it('that takes the second of its records for too large stores nothing of the first', async () => {
      const store = await open();
      for (const id of ['t', 'u']) await create(store, id);
      const restore = patchStoring(
        (original) =>
          function (this: IDBObjectStore, value, ...key) {
            if (JSON.stringify(value).includes('too large')) throw new DOMException('', 'DataError');
            return original.call(this, value, ...key);
          },
      );
      // Longer than what shares a record.
      const long = 'x'.repeat(60_000);
      const calls = await Promise.allSettled([append(store, 't', long), append(store, 'u', 'too large')]);
      expect(calls.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
      restore();
      expect(await texts(store, 't')).toEqual(['first', long]);
      expect(await texts(store, 'u')).toEqual(['first']);
    });

    it('lost while a read fetches what is far back is begun again, and the read is answered', async () => {
      const store = await open();
      await create(store, 't');
      await store.updateTask('t', { newMessages: Array.from({ length: 99 }, (_, i) => say(`${i}`)) });
      await store.close();
      const other = await open({ name: store.name });
      const restore = patch(
        IDBObjectStore.prototype,
        'getAll',
        (original) =>
          function (this: IDBObjectStore, ...args) {
            const request = original.apply(this, args);
            if (this.name !== 'segments') return request;
            restore();
            this.transaction.abort();
            return request;
          },
      );
      expect(await texts(other, 't')).toHaveLength(100);
    });

    it('answers whole what a later change in it deletes', async () => {
      const store = await open();
      await create(store, 't');
      await store.updateTask('t', { newMessages: Array.from({ length: 99 }, (_, i) => say(`${i}`)) });
      await append(store, 't', 'last');
      await store.close();
      const other = await open({ name: store.name });
      const answers = await Promise.all([
        other.updateTask('t', { newMessages: [say('one')] }, { historyLength: 60 }),
        append(other, 't', 'two'),
        other.deleteTask('t'),
      ]);
      const [short, long] = answers.map((answer) => (typeof answer === 'object' ? answer.task.history : []));
      const expected = ['first', ...Array.from({ length: 99 }, (_, i) => `${i}`), 'last', 'one', 'two'].map(say);
      expect(short).toEqual(expected.slice(-61, -1));
      expect(long).toEqual(expected);
      expect(await other.getTask('t')).toBe(undefined);
    });

    it('is shared by what arrives meanwhile, and one refused change does not fail the others', async () => {
      const store = await open();
      await create(store, 't');
      let transactions = 0;
      onWrite(() => {
        transactions++;
      });
      const answers = await Promise.allSettled(
        Array.from({ length: 100 }, (_, i) => (i === 50 ? append(store, 'none', 'x') : append(store, 't', `${i}`))),
      );
      expect(transactions).toBe(1);
      expect(answers.flatMap(({ status }, i) => (status === 'rejected' ? [i] : []))).toEqual([50]);
      expect(await texts(store, 't')).toHaveLength(100);
    });

    it('is shared by all that is pruned', async () => {
      const store = await open();
      await Promise.all(Array.from({ length: 100 }, (_, i) => create(store, `t${i}`)));
      await Promise.all(
        Array.from({ length: 99 }, (_, i) => store.updateTask(`t${i}`, { status: { state: 'completed' } })),
      );
      let transactions = 0;
      onWrite(() => {
        transactions++;
      });
      expect(await store.prune({ olderThan: new Date(8.64e15) })).toBe(99);
      // One more where some of it is folded meanwhile.
      expect(transactions).toBeLessThan(10);
      expect((await store.listTasks()).tasks.map(({ id }) => id)).toEqual(['t99']);
    });
  });

  it('a database of version 1 is taken over with all it holds', async () => {
    const name = newName();
    const time = '2026-01-01T00:00:00.000Z';
    const item = (i: number) => JSON.stringify(say(`${i}`));
    const items = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => item(from + i));
    await new Promise<void>((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onerror = () => reject(request.error);
      request.onupgradeneeded = () => {
        const db = request.result;
        const tasks = db.createObjectStore('tasks', { keyPath: 'key' });
        for (const index of ['place', 'session', 'pending']) tasks.createIndex(index, index);
        const segments = db.createObjectStore('segments');
        db.createObjectStore('meta').put('kept', 'a name');
        const body = { id: 't', sessionId: 's', status: { state: 'working', timestamp: time } };
        const key = { taskType: 'incoming', taskId: 't' };
        tasks.put({
          key: 'i:t',
          id: 0.5,
          place: ['i:', 'working', -Date.parse(time), 'i:t', 0.25],
          session: 's',
          tokens: [0.25],
          head: JSON.stringify({ key, revision: 40, body, messageCount: 40, createdAt: time, updatedAt: time }),
          tails: [{ from: 33, items: items(33, 40) }],
        });
        segments.put(items(0, 33), [0.5, 0, 0]);
      };
      request.onsuccess = () => {
        request.result.close();
        resolve();
      };
    });
    const store = await open({ name });
    expect(await texts(store, 't')).toEqual(Array.from({ length: 40 }, (_, i) => `${i}`));
    await append(store, 't', '40');
    for (const filter of [{}, { sessionId: 's' }, { state: 'working' as const }]) {
      expect((await store.listTasks(filter)).tasks.map(({ id }) => id)).toEqual(['t']);
    }
    await store.close();
    const again = await open({ name });
    expect(await texts(again, 't')).toEqual(Array.from({ length: 41 }, (_, i) => `${i}`));
    expect((await again.listTasks({ sessionId: 's' })).tasks).toHaveLength(1);
  });

  describe('an append', () => {
    it('reads nothing and writes as much to a task of 5,000 messages as to one of 10', async () => {
      const store = await open();
      const written: number[] = [];
      let asked = 0;
      patchStoring(
        (original) =>
          function (this: IDBObjectStore, value, ...key) {
            written.push(JSON.stringify(value).length);
            return original.call(this, value, ...key);
          },
      );
      for (const reading of ['get', 'getAll'] as const) {
        patch(
          IDBObjectStore.prototype,
          reading,
          (original) =>
            function (this: IDBObjectStore, ...args: [IDBValidKey]) {
              if (this.name !== 'meta') asked++;
              return original.apply(this, args) as never;
            },
        );
      }
      const measure = async (id: string, length: number) => {
        await create(store, id);
        await store.updateTask(id, { newMessages: Array.from({ length }, (_, i) => say(`message ${i}`)) });
        written.length = asked = 0;
        for (let i = 0; i < 64; i++) await append(store, id, `appended ${i}`);
        return { asked, bytes: written.reduce((sum, each) => sum + each), most: Math.max(...written) };
      };
      const short = await measure('short', 9);
      const long = await measure('long', 4999);
      expect([short.asked, long.asked]).toEqual([0, 0]);
      expect(long.bytes).toBeLessThan(short.bytes * 1.15);
      expect(long.most).toBeLessThan(6000);
      expect(await texts(store, 'long')).toHaveLength(5064);
    });
  });

  describe('a status that is long', () => {
    const long = 'x'.repeat(100_000);
    const chunk = (store: TaskStore, id: string, text: string) =>
      store.updateTask(id, { artifactsUpdates: [{ parts: [{ type: 'text', text }] }] });
    const statusOf = async (store: TaskStore, id: string) => (await store.getTask(id))?.task.status.message?.parts[0];

    it('is not written again with changes that leave it as it is, and found by who comes later', async () => {
      const first = await open();
      await first.upsertTask({ id: 't', message: say(long), metadata: { long } });
      await first.close();
      const { name } = first;
      const store = await open({ name });
      for (let i = 0; i < 20; i++) await chunk(store, 't', `${i}`);
      const journal = await contentOfJournal(name);
      expect(journal).toHaveLength(20);
      expect(JSON.stringify(journal).length).toBeLessThan(20_000);

      const later = await open({ name });
      expect((await later.listTasks()).tasks[0]).toMatchObject({ status: { message: say(long) }, metadata: { long } });
      expect(await statusOf(later, 't')).toMatchObject({ text: long });
      await chunk(later, 't', '20');
      await chunk(store, 't', '21');
      await later.updateTask('t', { status: { state: 'working', message: say('short') } });
      await chunk(later, 't', '22');
      for (const each of [store, later, await open({ name })]) {
        expect(await statusOf(each, 't')).toMatchObject({ text: 'short' });
        const { artifacts, metadata } = (await each.getTask('t'))?.task ?? {};
        expect(artifacts?.[0]?.parts).toHaveLength(23);
        expect(metadata).toEqual({ long });
      }
    });

    /** Changes of `t`, of many others, and of `t` again: when the first of them are folded, the last ones are not. */
    async function halfFolded(last: (store: TaskStore) => Promise<unknown>): Promise<TaskStore> {
      const first = await open();
      await first.upsertTask({ id: 't', message: say(long) });
      await first.close();
      const { name } = first;
      const store = await open({ name });
      for (let i = 0; i < 20; i++) await append(store, 't', `${i}`);
      for (let i = 0; i < 70; i++) await create(store, `other ${i}`);
      await last(store);
      await expect.poll(async () => (await contentOfJournal(name)).length).toBeLessThan(64);
      expect((await contentOfJournal(name)).length).toBeGreaterThan(3);
      return open({ name });
    }

    it('is found where only the last of a task is not folded, and so is all the rest of it', async () => {
      const later = await halfFolded(async (store) => {
        for (const text of ['a', 'b', 'c', 'd']) await append(store, 't', text);
      });
      expect(await statusOf(later, 't')).toMatchObject({ text: long });
      expect(await texts(later, 't')).toEqual([long, ...Array.from({ length: 20 }, (_, i) => `${i}`), ...'abcd']);
      await append(later, 't', 'e');
      expect((await texts(later, 't'))?.slice(-3)).toEqual(['c', 'd', 'e']);
    });

    it('is found without reading twice what is not folded', async () => {
      const name = newName();
      const first = await open({ name });
      for (const id of 'abc') await create(first, id);
      await first.close();
      const store = await open({ name });
      for (const id of 'aab') await append(store, id, 'second');
      const later = await open({ name });
      let read = 0;
      patch(
        IDBObjectStore.prototype,
        'getAll',
        (original) =>
          function (this: IDBObjectStore, ...args) {
            read += Number(this.name === 'journal');
            return original.apply(this, args);
          },
      );
      const { tasks } = await later.listTasks();
      expect(tasks.map(({ id, messageCount }) => id + messageCount).sort()).toEqual(['a3', 'b2', 'c1']);
      expect(read).toBe(1);
      expect(await texts(later, 'a')).toEqual(['first', 'second', 'second']);
    });

    it('is no longer there where the task was deleted since, be there another of its name or not', async () => {
      const gone = await halfFolded(async (store) => {
        for (const text of ['a', 'b', 'c']) await append(store, 't', text);
        await store.deleteTask('t');
      });
      expect(await gone.getTask('t')).toBeUndefined();
      expect((await gone.listTasks({ limit: 100 })).tasks).toHaveLength(70);
      const other = await halfFolded(async (store) => {
        await append(store, 't', 'a');
        await store.deleteTask('t');
        await create(store, 't');
        await append(store, 't', 'b');
      });
      expect(await texts(other, 't')).toEqual(['first', 'b']);
      expect(await statusOf(other, 't')).toMatchObject({ text: 'first' });
    });
  });

  it('a new task is stored without a look, once it is known which there are', async () => {
    const store = await open();
    await create(store, 'first');
    let asked = 0;
    for (const reading of ['get', 'getAll', 'getAllKeys', 'openKeyCursor'] as const) {
      patch(
        IDBObjectStore.prototype,
        reading,
        (original) =>
          function (this: IDBObjectStore, ...args: [IDBValidKey]) {
            asked++;
            return original.apply(this, args) as never;
          },
      );
    }
    for (let i = 0; i < 20; i++) await create(store, `${i}`);
    expect(asked).toBe(0);
  });

  it('what waits is folded though the clock is a coarse one, and the timer early by what it leaves out', async () => {
    let now = 1_000;
    patch(performance, 'now', () => () => now);
    const store = await open();
    for (let i = 0; i < 70; i++) await create(store, `${i}`);
    // The last use is over by then.
    await new Promise((resolve) => setTimeout(resolve, 20));
    now += 99;
    await expect.poll(async () => (await contentOfJournal(store.name)).length).toBeLessThan(64);
  });

  it('a change does not wait until very many tasks are folded', async () => {
    const store = await open();
    const ids = Array.from({ length: 500 }, (_, i) => `${i}`);
    await Promise.all(ids.map((id) => create(store, id)));
    let rows = 0;
    const folding = new Promise<void>((resolve) => {
      patch(
        IDBObjectStore.prototype,
        'put',
        (original) =>
          function (this: IDBObjectStore, ...args) {
            if (this.name === 'tasks') rows++;
            resolve();
            return original.apply(this, args);
          },
      );
    });
    // It is more than may stay unfolded.
    await store.upsertTask({ id: '0', message: say('x'.repeat(200_000)) });
    await folding;
    await append(store, '1', 'meanwhile');
    expect(rows).toBeLessThan(500);
    expect(await texts(store, '1')).toEqual(['first', 'meanwhile']);
  });

  describe('two stores on one database', () => {
    it('lose nothing of one task and agree on its order, whoever reads', async () => {
      const name = newName();
      const stores = [await open({ name }), await open({ name })] as const;
      await create(stores[0], 't');
      for (let round = 0; round < 10; round++) {
        await Promise.all(
          stores.flatMap((store, who) =>
            Array.from({ length: 7 }, (_, i) => append(store, 't', `${who}:${round * 7 + i}`)),
          ),
        );
      }
      const seen = await texts(stores[0], 't');
      expect(await texts(stores[1], 't')).toEqual(seen);
      for (const who of [0, 1]) {
        const own = seen?.filter((text) => `${text}`.startsWith(`${who}:`));
        expect(own).toEqual(Array.from({ length: 70 }, (_, i) => `${who}:${i}`));
      }
    });

    it('that create one task at the same moment make one of it', async () => {
      const name = newName();
      const stores = [await open({ name }), await open({ name })];
      const answers = await Promise.all(stores.map((store) => create(store, 't')));
      expect(answers.map(({ task }) => task.history?.length).sort()).toEqual([1, 2]);
      for (const store of stores) expect(await texts(store, 't')).toEqual(['first', 'first']);
    });

    it('do not bring back a task that the other deleted, nor mix it with one created in its place', async () => {
      const name = newName();
      const [one, other] = [await open({ name }), await open({ name })];
      await create(one, 't');
      await append(one, 't', 'old');
      await other.deleteTask('t');
      await expect(append(one, 't', 'too late')).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' });
      await create(other, 't');
      await append(other, 't', 'new');
      expect((await append(one, 't', 'newer')).task.history).toHaveLength(3);
      expect(await texts(other, 't')).toEqual(['first', 'new', 'newer']);
    });

    it('tell each other of their changes', async () => {
      const name = newName();
      const [one, other] = [await open({ name }), await open({ name })];
      await create(one, 't');
      const heard = new Promise((resolve) => other.subscribe((change) => change.revision === 2 && resolve(change)));
      const watched = other.watch('t');
      await watched.next();
      await append(one, 't', 'news');
      expect(await heard).toMatchObject({ source: 'elsewhere', type: 'updated', messages: [say('news')] });
      expect((await watched.next()).value?.task.history).toHaveLength(2);
      await watched.return?.();
    });
  });

  describe('what other contexts are told', () => {
    it('is of each change its own status and time, not those of the last', async () => {
      const name = newName();
      let now = Date.parse('2026-01-01');
      const [one, other] = [await open({ name, environment: { now: () => now++ } }), await open({ name })];
      const told: TaskChange[][] = [[], []];
      one.subscribe((change) => told[0]?.push(change));
      other.subscribe((change) => told[1]?.push(change));
      await create(one, 't');
      const changes = ['working', undefined, 'input-required', 'completed'] as const;
      await Promise.all(changes.map((state) => one.updateTask('t', state ? { status: { state } } : { metadata: {} })));
      await expect.poll(() => told[1]).toHaveLength(5);
      const states = told[1]?.map(({ status }) => status?.state);
      expect(states).toEqual(['submitted', ...changes]);
      expect(told[1]).toEqual(told[0]?.map((change) => ({ ...change, source: 'elsewhere' })));
    });

    it('comes in few messages while a stream goes on, all of it, in order, and at once when it ends', async () => {
      const name = newName();
      const [one, other] = [await open({ name }), await open({ name })];
      await create(one, 't');
      let posted = 0;
      patch(
        BroadcastChannel.prototype,
        'postMessage',
        (original) =>
          function (this: BroadcastChannel, message: unknown) {
            posted++;
            original.call(this, message);
          },
      );
      const heard: unknown[] = [];
      const all = new Promise<void>((resolve) => {
        other.subscribe(({ messages }) => {
          // That the task was created may be heard late.
          heard.push(...messages.map(({ parts }) => parts[0]?.text).filter((text) => text !== 'first'));
          if (heard.length >= 200) resolve();
        });
      });
      for (let i = 0; i < 200; i++) await append(one, 't', `${i}`);
      await all;
      expect(heard).toEqual(Array.from({ length: 200 }, (_, i) => `${i}`));
      expect(posted).toBeLessThan(100);
      posted = 0;
      for (let i = 0; i < 3; i++) {
        await append(one, 't', 'alone');
        await expect.poll(() => posted, { interval: 5 }).toBe(i + 1);
      }
    });
  });

  it('reads a long history right, by however many at once and whatever was read of it before', async () => {
    const name = newName();
    const writer = await open({ name });
    await create(writer, 't');
    const expected = ['first'];
    const grow = async (count: number) => {
      const added = Array.from({ length: count }, (_, i) => `${expected.length + i}`);
      expected.push(...added);
      await writer.updateTask('t', { newMessages: added.map(say) });
    };
    for (const count of [3, 30, 5, 200, 1, 40]) await grow(count);
    const reader = await open({ name });
    const read = async (historyLength?: number) => {
      const stored = await reader.getTask('t', historyLength === undefined ? {} : { historyLength });
      expect(stored?.task.history).toEqual(expected.slice(historyLength && -historyLength).map(say));
    };
    await read(1);
    await Promise.all([read(150), read(), read(7), read(), append(reader, 't', 'added by the reader')]);
    expected.push('added by the reader');
    await Promise.all([read(), read(60)]);
    for (const count of [1, 20, 100]) {
      await grow(count);
      await Promise.all([read(2), read(), read(50)]);
    }
  });

  it('reads a long history once for all the changes that are made of it at once', async () => {
    const name = newName();
    const writer = await open({ name });
    await create(writer, 't');
    for (let i = 0; i < 3; i++) await writer.updateTask('t', { newMessages: Array(100).fill(say('old')) });
    await writer.close();
    const store = await open({ name });
    let items = 0;
    onCall(IDBObjectStore.prototype, 'getAll', (request, self) => {
      request.addEventListener('success', () => {
        if (self.name === 'segments') items += request.result.flat().length;
      });
    });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => append(store, 't', `${i}`)));
    expect(answers.map(({ task }) => task.history?.length)).toEqual(Array.from({ length: 20 }, (_, i) => 302 + i));
    expect(items).toBeGreaterThan(200);
    expect(items).toBeLessThan(400);
  });

  it('reads right whoever of two stores wrote and read what before', async () => {
    const name = newName();
    const stores = [await open({ name }), await open({ name })] as const;
    await create(stores[0], 't');
    const expected = ['first'];
    // A fixed sequence that looks like chance.
    let state = 7;
    const draw = (count: number) => {
      state = (state * 48_271) % 2_147_483_647;
      return state % count;
    };
    for (let round = 0; round < 150; round++) {
      const store = stores[draw(2)] as TaskStore;
      if (draw(2) === 0) {
        const added = Array.from({ length: 1 + draw([1, 3, 20, 80][draw(4)] as number) }, (_, i) => `${round}.${i}`);
        expected.push(...added);
        await store.updateTask('t', { newMessages: added.map(say) }, { historyLength: draw(3) });
      } else {
        const historyLength = 1 + draw(draw(3) === 0 ? expected.length : 40);
        const stored = await store.getTask('t', { historyLength });
        expect(stored?.task.history?.map(({ parts }) => parts[0]?.text)).toEqual(expected.slice(-historyLength));
      }
    }
    for (const store of stores) expect(await texts(store, 't')).toEqual(expected);
  });

  it('a page of a list costs as many rows as it shows, however many tasks there are', async () => {
    const name = newName();
    const writer = await open({ name });
    await Promise.all(Array.from({ length: 1000 }, (_, i) => create(writer, `${i}`)));
    await writer.close();
    const store = await open({ name });
    let rows = 0;
    onCall(IDBIndex.prototype, 'getAll', (request) => {
      request.addEventListener('success', () => {
        rows += request.result.length;
      });
    });
    // One that is out of date costs some more.
    await append(store, '999', 'x');
    let cursor: string | undefined;
    for (const order of ['newest', 'oldest'] as const) {
      for (let page = 0; page < 5; page++) {
        const found = await store.listTasks({ order, limit: 10, ...(page > 0 && cursor && { cursor }) });
        expect(found.tasks).toHaveLength(10);
        cursor = found.nextCursor;
      }
    }
    expect(rows).toBeLessThan(150);
  });

  it('a list that is asked for again reads no row anew, whatever has changed, here or elsewhere', async () => {
    const name = newName();
    let now = Date.parse('2026-01-01T00:00:00Z');
    const environment = { now: () => now++ };
    const writer = await open({ name, environment });
    for (const id of ['a', 'b', 'c', 'd', 'e']) await create(writer, id);
    await writer.close();
    const [store, other] = [await open({ name, environment }), await open({ name, environment })];
    const listed = async () => (await store.listTasks({ limit: 2 })).tasks.map(({ id }) => id);
    expect(await listed()).toEqual(['e', 'd']);
    let reads = 0;
    onCall(IDBIndex.prototype, 'getAll', () => {
      reads++;
    });
    const heard = new Promise((resolve) => store.subscribe(({ source }) => source === 'elsewhere' && resolve(source)));
    await append(store, 'a', 'x');
    await append(other, 'b', 'x');
    await heard;
    expect(await listed()).toEqual(['b', 'a']);
    expect(reads).toBe(0);
  });

  it('a page is full though all the rows that it comes upon first are out of date', async () => {
    const name = newName();
    const ids = Array.from({ length: 40 }, (_, i) => `t${String(i).padStart(2, '0')}`);
    let now = Date.parse('2026-01-01T00:00:00Z');
    const environment = { now: () => now++ };
    const writer = await open({ name, environment });
    for (const id of ids) await create(writer, id);
    await writer.close();
    const store = await open({ name, environment });
    for (const id of ids.slice(20)) await store.updateTask(id, { status: { state: 'working' } });
    for (const id of ids.slice(0, 5)) await store.deleteTask(id);
    for (const [order, expected] of [
      ['newest', ids.slice(13, 20).reverse()],
      ['oldest', ids.slice(5, 12)],
    ] as const) {
      const { tasks, nextCursor } = await store.listTasks({ state: 'submitted', order, limit: 7 });
      expect(tasks.map(({ id }) => id)).toEqual(expected);
      expect(nextCursor).toBeTruthy();
    }
  });

  it('hands out snapshots that share nothing with what it keeps', async () => {
    const name = newName();
    const spoil = (answer: StoredTask | undefined) => {
      const [message] = answer?.task.history ?? [];
      const fields = [
        [message?.parts[0], 'text'],
        [answer?.task.status, 'state'],
      ] as const;
      for (const [object, field] of fields) Reflect.set(object as object, field, 'spoilt');
    };
    const one = await open({ name });
    await create(one, 't');
    spoil(await append(one, 't', 'x'));
    spoil(await one.getTask('t'));
    await one.close();
    const other = await open({ name });
    spoil(await append(other, 't', 'y'));
    spoil(await other.getTask('t'));
    expect((await other.getTask('t'))?.task.status.state).toBe('submitted');
    await append(other, 't', 'z');
    expect(await texts(other, 't')).toEqual(['first', 'x', 'y', 'z']);
    expect((await other.getTask('t'))?.task.status.state).toBe('submitted');
  });

  it('lists by session, state and time, from either end, over all pages', async () => {
    let now = Date.parse('2026-01-01T00:00:00Z');
    const store = await open({ environment: { now: () => now } });
    for (let i = 0; i < 60; i++) {
      // Several to a millisecond: those go by their key.
      now += i % 3 === 0 ? 1 : 0;
      const id = `t${String(i).padStart(2, '0')}`;
      await store.upsertTask({ id, sessionId: `s${i % 2}`, message: say('x') }, i % 5 === 0 ? { callerId: 'c' } : {});
      if (i % 4 === 0 && i % 5 !== 0) await store.updateTask(id, { status: { state: 'working' } });
    }
    for (const filter of [{}, { state: 'working' as const }, { sessionId: 's1' }, { allCallers: true }]) {
      const lists = [];
      for (const order of ['newest', 'oldest'] as const) {
        const ids: string[] = [];
        for (let cursor: string | undefined; ; ) {
          const page = await store.listTasks({ ...filter, order, limit: 7, ...(cursor && { cursor }) });
          ids.push(...page.tasks.map(({ id }) => id));
          cursor = page.nextCursor;
          if (!cursor) break;
        }
        lists.push(ids);
      }
      expect(lists[0]).toEqual([...(lists[1] ?? [])].reverse());
      expect(lists[0]).toEqual((await store.listTasks({ ...filter, limit: 100 })).tasks.map(({ id }) => id));
    }
    expect((await store.listTasks({ limit: 100 })).tasks).toHaveLength(48);
    expect((await store.listTasks({ sessionId: 's1', limit: 100 })).tasks).toHaveLength(24);
  });

  describe('where storage is denied', () => {
    const refuse = (): never => {
      throw new DOMException('The operation is insecure.', 'SecurityError');
    };
    const deny = (name: 'indexedDB' | 'BroadcastChannel', how: PropertyDescriptor) =>
      replace(globalThis, name, { configurable: true, ...how });

    it('opening says so, or keeps tasks in memory where asked to, though merely to look for IndexedDB throws', async () => {
      deny('indexedDB', { get: refuse });
      const refusal = { code: 'STORE_UNAVAILABLE', message: expect.stringContaining('The operation is insecure.') };
      await expect(open()).rejects.toMatchObject(refusal);
      await expect(open({ backend: 'auto' })).rejects.toMatchObject(refusal);
      const { backend } = await open({ fallback: 'memory' });
      expect(backend).toMatchObject({ kind: 'memory', reason: expect.stringContaining('insecure') });
    });

    it('so it does where a channel to other tabs is denied too', async () => {
      deny('BroadcastChannel', { value: refuse });
      patch(IDBFactory.prototype, 'open', () => refuse);
      await expect(open()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      expect((await open({ fallback: 'memory' })).backend.kind).toBe('memory');
    });

    it('a channel that alone is denied costs the news of other tabs, not the store', async () => {
      deny('BroadcastChannel', { value: refuse });
      const store = await open();
      await create(store, 't');
      expect(store.backend.kind).toBe('indexeddb');
      expect(await texts(store, 't')).toEqual(['first']);
    });
  });
}
