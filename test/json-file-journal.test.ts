import nodeFs, { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Durability } from '../src/backends/backend.ts';
import { crc32ByTable } from '../src/backends/json-file/crc32.ts';
import { frameSpace, putFrame } from '../src/backends/json-file/journal-frame.ts';
import type { LocalTaskStore } from '../src/local-task-store.ts';
import { crashCopy, journalOf, newFile, open, say, texts } from './support/json-file.ts';
import { scaled, seededRandom } from './support/long.ts';
import { newFolder } from './support/places.ts';

const COUNT = 8;

/** A store that ended without closing, its last changes in the journal alone, one a message: m0, m1, ... */
async function crashed(durability: Durability): Promise<string> {
  const path = newFile();
  const store = await open(path, { durability });
  await store.upsertTask({ id: 't', message: say('m0') });
  for (let i = 1; i < COUNT; i++) await store.updateTask('t', { newMessages: [say(`m${i}`)] });
  const copy = crashCopy(path);
  await store.close();
  return copy;
}

/** A copy of the crashed store with another journal. */
function withJournal(path: string, bytes: Uint8Array): string {
  const folder = newFolder();
  cpSync(dirname(path), folder, { recursive: true });
  writeFileSync(join(folder, basename(journalOf(path))), bytes);
  return join(folder, basename(path));
}

/** The journal without the space reserved, and where each of its records begins. */
function recordsOf(path: string): { bytes: Buffer; starts: number[] } {
  const raw = readFileSync(journalOf(path));
  const bytes = raw.subarray(0, raw.lastIndexOf('\n') + 1);
  const starts = [0];
  for (let at = bytes.indexOf('\n'); at >= 0; at = bytes.indexOf('\n', at + 1)) starts.push(at + 1);
  return { bytes, starts };
}

/** What is appended after a cut stands behind what was kept, also after another crash. */
async function goOn(path: string, kept: readonly string[]): Promise<void> {
  const store = await open(path, { durability: 'relaxed' });
  await store.updateTask('t', { newMessages: [say('after')] });
  const again = crashCopy(path);
  await store.close();
  await using reopened = await open(again, { durability: 'relaxed' });
  expect(texts(await reopened.getTask('t'))).toEqual([...kept, 'after']);
}

const messages = (count: number) => Array.from({ length: count }, (_, i) => `m${i}`);

describe.each(['strict', 'relaxed'] as const)('a journal, %s', (durability) => {
  it('cut at any byte of its last three records opens with every whole record', async () => {
    const path = await crashed(durability);
    const { bytes, starts } = recordsOf(path);
    for (let end = starts.at(-4) as number; end <= bytes.length; end++) {
      // The last byte of a record is its newline; without it the record is whole all the same.
      const whole = starts.filter((start) => start > 0 && start - 1 <= end).length - 1;
      const reserved = Buffer.alloc(end % 2 === 0 ? 700 : 0);
      const copy = withJournal(path, Buffer.concat([bytes.subarray(0, end), reserved]));
      await using reader = await open(copy, { readOnly: true });
      expect(texts(await reader.getTask('t')), `cut at ${end}`).toEqual(messages(whole));
      if (end % 32 < 2) await goOn(copy, messages(whole));
    }
  });

  it('with single bytes changed is refused and kept, or nothing before the damage is missing', async () => {
    const path = await crashed(durability);
    const { bytes, starts } = recordsOf(path);
    const random = seededRandom('flipped bytes');
    let refused = 0;
    const flips = scaled(60, 5_000);
    for (let i = 0; i < flips; i++) {
      const at = Math.floor(random() * bytes.length);
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] as number) ^ (1 << Math.floor(random() * 8));
      const copy = withJournal(path, damaged);
      const intact = starts.filter((start) => start > 0 && start <= at).length - 1;
      try {
        await using store = await open(copy, { durability: 'relaxed' });
        const kept = texts(await store.getTask('t'));
        expect(kept, `byte ${at}`).toEqual(messages(kept.length));
        expect(kept.length, `byte ${at}`).toBeGreaterThanOrEqual(Math.min(intact, COUNT));
      } catch (error) {
        expect(error).toMatchObject({ code: 'STORE_CORRUPT' });
        expect(readFileSync(journalOf(copy).replace(/\.corrupt-.*/, ''))).toEqual(damaged);
        expect(readdirSync(dirname(copy)).some((name) => name.includes('.corrupt-'))).toBe(true);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(flips * 0.9);
  });
});

