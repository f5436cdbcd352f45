import { expect, it } from 'vitest';
import { openTaskStore } from '../../src/indexeddb.ts';
import { clock, compareWithModel } from '../support/model.ts';

it('IndexedDB equals the naive model', async () => {
  let runs = 0;
  await compareWithModel('IndexedDB', { short: 40, long: 1_000 }, async () => {
    const name = `model-${Date.now()}-${runs++}`;
    return {
      open: () => openTaskStore({ name, ...clock }),
      persistent: true,
      discard: async () => {
        indexedDB.deleteDatabase(name);
      },
    };
  });
  expect.hasAssertions();
});
