/** Sync of a database whose changes share transactions. */
import { it } from 'vitest';
import { openTaskStore } from '../src/indexeddb.ts';
import { pullAmidChanges } from './support/pull-amid-changes.ts';

it.each([1, 3])('a pull ends, with what others wrote, while a task is changed without a pause by %i', (writers) =>
  pullAmidChanges((sync) => openTaskStore({ name: crypto.randomUUID(), sync }), writers),
);