it('of which the one write under way lost some sectors is cut there; one that was synced is refused', async () => {
  const path = newFile();
  const store = await open(path);
  await store.upsertTask({ id: 't', message: say('m0') });
  const synced = recordsOf(path).bytes.length;
  await Promise.all(Array.from({ length: 6 }, (_, i) => store.updateTask('t', { newMessages: [say(`m${i + 1}`)] })));
  const batch = crashCopy(path);
  await store.updateTask('t', { newMessages: [say('later')] });
  const later = crashCopy(path);
  await store.close();

  const holed = (copy: string) => {
    const { bytes } = recordsOf(copy);
    const damaged = Buffer.from(bytes);
    damaged.fill(0, synced + 100, synced + 300);
    return withJournal(copy, damaged);
  };
  await using reopened = await open(holed(batch));
  expect(texts(await reopened.getTask('t'))).toEqual(['m0']);
  await expect(open(holed(later))).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
});

it.each([
  ['in the middle of a line', 20, -20],
  ['where two lines meet', 20, 0],
  ['of a whole line', 0, 0],
])(
  'with a hole %s is refused if any later line says that this place was synced, and else cut there',
  async (_, ...ends) => {
    const path = await crashed('relaxed');
    const { bytes, starts } = recordsOf(path);
    const lines = starts.slice(0, -1).map((start, n) => bytes.subarray(start, starts[n + 1]));
    const damaged = 3;
    const end = starts[damaged + 1] as number;
    const hole = Buffer.from(lines[damaged] as Buffer).fill(0, ends[0], (lines[damaged] as Buffer).length + ends[1]);
    const saying = (line: Buffer, synced: number) => {
      const json = [line.toString('utf8', 9, line.length - 1)];
      const buffer = Buffer.alloc(frameSpace(json));
      return buffer.subarray(0, putFrame(buffer, json, synced));
    };
    for (let telling = damaged + 1; telling <= lines.length; telling++) {
      const journal = lines.map((line, n) => {
        if (n === damaged) return hole;
        if (n === telling) return saying(line, end);
        // What was synced before the damage says nothing of it.
        return n === damaged + 1 ? saying(line, starts[damaged] as number) : line;
      });
      const opening = open(withJournal(path, Buffer.concat(journal)), { readOnly: true });
      if (telling < lines.length)
        await expect(opening, `line ${telling}`).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
      else expect(texts(await (await opening).getTask('t'))).toEqual(messages(damaged - 1));
    }
  },
);

it('with damage that no power cut leaves is refused, though a hole follows', async () => {
  const path = await crashed('relaxed');
  const { bytes, starts } = recordsOf(path);
  const damaged = Buffer.from(bytes);
  damaged[(starts[2] as number) + 30] = 0x21;
  damaged.fill(0, (starts[4] as number) + 20, (starts[4] as number) + 40);
  await expect(open(withJournal(path, damaged))).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
});

it('whose last change is damaged is refused, though space for more is reserved behind it', async () => {
  const path = await crashed('strict');
  const { bytes, starts } = recordsOf(path);
  const damaged = Buffer.concat([bytes, Buffer.alloc(700)]);
  damaged[(starts.at(-2) as number) + 30] = 0x21;
  await expect(open(withJournal(path, damaged))).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
});

it('has what is appended to a task that had neither messages nor artifacts', async () => {
  const path = newFile();
  const store = await open(path);
  const appended = { newMessages: [say('m0'), say('m1')], artifactsUpdates: [{ index: 0, parts: say('p0').parts }] };
  await store.upsertTaskForClient({ id: 'new', status: { state: 'working' } }, 'http://a');
  await store.upsertTaskForClient({ id: 'old', status: { state: 'working' } }, 'http://a');
  await store.updateTask('new', { ...appended, taskType: 'outgoing' });
  const check = async (store: LocalTaskStore, id: string) => {
    const stored = await store.getTaskForClient(id);
    expect(texts(stored)).toEqual(['m0', 'm1']);
    expect(stored?.task.artifacts?.map(({ parts }) => parts[0]?.text)).toEqual(['p0']);
    expect(stored?.task.artifacts).toHaveLength(1);
  };
  await using crashed = await open(crashCopy(path));
  await check(crashed, 'new');
  await store.close();
  const again = await open(path);
  expect(await again.getTaskForClient('old')).not.toHaveProperty('task.history');
  await again.updateTask('old', { ...appended, taskType: 'outgoing' });
  await check(again, 'old');
  await using crashedAgain = await open(crashCopy(path));
  for (const id of ['new', 'old']) await check(crashedAgain, id);
  await again.close();
});

