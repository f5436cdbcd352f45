/** A task streamed in small chunks through the SDK's own request handler, over its stores and over ours. */
import { readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { AgentEvent, DefaultRequestHandler, InMemoryTaskStore, ServerCallContext } from '@a2a-js/sdk/server';
import { DatabaseTaskStore } from '@a2a-js/sdk/server/database';
import { Kysely, SqliteDialect } from 'kysely';
import { toA2ATaskStore } from '../../dist/a2a.js';
import { openTaskStore } from '../../dist/index.node.js';
import { scratch } from '../lib/work.mjs';

const require = createRequire(import.meta.url);

const part = (value) => ({ content: { $case: 'text', value }, metadata: undefined, filename: '', mediaType: '' });
const chunkText = '20 characters of it.';

/** Publishes the task, then so many chunks of one artifact, then the end; a turn of the event loop between them. */
function streamer(chunks) {
  return {
    async execute({ taskId, contextId, userMessage }, bus) {
      const status = { state: 2, message: undefined, timestamp: '2026-01-01T00:00:00.000Z' };
      bus.publish(
        AgentEvent.task({ id: taskId, contextId, status, artifacts: [], history: [userMessage], metadata: undefined }),
      );
      for (let i = 0; i < chunks; i++) {
        const artifact = {
          artifactId: 'a',
          name: '',
          description: '',
          parts: [part(chunkText)],
          metadata: undefined,
          extensions: [],
        };
        const event = { taskId, contextId, artifact, append: i > 0, lastChunk: i === chunks - 1, metadata: undefined };
        bus.publish(AgentEvent.artifactUpdate(event));
        if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      const done = { state: 3, message: undefined, timestamp: '2026-01-01T00:00:01.000Z' };
      bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status: done, metadata: undefined }));
      bus.finished();
    },
    async cancelTask() {},
  };
}

const card = { name: 'bench', capabilities: { streaming: true, pushNotifications: false }, skills: [] };

async function stream(taskStore, chunks) {
  const handler = new DefaultRequestHandler(card, taskStore, streamer(chunks));
  const message = {
    messageId: 'm',
    contextId: '',
    taskId: '',
    role: 1,
    parts: [part('go')],
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
  };
  const start = performance.now();
  let events = 0;
  for await (const _ of handler.sendMessageStream(
    { tenant: '', message, configuration: undefined, metadata: undefined },
    new ServerCallContext({}),
  ))
    events++;
  if (events < chunks) throw new Error(`only ${events} events came`);
  return performance.now() - start;
}

const overHoldfast = (options) => async (chunks, use) => {
  const { folder, remove } = scratch();
  const store = await openTaskStore({ path: join(folder, 'tasks.json'), ...options });
  const figure = await use(toA2ATaskStore(store), chunks, folder);
  await store.close();
  remove();
  return figure;
};

const overDatabase = async (chunks, use) => {
  const { folder, remove } = scratch();
  const Database = require('better-sqlite3');
  const database = new Database(join(folder, 'sdk.db'));
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    CREATE TABLE tasks (tenant TEXT, owner TEXT, id TEXT, context_id TEXT, status_last_updated INTEGER, status_state TEXT,
      status TEXT, artifacts TEXT, history TEXT, metadata TEXT, protocol_version TEXT, PRIMARY KEY (tenant, owner, id));`);
  const db = new Kysely({ dialect: new SqliteDialect({ database }) });
  const figure = await use(new DatabaseTaskStore(db), chunks, folder);
  await db.destroy();
  remove();
  return figure;
};

/** What any store has to pay there: the handler copies the list of parts with each chunk. It keeps the caller's own object. */
const nothing = (chunks, use) => {
  let last;
  const taskStore = {
    async save(task) {
      last = task;
    },
    async load() {
      return last;
    },
  };
  return use(taskStore, chunks);
};

const stores = {
  'Holdfast, memory': overHoldfast({ backend: 'memory' }),
  'Holdfast, relaxed': overHoldfast({ durability: 'relaxed' }),
  'A2A SDK, memory': (chunks, use) => use(new InMemoryTaskStore(), chunks),
  'A2A SDK, database': overDatabase,
};

const bytesIn = (folder) => readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

/** What lies on the disk at the end, before anything is folded: what was written, where only appends were made. */
const written = async (taskStore, chunks, folder) => {
  await stream(taskStore, chunks);
  return bytesIn(folder) / 1e3;
};

export function a2aRows({ quick }) {
  const chunks = quick ? 250 : 1_000;
  const times = (names, count) => Object.fromEntries(names.map((name) => [name, () => stores[name](count, stream)]));
  const names = Object.keys(stores);
  const changes = (chunks * (chunkText.length + 30)) / 1e3;
  return [
    {
      id: 'a2a-stream',
      title: `A task streamed in ${chunks.toLocaleString('en-US')} chunks through the A2A SDK's DefaultRequestHandler`,
      unit: 'ms',
      contestants: times(names, chunks),
      goals: [
        { of: 'Holdfast, memory', against: 'A2A SDK, memory', atMost: 1 / 5 },
        { of: 'Holdfast, relaxed', against: 'A2A SDK, memory', atMost: 1 },
      ],
    },
    {
      id: 'a2a-slope',
      title: 'The same with four times as many chunks',
      unit: 'ms',
      contestants: {
        'Holdfast, once': () => stores['Holdfast, memory'](chunks, stream),
        'Holdfast, four times': () => stores['Holdfast, memory'](chunks * 4, stream),
        'no work at all, once': () => nothing(chunks, stream),
        'no work at all, four times': () => nothing(chunks * 4, stream),
      },
      notes: { 'no work at all, once': 'hands out the object it was given: the handler alone' },
      goals: [{ of: 'Holdfast, four times', against: 'Holdfast, once', atMost: 4.5 }],
    },
    {
      id: 'a2a-bytes',
      title: `Written to disk for these ${chunks.toLocaleString('en-US')} chunks`,
      unit: 'kB',
      rounds: 1,
      contestants: {
        'Holdfast, relaxed': () => stores['Holdfast, relaxed'](chunks, written),
        'the changes': async () => changes,
      },
      goals: [{ of: 'Holdfast, relaxed', against: 'the changes', atMost: 3 }],
    },
  ];
}
