import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openTaskStore } from '../../src/json-file.ts';
import { agentRuns, replayAll } from '../support/agent-runs.ts';
import { newFolder } from '../support/places.ts';

it('keeps every recorded agent run in a JSON file', async () => {
  const path = join(newFolder(), 'runs.json');
  expect(await replayAll(() => openTaskStore({ path }))).toBe(agentRuns().length);
});
