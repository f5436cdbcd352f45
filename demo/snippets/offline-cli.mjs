/** A command-line tool that works without a network: `node offline-cli.mjs "a note"`. What could not be sent goes up next time. */
import { openTaskStore } from 'holdfast/json-file';
import { elkarSync } from 'holdfast/sync';

const { ELKAR_URL: baseUrl, ELKAR_API_KEY: apiKey } = process.env;
const store = await openTaskStore({ path: 'notes.json', sync: elkarSync({ baseUrl, apiKey }) });
const message = { role: 'user', parts: [{ type: 'text', text: process.argv[2] }] };
const { task } = await store.upsertTask({ id: 'notes', message });
await store.sync.flush({ timeoutMs: 2_000 }).catch(() => console.log('Offline: kept here for now.'));
console.log(`${task.history.length} notes, ${store.sync.status.pendingTasks ? 'not all sent' : 'all sent'}.`);
await store.close();
