/** Sync of a JSON file whose changes are on the disk before they are acknowledged. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';
import { openTaskStore } from '../src/index.node.ts';
import { pullAmidChanges } from './support/pull-amid-changes.ts';

test.each([1, 3])(
  'a pull ends, with what others wrote, while a task is changed without a pause by %i',
  async (writers) => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-'));
    await pullAmidChanges((sync) => openTaskStore({ path: join(folder, 'tasks.json'), sync }), writers);
    await rm(folder, { recursive: true });
  },
);