it('has all of a task that was stored whole, and of the one that took its place', async () => {
  const path = newFile();
  const store = await open(path);
  const artifact = (index: number, count: number) => ({
    index,
    name: `artifact ${index}`,
    parts: Array.from({ length: count }, (_, n) => ({ type: 'text' as const, text: `p${index}.${n}` })),
  });
  const tasks = [
    { history: [say('m0')], artifacts: [artifact(3, 2), artifact(1, 0), artifact(2, 1)] },
    { artifacts: [artifact(2, 1)] },
    { history: [], artifacts: [] },
    {},
  ];
  for (const rest of tasks) {
    const task = { id: 't', status: { state: 'working' as const, timestamp: '2026-01-01T00:00:00.000Z' }, ...rest };
    await store.upsertTaskForClient(task, 'http://a');
    await using crashed = await open(crashCopy(path));
    expect((await crashed.getTaskForClient('t'))?.task).toEqual(task);
  }
  await store.close();
});

it('that lost its middle, or belongs to another file, is refused', async () => {
  const path = await crashed('strict');
  const { bytes, starts } = recordsOf(path);
  const half = starts[4] as number;
  const gone = Buffer.concat([bytes.subarray(0, half), Buffer.from('rubbish\n'), bytes.subarray(half)]);
  await expect(open(withJournal(path, gone))).rejects.toMatchObject({ code: 'STORE_CORRUPT' });

  const other = await crashed('strict');
  cpSync(journalOf(other), `${path}.journal.7`);
  await expect(open(path)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
});

it('has the checksums that every CRC-32 gives', () => {
  expect(crc32ByTable(Buffer.from('123456789'))).toBe(0xcbf43926);
  expect(crc32ByTable(Buffer.from('6789'), crc32ByTable(Buffer.from('12345')))).toBe(0xcbf43926);
});

it('is folded though a caller who awaits each change lets nothing else run', async () => {
  const path = newFile();
  await using store = await open(path, { durability: 'relaxed', foldFrom: 20_000 });
  await store.upsertTask({ id: 't', message: say('first') });
  for (let i = 0; i < 40_000; i++) await store.updateTask('t', { newMessages: [say(`${i}`)] }, { historyLength: 0 });
  // Not a moment later: by then it would have been folded in any case.
  expect(existsSync(path)).toBe(true);
  expect(texts(await store.getTask('t'))).toHaveLength(40_001);
});

it('is not outgrown by what comes while a slow disk takes the file', async () => {
  const path = newFile();
  const later = (turns: number, done: () => void): unknown =>
    turns > 0 ? setImmediate(() => later(turns - 1, done)) : done();
  const write = (...args: unknown[]) => later(200, () => (nodeFs.write as (...args: unknown[]) => void)(...args));
  const fs = { ...nodeFs, write: write as typeof nodeFs.write };
  const store = await open(path, { durability: 'relaxed', fs, foldFrom: 10_000, foldAt: 20_000 });
  await store.upsertTask({ id: 't', message: say('first') });
  let most = 0;
  for (let i = 0; i < 5_000; i++) {
    await store.updateTask('t', { newMessages: [say(`${i}`)] }, { historyLength: 0 });
    const journals = readdirSync(dirname(path)).filter((name) => name.includes('.journal.'));
    most = Math.max(
      most,
      // One that was listed may be gone by now.
      journals.reduce(
        (sum, name) => sum + (statSync(join(dirname(path), name), { throwIfNoEntry: false })?.size ?? 0),
        0,
      ),
    );
  }
  await store.close();
  expect(most).toBeLessThan(50_000);
  await using again = await open(path);
  expect(texts(await again.getTask('t'))).toHaveLength(5_001);
});
