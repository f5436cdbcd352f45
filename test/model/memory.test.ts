import { expect, it } from 'vitest';
import { openTaskStore } from '../../src/memory.ts';
import { clock, compareWithModel } from '../support/model.ts';

it('memory equals the naive model', async () => {
  await compareWithModel('memory', { short: 300, long: 5_000 }, async () => ({
    open: () => openTaskStore(clock),
    persistent: false,
    discard: async () => {},
  }));
  expect.hasAssertions();
});
