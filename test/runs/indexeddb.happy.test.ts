import { expect, it } from 'vitest';
import { openTaskStore } from '../../src/indexeddb.ts';
import { agentRuns, replayAll } from '../support/agent-runs.ts';

it('keeps every recorded agent run in IndexedDB', async () => {
  const name = `runs-${Date.now()}`;
  expect(await replayAll(() => openTaskStore({ name }))).toBe(agentRuns().length);
});
