/** Any mix of changes on a disk that fails at random while the file is written anew, ended and opened again at random. */
import { dirname } from 'node:path';
import { expect, it } from 'vitest';
import type { Part } from '../src/core/task.ts';
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
    const written = new Map<string, Written>();
    let store = await open(path, options);
    disk.onChange = fail;
    for (let turn = 0; turn < 60; turn++) {
      disk.failSync = random() < rates.journal;
      const changes = Array.from({ length: 1 + below(6) }, (_, n) => {
        const id = ids[below(ids.length)] as string;
        const text = random() < 0.12 ? undefined : `${turn}.${n}`;
        const index = random() < 0.4 ? below(3) : undefined;
        return { id, text, index, change: make(store, id, text, index, 'x'.repeat(below(300))) };
      });
      const ends = await Promise.allSettled(changes.map(({ change }) => change));
      ends.forEach((end, n) => {
        const { id, text, index } = changes[n] as (typeof changes)[number];
        if (end.status === 'rejected') {
          const isMissing = end.reason.code === 'TASK_NOT_FOUND' && index !== undefined && !written.has(id);
          if (!isMissing) expect(end.reason).toMatchObject({ code: 'IO_ERROR' });
          if (!isMissing) refused++;
        } else if (text === undefined) written.delete(id);
        else note(written, id, text, index);
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

/** What a task holds: its messages, and the parts of each artifact. */
interface Written {
  readonly messages: readonly string[];
  readonly artifacts: Readonly<Record<number, readonly string[]>>;
}

function note(written: Map<string, Written>, id: string, text: string, index: number | undefined): void {
  const { messages, artifacts } = written.get(id) ?? { messages: [], artifacts: {} };
  if (index === undefined) written.set(id, { messages: [...messages, text], artifacts });
  else written.set(id, { messages, artifacts: { ...artifacts, [index]: [...(artifacts[index] ?? []), text] } });
}

/** A message, or a part of the artifact with this index; no text is the end of the task. */
function make(store: LocalTaskStore, id: string, text: string | undefined, index: number | undefined, fill: string) {
  if (text === undefined) return store.deleteTask(id);
  if (index === undefined) return store.upsertTask({ id, message: say(text), metadata: { fill } });
  return store.updateTask(id, { artifactsUpdates: [{ index, parts: say(text).parts, metadata: { fill } }] });
}

/** Mostly where the file is written anew; a store that can write nothing at all is of no interest. */
function chanceOf(what: string, file: string, folder: string, rates: { file: number; journal: number }): number {
  if (file.endsWith('.json.tmp')) return what === 'rename' ? rates.file : rates.file / 5;
  if (file === folder) return rates.file / 3;
  // A refused change that cannot even be cut off again may be there the next time.
  if (!file.includes('.journal.') || what === 'sync' || what === 'truncate') return 0;
  return what === 'open' ? rates.file / 3 : rates.journal;
}

async function verify(store: LocalTaskStore, written: ReadonlyMap<string, Written>): Promise<void> {
  for (const id of ids) {
    const stored = await store.getTask(id);
    const artifacts = (stored?.task.artifacts ?? []).map(({ index = 0, parts }) => [index, parts.map(textOf)]);
    const found = stored && { messages: texts(stored), artifacts: Object.fromEntries(artifacts) };
    expect(found, id).toEqual(written.get(id));
  }
  const { tasks } = await store.listTasks();
  const counts = Object.fromEntries(tasks.map(({ id, messageCount }) => [id, messageCount]));
  const expected = [...written].map(([id, { messages }]) => [id, messages.length]);
  expect(counts).toEqual(Object.fromEntries(expected));
}

const textOf = ({ text }: Part) => text;
