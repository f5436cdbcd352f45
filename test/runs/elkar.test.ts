import { expect, it } from 'vitest';
import { ElkarClientStore } from '../../src/elkar.ts';
import { openTaskStore } from '../../src/memory.ts';
import { apiKeys, createElkarHandler } from '../../src/server.ts';
import { agentRuns, replayAll } from '../support/agent-runs.ts';
import { elkarImitation } from '../support/elkar-imitation.ts';
import { serveRequests } from '../support/http.ts';

it('keeps every recorded agent run on the endpoint, over HTTP', async () => {
  const store = await openTaskStore();
  const served = await serveRequests(createElkarHandler({ store, authorize: apiKeys({ secret: 'a' }) }));
  const options = { baseUrl: `${served.origin}/api`, apiKey: 'secret', server: 'holdfast' as const };
  expect(await replayAll(async () => new ElkarClientStore(options))).toBe(agentRuns().length);
  await served.close();
});

it("keeps every recorded agent run on Elkar's server, imitated, over HTTP", async () => {
  const elkar = elkarImitation();
  const served = await serveRequests(elkar.handle);
  const options = { baseUrl: `${served.origin}/api`, apiKey: 'secret' };
  expect(await replayAll(async () => new ElkarClientStore(options))).toBe(agentRuns().length);
  expect(elkar.misdeeds).toEqual([]);
  await served.close();
});
