/** The store file that a command works on. */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { realFileSystem } from '../backends/json-file/file-system.ts';
import { journalGenerations } from '../backends/json-file/paths.ts';
import { jsonFile, openTaskStore } from '../json-file.ts';
import type { LocalTaskStore } from '../local-task-store.ts';
import { UsageError } from './command.ts';

/** The option of every command that works on a store. */
export const storeOption = { store: { type: 'string', short: 's', default: 'holdfast.json' } } as const;
export const storeHelp = '  -s, --store path     the store file (default: holdfast.json)';
export const jsonOption = { json: { type: 'boolean' } } as const;
export const jsonHelp = '      --json           the answer as JSON';

/** Opens a store that is there, runs `use`, and closes it, whatever happens. */
export async function withStore<T>(path: string, use: (store: LocalTaskStore) => Promise<T>): Promise<T> {
  assertExists(path);
  return useStore(await openTaskStore({ path }), use);
}

/** As `withStore`, to read only: also while another process holds the store. */
export async function withStoreToRead<T>(path: string, use: (store: LocalTaskStore) => Promise<T>): Promise<T> {
  assertExists(path);
  return useStore(await openTaskStore({ path, backend: jsonFile({ readOnly: true }) }), use);
}

export async function useStore<T>(store: LocalTaskStore, use: (store: LocalTaskStore) => Promise<T>): Promise<T> {
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/**
 * Commands that look at a store must not make an empty one of a mistyped path. Until a store is closed for the first time, or
 * where its process was killed before, all of it lies in its journal.
 */
function assertExists(path: string): void {
  if (!existsSync(path) && !hasJournal(path)) throw new UsageError(`no store at ${path}`);
}

/** What is written for other uses must not take a store's place, be it by a slip of the hand. */
export function assertNoStore(path: string): void {
  if (isStore(path)) throw new UsageError(`${path} is a store, which would be overwritten`);
}

export function isStore(path: string): boolean {
  return /^\s*\{\s*"(holdfast|tasks)"\s*:/.test(beginningOf(path)) || hasJournal(path);
}

function hasJournal(path: string): boolean {
  return existsSync(dirname(path)) && journalGenerations(realFileSystem, path).length > 0;
}

function beginningOf(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return '';
  const file = openSync(path, 'r');
  const bytes = Buffer.alloc(64);
  const length = readSync(file, bytes);
  closeSync(file);
  return bytes.toString('utf8', 0, length);
}
