import { expect, it } from 'vitest';
import { openTaskStore } from '../../src/memory.ts';
import { agentRuns, replayAll } from '../support/agent-runs.ts';

it('keeps every recorded agent run in memory', async () => {
  expect(await replayAll(() => openTaskStore())).toBe(agentRuns().length);
});
