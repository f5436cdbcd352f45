/** Processes killed under load: what was acknowledged is there, once, in order, whole. */
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { Durability } from '../src/backends/backend.ts';
import type { StoredTask } from '../src/core/task.ts';
import { startProgram } from './support/cli.ts';
import { documentIn, newFile, open } from './support/json-file.ts';
import { scaled, seededRandom } from './support/long.ts';

type Acknowledged = Map<string, string[]>;

/** Runs a writer for a while and kills it; adds what it said. */
async function runAndKill(
  path: string,
  durability: Durability,
  round: number,
  ms: number,
  said: Acknowledged,
): Promise<void> {
  const child = await startProgram('test/support/json-file-writer.ts', [path, durability, String(round)]);
  let output = '';
  let errors = '';
  child.stderr?.on('data', (data) => {
    errors += data;
  });
  const opened = new Promise<void>((resolve) => {
    child.stdout?.on('data', (data) => {
      output += data;
      if (output.startsWith('open\n')) resolve();
    });
  });
  const ended = once(child, 'close');
  await Promise.race([opened, ended]);
  expect(errors).toBe('');
  await new Promise((resolve) => setTimeout(resolve, ms));
  child.kill('SIGKILL');
  await ended;
  // The last line may be cut; what it says was acknowledged, but half a name is none.
  for (const line of output.split('\n').slice(1, -1)) {
    const [id = '', text = ''] = line.split('\t');
    said.set(id, [...(said.get(id) ?? []), text]);
  }
}

/** Everything said is there, in order and once; what is there beyond it was under way, and is whole. */
function verify(tasks: Map<string, StoredTask>, said: Acknowledged): number {
  let count = 0;
  for (const [id, texts] of said) {
    const { history = [], artifacts = [] } = tasks.get(id)?.task ?? {};
    const kept = history.map(({ parts }) => String(parts[0]?.text));
    expect(new Set(kept).size, id).toBe(kept.length);
    expect(
      kept.filter((text) => texts.includes(text)),
      id,
    ).toEqual(texts);
    const halves = kept.filter((text) => /[ab]$/.test(text));
    expect(halves.filter((text) => text.endsWith('a')).map((text) => text.replace('a', 'b'))).toEqual(
      halves.filter((text) => text.endsWith('b')),
    );
    expect(
      artifacts.reduce((sum, { parts }) => sum + parts.length, 0),
      id,
    ).toBe(halves.length / 2);
    count += texts.length;
  }
  return count;
}

describe.each(['strict', 'relaxed'] as const)('a process killed under load, %s', (durability) => {
  it('loses nothing that it acknowledged', async () => {
    const random = seededRandom(`kills, ${durability}`);
    const path = newFile();
    const said: Acknowledged = new Map();
    let generations = 0;
    for (let round = 0; round < scaled(10, 60); round++) {
      await runAndKill(path, durability, round, random() * 350, said);
      await using reader = await open(path, { readOnly: true });
      verify(await allOf(reader), said);
    }
    await using store = await open(path, { durability });
    await store.close();
    const document = documentIn(path);
    generations = (document.holdfast as { generation: number }).generation;
    const count = verify(new Map(document.tasks.map((task) => [task.id, task])), said);
    console.log(`${durability}: ${count} messages acknowledged, the file written ${generations} times`);
    expect(count).toBeGreaterThan(100);
    expect(generations).toBeGreaterThan(3);
  });
});

async function allOf(store: Awaited<ReturnType<typeof open>>): Promise<Map<string, StoredTask>> {
  const tasks = new Map<string, StoredTask>();
  for await (const line of store.exportTasks()) {
    const stored = JSON.parse(line) as StoredTask;
    tasks.set(stored.id, stored);
  }
  return tasks;
}
