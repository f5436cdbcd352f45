/** A service worker that keeps what pages hand it, whether or not a page is open when it is pushed. */
import { openTaskStore } from 'holdfast';
import { elkarSync } from 'holdfast/sync';

const sync = elkarSync({ baseUrl: `${self.location.origin}/api`, apiKey: async () => (await fetch('/key')).text() });
const opened = openTaskStore({ name: 'outbox', sync });

self.addEventListener('message', (event) => {
  const [port] = event.ports;
  const kept = opened.then((store) => store.upsertTask(event.data, { until: 'remote' }));
  const answer = kept.then(({ task }) => port.postMessage({ messages: task.history.length }));
  // The worker may sleep again once the remote has it.
  event.waitUntil(answer.catch((error) => port.postMessage({ error: error.code })));
});
