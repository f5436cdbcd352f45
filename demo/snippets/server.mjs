/** An Elkar endpoint over a file, for the agents whose keys are listed. Any server that speaks `Request` and `Response` will do. */
import { serve } from '@hono/node-server';
import { openTaskStore } from 'holdfast/json-file';
import { apiKeys, createElkarHandler } from 'holdfast/server';

const store = await openTaskStore({ path: 'tasks.json' });
const handle = createElkarHandler({ store, authorize: apiKeys({ [process.env.API_KEY]: 'my-agent' }) });
const server = serve({ fetch: handle, port: Number(process.env.PORT), hostname: '127.0.0.1' }, ({ port }) =>
  console.log(`http://127.0.0.1:${port}/api`),
);
process.once('SIGTERM', () => {
  server.close(() => store.close());
  // What is under way has ended by then; browsers hold connections open on which they ask nothing.
  setTimeout(() => server.closeAllConnections(), 1_000).unref();
});
