/** Any mix of changes on a disk that fails at random while the file is written anew, ended and opened again at random. */
import { dirname } from 'node:path';
import { expect, it } from 'vitest';
import type { LocalTaskStore } from '../src/local-task-store.ts';
import { crashCopy, newFile, open, say, texts } from './support/json-file.ts';
import { SimulatedDisk } from './support/json-file-disk.ts';
import { scaled, seededRandom } from './support/long.ts';

const ids = ['a', 'b', 'c', 'd', 'e'];

it.each(['strict', 'relaxed'] as const)('a disk that fails at random loses nothing: %s', async (durability) => {
  const random = seededRandom(`faults, ${durability}`);
  const below = (limit: number) => Math.floor(random() * limit);
  let refused = 0;
  for (let round = 0; round < scaled(15, 600); round++) {
    const path = newFile();
    const disk = new SimulatedDisk();
    const options = { durability, fs: disk.fs, foldFrom: 1500 };
    const rates = { file: random() / 2, journal: random() < 0.5 ? 0 : random() / 20 };
    const fail = (what: string, file: string) => {
      if (random() < chanceOf(what, file, dirname(path), rates)) {
        throw Object.assign(new Error('EIO: simulated'), { code: 'EIO' });
      }
    };
    const written = new Map<string, string[]>();
    let store = await open(path, options);
    disk.onChange = fail;
    for (let turn = 0; turn < 60; turn++) {
      disk.failSync = random() < rates.journal;
      const changes = Array.from({ length: 1 + below(6) }, (_, n) => {
        const id = ids[below(ids.length)] as string;
        const text = random() < 0.12 ? undefined : `${turn}.${n}`;
        const metadata = { fill: 'x'.repeat(below(300)) };
        const change = text ? store.upsertTask({ id, message: say(text), metadata }) : store.deleteTask(id);
        return { id, text, change };
      });
      const ends = await Promise.allSettled(changes.map(({ change }) => change));
      ends.forEach((end, n) => {
        const { id, text } = changes[n] as (typeof changes)[number];
        if (end.status === 'rejected') {
          expect(end.reason).toMatchObject({ code: 'IO_ERROR' });
          refused++;
        } else if (text) written.set(id, [...(written.get(id) ?? []), text]);
        else written.delete(id);
      });
      disk.failSync = false;
      const kind = random();
      if (kind < 0.3) await verify(store, written);
      else if (kind < 0.5) await new Promise((resolve) => setTimeout(resolve, 3));
      else if (kind < 0.56) {
        await using crashed = await open(crashCopy(path));
        await verify(crashed, written);
      } else if (kind < 0.61) {
        if (random() < 0.5) disk.onChange = () => {};
        // The journal has what could not be written.
        await store.close().catch(() => {});
        disk.onChange = () => {};
        store = await open(path, options);
        await verify(store, written);
        disk.onChange = fail;
      }
    }
    disk.onChange = () => {};
    await store.close();
    await using again = await open(path);
    await verify(again, written);
  }
  expect(refused).toBeGreaterThan(0);
});

/** Mostly where the file is written anew; a store that can write nothing at all is of no interest. */
function chanceOf(what: string, file: string, folder: string, rates: { file: number; journal: number }): number {
  if (file.endsWith('.json.tmp')) return what === 'rename' ? rates.file : rates.file / 5;
  if (file === folder) return rates.file / 3;
  // A refused change that cannot even be cut off again may be there the next time.
  if (!file.includes('.journal.') || what === 'sync' || what === 'truncate') return 0;
  return what === 'open' ? rates.file / 3 : rates.journal;
}

async function verify(store: LocalTaskStore, written: ReadonlyMap<string, readonly string[]>): Promise<void> {
  for (const id of ids) {
    const stored = await store.getTask(id);
    expect(stored && texts(stored), id).toEqual(written.get(id));
  }
  const { tasks } = await store.listTasks();
  const counts = Object.fromEntries(tasks.map(({ id, messageCount }) => [id, messageCount]));
  expect(counts).toEqual(Object.fromEntries([...written].map(([id, texts]) => [id, texts.length])));
}
