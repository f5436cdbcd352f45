import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openTaskStore } from '../../src/json-file.ts';
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
