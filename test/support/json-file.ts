/** JSON-file stores for tests: opened, left as a crash leaves them, and read with nothing but JSON. */
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { JsonFileOptions } from '../../src/backends/json-file.ts';
import type { Message, StoredTask } from '../../src/core/task.ts';
import { jsonFile, type OpenOptions, openTaskStore } from '../../src/json-file.ts';
import type { LocalTaskStore } from '../../src/local-task-store.ts';
import { newFolder } from './places.ts';

export function open(path: string, options: JsonFileOptions & OpenOptions = {}): Promise<LocalTaskStore> {
  const { fs, foldFrom, foldAt, readOnly, ...others } = options;
  const backend = jsonFile({
    ...(fs && { fs }),
    ...(foldFrom !== undefined && { foldFrom }),
    ...(foldAt !== undefined && { foldAt }),
    ...(readOnly && { readOnly }),
  });
  return openTaskStore({ path, backend, ...others });
}

export function newFile(): string {
  return join(newFolder(), 'tasks.json');
}

export function say(text: string): Message {
  return { role: 'agent', parts: [{ type: 'text', text }] };
}

export function texts(stored: StoredTask | undefined): unknown[] {
  return (stored?.task.history ?? []).map(({ parts }) => parts[0]?.text);
}

/** The folder as the store's process would leave it if it ended now: everything but the lock, in a folder of its own. */
export function crashCopy(path: string): string {
  const folder = newFolder();
  for (const name of readdirSync(dirname(path))) {
    if (!name.endsWith('.lock')) cpSync(join(dirname(path), name), join(folder, name));
  }
  return join(folder, basename(path));
}

export function journalOf(path: string): string {
  const names = readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.journal.`));
  return join(dirname(path), names.at(-1) as string);
}

/** The file's document, as anybody would read it. */
export function documentIn(path: string): { holdfast: object; tasks: StoredTask[] } {
  return JSON.parse(readFileSync(path, 'utf8'));
}
