/** A process that writes to a store with sync until it is killed. Arguments: path, base URL of the remote, round. */
import { writeSync } from 'node:fs';
import { openTaskStore } from '../../src/json-file.ts';
import { elkarSync } from '../../src/sync.ts';

const [path = '', baseUrl = '', round = '0'] = process.argv.slice(2);
const sync = elkarSync({ baseUrl, apiKey: 'secret', gatherMs: 0, maxBackoffMs: 20 });
const store = await openTaskStore({ path, durability: 'relaxed', sync });
writeSync(1, 'open\n');
for (let n = 0; ; n++) {
  // Some tasks live through all rounds, others are new in each.
  const id = n % 2 === 0 ? `kept-${n % 6}` : `${round}-${n % 5}`;
  const message = (text: string) => ({ role: 'agent' as const, parts: [{ type: 'text' as const, text }] });
  await store.upsertTask({ id, message: message(`${round} ${n}`) });
  await store.updateTask(id, {
    status: { state: 'working', message: message(`${round} ${n} status`) },
    newMessages: [message(`${round} ${n} more`)],
    artifactsUpdates: [{ index: n % 2, parts: [{ type: 'text', text: `${round} ${n}` }] }],
  });
  if (n % 10 === 9) await new Promise((resolve) => setTimeout(resolve));
}
