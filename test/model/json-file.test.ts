import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openTaskStore } from '../../src/json-file.ts';
import { crashCopy, newFile } from '../support/json-file.ts';
import { clock, compareWithModel } from '../support/model.ts';

it('a JSON file equals the naive model', async () => {
  await compareWithModel('JSON file', { short: 100, long: 1_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-'));
    return {
      open: () => openTaskStore({ path: join(folder, 'tasks.json'), durability: 'relaxed', ...clock }),
      persistent: true,
      discard: async () => rmSync(folder, { recursive: true }),
    };
  });
  expect.hasAssertions();
});

it('a JSON file whose process is killed again and again equals the naive model', async () => {
  await compareWithModel('JSON file, killed', { short: 60, long: 1_000 }, async () => {
    let path = newFile();
    return {
      open: async () => {
        const store = await openTaskStore({ path, durability: 'relaxed', ...clock });
        const close = store.close.bind(store);
        // What comes next finds what a kill would have left: the file of the last time, and all since in the journal.
        store.close = async () => {
          path = crashCopy(path);
          await close();
        };
        return store;
      },
      persistent: true,
      discard: async () => {},
    };
  });
  expect.hasAssertions();
});
