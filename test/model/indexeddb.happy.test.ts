import { expect, it } from 'vitest';
import { openTaskStore } from '../../src/indexeddb.ts';
import { clock, compareWithModel } from '../support/model.ts';

it('fake-indexeddb equals the naive model', async () => {
  let runs = 0;
  await compareWithModel('fake-indexeddb', { short: 60, long: 1_500 }, async () => {
    const name = `model-${runs++}`;
    return { open: () => openTaskStore({ name, ...clock }), persistent: true, discard: async () => {} };
  });
  expect.hasAssertions();
});
