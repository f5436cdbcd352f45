/** Several contexts on one database, doing anything beside each other; for every IndexedDB there is. */
import { afterEach, expect, it } from 'vitest';
import { openTaskStore, type TaskStore } from '../../src/index.browser.ts';
import { scaled, seededRandom } from './long.ts';

const say = (text: string) => ({ role: 'agent' as const, parts: [{ type: 'text' as const, text }] });

async function texts(store: TaskStore, id: string): Promise<string[]> {
  const stored = await store.getTask(id);
  return (stored?.task.history ?? []).map(({ parts }) => String(parts[0]?.text));
}

/** What tells one message from all others; the rest makes it long. */
const label = (text: string) => text.split(' ')[0] as string;

export function testContexts(): void {
  const open: TaskStore[] = [];
  const now = performance.now.bind(performance);
  afterEach(async () => {
    for (const store of open.splice(0)) await store.close();
    performance.now = now;
  });

  const openOne = async (name: string) => {
    const store = await openTaskStore({ name, backend: 'indexeddb', timeoutMs: 3_600_000 });
    open.push(store);
    return store;
  };
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  /** So long that a few are folded in the next pause. */
  const long = (text: string, length = 10_000) => say(`${text} ${'x'.repeat(length)}`);
  const append = (store: TaskStore, text: string, length?: number) =>
    store.updateTask('t', { newMessages: [long(text, length)] });
  const stream = async (store: TaskStore, count: number, length?: number) => {
    const sent = Array.from({ length: count }, (_, i) => `${i}`);
    for (const text of sent) await append(store, text, length);
    return sent;
  };
  const labels = async (store: TaskStore) => (await texts(store, 't')).map(label);

  it('one that wrote last, as it thinks, loses nothing of what another wrote and folded since', async () => {
    const name = `fence-${Date.now()}`;
    const [one, other] = [await openOne(name), await openOne(name)];
    await one.upsertTask({ id: 't', message: long('first') });
    const expected = ['first', ...(await stream(other, 20)), 'late', 'later'];
    await pause(250);
    await Promise.all([append(one, 'late'), append(one, 'later')]);
    for (const store of [one, other, await openOne(name)]) expect(await labels(store)).toEqual(expected);
  });

  it('one that wrote last, as it thinks, is still refused when others have folded again and again', async () => {
    const name = `fences-${Date.now()}`;
    const [one, other] = [await openOne(name), await openOne(name)];
    await one.upsertTask({ id: 't', message: long('first') });
    const expected = ['first', ...(await stream(other, 20))];
    await pause(250);
    // It never saw how the first fold was begun.
    const next = await openOne(name);
    for (let i = 0; i < 2; i++) {
      expected.push(...(await stream(next, 20)));
      await pause(250);
    }
    await append(one, 'late');
    for (const store of [one, other, next]) expect(await labels(store)).toEqual([...expected, 'late']);
  });

  it('one that only read loses nothing of what was written and folded since', async () => {
    const name = `reader-${Date.now()}`;
    const [one, other] = [await openOne(name), await openOne(name)];
    await one.upsertTask({ id: 't', message: long('first') });
    await labels(other);
    const expected = ['first', ...(await stream(one, 20)), 'late'];
    await pause(250);
    await append(other, 'late');
    for (const store of [one, other, await openOne(name)]) expect(await labels(store)).toEqual(expected);
  });

  it.each([20, 1])(
    'one that stands where a fence is left reads what was folded since, of %i changes',
    async (count) => {
      const name = `at-fence-${count}-${Date.now()}`;
      const [one, other, reader] = [await openOne(name), await openOne(name), await openOne(name)];
      await one.upsertTask({ id: 't', message: long('first') });
      await append(other, 'second');
      await labels(reader);
      const expected = ['first', 'second', ...(await stream(other, count, 200_000))];
      await pause(250);
      expect(await labels(reader)).toEqual(expected);
      await append(reader, 'late');
      for (const store of [one, other, reader]) expect(await labels(store)).toEqual([...expected, 'late']);
    },
  );

  it('one that has listed lists again what is there, whoever has changed and folded it since', async () => {
    const name = `lists-${Date.now()}`;
    const [one, other] = [await openOne(name), await openOne(name)];
    for (const id of ['a', 'b', 'c', 'd']) await one.upsertTask({ id, message: say('first') });
    await one.close();
    const reader = await openOne(name);
    const query = { state: ['submitted', 'working'], limit: 2 } as const;
    const listed = async (store: TaskStore) => {
      const { tasks } = await store.listTasks(query);
      const all = await store.listTasks({ ...query, limit: 10 });
      expect(all.tasks.slice(0, 2)).toEqual(tasks);
      return all.tasks.map(({ id, status }) => `${id} ${status.state}`);
    };
    expect((await listed(reader)).sort()).toEqual(['a submitted', 'b submitted', 'c submitted', 'd submitted']);
    // Not folded, folded by the other, folded by this one.
    for (const round of [0, 1, 2]) {
      await pause(2);
      const store = round === 2 ? reader : other;
      if (round > 0) await store.updateTask('d', { newMessages: [long('much', 200_000)] });
      await pause(2);
      await store.updateTask('b', { status: { state: 'working' } });
      await store.updateTask('a', { status: { state: round === 1 ? 'working' : 'completed' } });
      if (round > 0) await pause(250);
      const found = await listed(reader);
      expect(found).toEqual(await listed(await openOne(name)));
      expect(found.filter((each) => each.startsWith('a'))).toEqual(round === 1 ? ['a working'] : []);
      expect(found).toContain('b working');
    }
  });

  it('one that comes when all is folded goes on where the others are', async () => {
    const name = `all-folded-${Date.now()}`;
    const one = await openOne(name);
    await one.upsertTask({ id: 't', message: long('first') });
    const expected = ['first', ...(await stream(one, 3))];
    const other = await openOne(name);
    expect(await labels(other)).toEqual(expected);
    await other.close();
    const next = await openOne(name);
    await append(next, 'next');
    await append(one, 'late');
    expected.push('next', 'late');
    for (const store of [one, next, await openOne(name)]) expect(await labels(store)).toEqual(expected);
  });

  it('those that take turns leave next to nothing behind', async () => {
    const name = `turns-${Date.now()}`;
    const [one, other] = [await openOne(name), await openOne(name)];
    await one.upsertTask({ id: 't', message: say('first') });
    for (let i = 0; i < 200; i++) await (i % 2 ? one : other).updateTask('t', { newMessages: [say(`${i}`)] });
    for (const store of [one, other]) await store.close();
    const journal = await new Promise<unknown[]>((resolve, reject) => {
      const opening = indexedDB.open(name);
      opening.onerror = () => reject(opening.error);
      opening.onsuccess = () => {
        const db = opening.result;
        const request = db.transaction('journal').objectStore('journal').getAll();
        request.onsuccess = () => {
          db.close();
          resolve(request.result);
        };
      };
    });
    expect(journal.length).toBeLessThan(20);
    expect(JSON.stringify(journal)).not.toContain('text');
    expect(await texts(await openOne(name), 't')).toHaveLength(201);
  });

  it('one whose change is about to be refused reads what the other wrote in its place', async () => {
    const name = `refused-${Date.now()}`;
    const [one, other] = [await openOne(name), await openOne(name)];
    await one.upsertTask({ id: 't', message: say('first') });
    for (let i = 0; i < 30; i++) {
      // Only one that has been alone for a while writes without a look.
      await pause(i === 0 ? 1_200 : 0);
      const writes = [append(other, `${i} other`), append(one, `${i} one`)];
      const reads = await Promise.all(Array.from({ length: 5 }, () => labels(one)));
      await Promise.all(writes);
      const final = await labels(other);
      for (const read of reads) expect(read).toEqual(final.slice(0, read.length));
    }
  });

  it('several contexts lose, double and mix nothing, whatever they do beside each other', async () => {
    const random = seededRandom('contexts');
    const draw = (count: number) => Math.floor(random() * count);
    // Only one that has been alone for a second writes without a look.
    performance.now = () => now() * 30;
    for (let round = 0; round < scaled(4, 150); round++) {
      const name = `contexts-${Date.now()}-${round}`;
      const stores: TaskStore[] = [];
      for (let who = 0; who < 3; who++) stores.push(await openOne(name));
      const kept = ['a', 'b'];
      for (const id of kept) await (stores[0] as TaskStore).upsertTask({ id, message: say('first') });
      /** In the order they were acknowledged. */
      const acknowledged = new Map(kept.map((id) => [id, ['first']]));
      const seen = new Map<string, string[]>();
      let written = 0;

      const add = async (who: number, id: string) => {
        const text = `${who}:${written++}${draw(5) === 0 ? ` ${'x'.repeat(draw(30_000))}` : ''}`;
        const answer = await (stores[who] as TaskStore).updateTask(id, { newMessages: [say(text)] });
        expect(answer.task.history?.at(-1)?.parts[0]?.text).toBe(text);
        acknowledged.get(id)?.push(label(text));
      };
      const read = async (who: number, id: string) => {
        const before = [...(acknowledged.get(id) as string[])];
        const earlier = seen.get(id) ?? [];
        const found = (await texts(stores[who] as TaskStore, id)).map(label);
        expect(found).toEqual([...new Set(found)]);
        expect(found.slice(0, earlier.length)).toEqual(earlier);
        expect(before.filter((each) => !found.includes(each))).toEqual([]);
        if (found.length > (seen.get(id) ?? []).length) seen.set(id, found);
      };
      const comeAndGo = async (who: number) => {
        const store = stores[who] as TaskStore;
        const id = `gone ${draw(3)}`;
        await (draw(3) === 0 ? store.deleteTask(id) : store.upsertTask({ id, message: say(`${who}:${written++}`) }));
      };
      const list = async (who: number) => {
        const limit = 1 + draw(5);
        const order = draw(2) === 0 ? ('newest' as const) : ('oldest' as const);
        const { tasks } = await (stores[who] as TaskStore).listTasks({ limit, order });
        expect(tasks.length).toBeGreaterThanOrEqual(Math.min(limit, kept.length));
        expect(new Set(tasks.map(({ id }) => id)).size).toBe(tasks.length);
      };
      const reopen = async (who: number) => {
        const old = stores[who] as TaskStore;
        stores[who] = await openOne(name);
        await old.close();
      };

      let under: Promise<unknown>[] = [];
      for (let step = 0; step < 120; step++) {
        const who = draw(stores.length);
        const id = kept[draw(kept.length)] as string;
        const what = draw(20);
        if (what < 9) under.push(add(who, id));
        else if (what < 13) under.push(read(who, id));
        else if (what < 16) under.push(comeAndGo(who));
        else if (what < 18) under.push(list(who));
        else if (what === 18 && draw(4) === 0) {
          await Promise.all(under.splice(0));
          if (draw(2) === 0) await reopen(who);
          // Long enough for what is long to be folded.
          else await pause(150);
        }
        if (draw(3) === 0) {
          await Promise.all(under);
          under = [];
        }
      }
      await Promise.all(under);

      const last = await openOne(name);
      const all = (await last.listTasks({ limit: 100 })).tasks.map(({ id }) => id);
      for (const id of new Set([...all, ...kept])) {
        const found = await texts(last, id);
        for (const store of stores) expect(await texts(store, id)).toEqual(found);
        const sent = acknowledged.get(id);
        if (!sent) continue;
        expect(found.map(label).sort()).toEqual([...sent].sort());
        for (const who of [0, 1, 2]) {
          const numbers = found.map(label).flatMap((each) => (each.startsWith(`${who}:`) ? Number(each.slice(2)) : []));
          expect(numbers).toEqual([...numbers].sort((x, y) => x - y));
        }
      }
      for (const store of open.splice(0)) await store.close();
      indexedDB.deleteDatabase(name);
    }
  });
}
