/**
 * The stores under test in Node, behind the few operations that are measured: `create` a task, `append` a message to one,
 * `get` one, newest 50 by state. Each keeps a task the way its users would: rows where it has tables, whole values where
 * it has keys. `durable` says what an acknowledged change survives.
 */
import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { InMemoryTaskStore, ServerCallContext } from '@a2a-js/sdk/server';
import { DatabaseTaskStore } from '@a2a-js/sdk/server/database';
import { ClassicLevel } from 'classic-level';
import { Kysely, SqliteDialect } from 'kysely';
import { open as openLmdb } from 'lmdb';
import { JSONFilePreset } from 'lowdb/node';
import { openTaskStore } from '../../dist/index.node.js';

const require = createRequire(import.meta.url);

function overHoldfast(options, durable) {
  return {
    durable,
    async open(folder) {
      const store = await openTaskStore({ path: join(folder, 'tasks.json'), ...options });
      return {
        store,
        create: (task) =>
          store.upsertTask({
            id: task.id,
            sessionId: task.sessionId,
            message: task.history[0],
            metadata: task.metadata,
          }),
        append: (id, message) => store.updateTask(id, { newMessages: [message] }),
        get: (id) => store.getTask(id),
        newest: (state) => store.listTasks({ state, limit: 50 }),
        fill: (tasks) => store.importTasks(tasks),
        close: () => store.close(),
      };
    },
  };
}

/** A row a message, prepared statements, WAL. */
function overSqlite(Database, synchronous, durable) {
  return {
    durable,
    async open(folder) {
      const db = new Database(join(folder, 'tasks.db'));
      db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous};
        CREATE TABLE IF NOT EXISTS tasks (id TEXT PRIMARY KEY, session TEXT, state TEXT, updated INTEGER, head TEXT);
        CREATE INDEX IF NOT EXISTS by_state ON tasks (state, updated DESC);
        CREATE TABLE IF NOT EXISTS messages (task TEXT, n INTEGER, message TEXT, PRIMARY KEY (task, n)) WITHOUT ROWID;`);
      const insertTask = db.prepare('INSERT INTO tasks VALUES (?, ?, ?, ?, ?)');
      const insertMessage = db.prepare(
        'INSERT INTO messages VALUES (?, (SELECT COALESCE(MAX(n), 0) + 1 FROM messages WHERE task = ?), ?)',
      );
      const touch = db.prepare('UPDATE tasks SET updated = ? WHERE id = ?');
      const head = db.prepare('SELECT * FROM tasks WHERE id = ?');
      const history = db.prepare('SELECT message FROM messages WHERE task = ? ORDER BY n');
      const newest = db.prepare('SELECT head FROM tasks WHERE state = ? ORDER BY updated DESC LIMIT 50');
      const begin = db.prepare('BEGIN IMMEDIATE');
      const commit = db.prepare('COMMIT');
      const within = (work) => {
        begin.run();
        work();
        commit.run();
      };
      const put = (task) => {
        insertTask.run(task.id, task.sessionId, task.status.state, Date.now(), JSON.stringify(task.metadata));
        for (const item of task.history) insertMessage.run(task.id, task.id, JSON.stringify(item));
      };
      return {
        create: async (task) => within(() => put(task)),
        append: async (id, message) =>
          within(() => {
            insertMessage.run(id, id, JSON.stringify(message));
            touch.run(Date.now(), id);
          }),
        get: async (id) => ({ ...head.get(id), history: history.all(id).map((row) => JSON.parse(row.message)) }),
        newest: async (state) => newest.all(state).map((row) => JSON.parse(row.head)),
        fill: async (tasks) =>
          within(() => {
            for (const stored of tasks) put(stored.task);
          }),
        close: async () => db.close(),
      };
    },
  };
}

const plain = { JSON: { encode: JSON.stringify, decode: JSON.parse } };

/** Whole tasks under a key, read, changed and written back. */
function overKeys(openDb, durable) {
  return {
    durable,
    async open(folder) {
      const { get, put, close, fill } = await openDb(folder);
      return {
        create: (task) => put(task.id, task),
        append: async (id, message) => {
          const task = await get(id);
          task.history.push(message);
          await put(id, task);
        },
        get,
        fill: (tasks) => fill([...tasks].map((stored) => stored.task)),
        close,
      };
    },
  };
}

const level = (sync) => async (folder) => {
  const db = new ClassicLevel(join(folder, 'level'), { valueEncoding: 'json' });
  await db.open();
  return {
    get: (id) => db.get(id),
    put: (id, task) => db.put(id, task, { sync }),
    fill: (tasks) => db.batch(tasks.map((task) => ({ type: 'put', key: task.id, value: task }))),
    close: () => db.close(),
  };
};

const lmdb = async (folder) => {
  const db = openLmdb({ path: join(folder, 'lmdb'), encoder: plain.JSON });
  return {
    get: async (id) => structuredClone(db.get(id)),
    put: async (id, task) => {
      await db.put(id, task);
      await db.flushed;
    },
    fill: (tasks) => db.transaction(() => tasks.map((task) => db.put(task.id, task))),
    close: () => db.close(),
  };
};

const lowdb = async (folder) => {
  const db = await JSONFilePreset(join(folder, 'low.json'), { tasks: {} });
  return {
    get: async (id) => structuredClone(db.data.tasks[id]),
    put: (id, task) => {
      db.data.tasks[id] = task;
      return db.write();
    },
    fill: async (tasks) => {
      for (const task of tasks) db.data.tasks[task.id] = task;
      await db.write();
    },
    close: async () => {},
  };
};

/** Our task in the SDK's shape. */
export function toSdkTask({ id, sessionId, status, history, metadata }) {
  return {
    id,
    contextId: sessionId,
    status: {
      state: { working: 2, completed: 3, failed: 4 }[status.state],
      message: undefined,
      timestamp: status.timestamp,
    },
    artifacts: [],
    history: history.map((item, i) => toSdkMessage(item, `${id}-${i}`)),
    metadata,
  };
}

function toSdkMessage({ role, parts }, messageId) {
  return {
    messageId,
    contextId: '',
    taskId: '',
    role: role === 'user' ? 1 : 2,
    parts: parts.map(({ text }) => ({
      content: { $case: 'text', value: text },
      metadata: undefined,
      filename: '',
      mediaType: '',
    })),
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
  };
}

/** The SDK saves the whole task for every change. */
function overSdk(makeStore, durable) {
  return {
    durable,
    async open(folder) {
      const { store, close = async () => {} } = await makeStore(folder);
      const context = new ServerCallContext({});
      return {
        create: (task) => store.save(toSdkTask(task), context),
        append: async (id, message) => {
          const task = await store.load(id, context);
          task.history.push(toSdkMessage(message, `m${task.history.length}`));
          await store.save(task, context);
        },
        get: (id) => store.load(id, context),
        newest: (state) =>
          store.list({ status: { working: 2, completed: 3, failed: 4 }[state], pageSize: 50 }, context),
        fill: async (tasks) => {
          for (const stored of tasks) await store.save(toSdkTask(stored.task), context);
        },
        close,
      };
    },
  };
}

function sdkDatabase(folder) {
  const Database = require('better-sqlite3');
  const database = new Database(join(folder, 'sdk.db'));
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS tasks (tenant TEXT, owner TEXT, id TEXT, context_id TEXT, status_last_updated INTEGER, status_state TEXT,
      status TEXT, artifacts TEXT, history TEXT, metadata TEXT, protocol_version TEXT, PRIMARY KEY (tenant, owner, id));
    CREATE INDEX IF NOT EXISTS scope_updated ON tasks (tenant, owner, status_last_updated, id);`);
  const db = new Kysely({ dialect: new SqliteDialect({ database }) });
  return { store: new DatabaseTaskStore(db), close: () => db.destroy() };
}

/** `write` and `fdatasync` of the bare message, the least that can be done; relaxed: `write` alone. */
function bare(sync, durable) {
  return {
    durable,
    async open(folder) {
      const fd = openSync(join(folder, 'bare.log'), 'a');
      const write = (value) => {
        writeSync(fd, `${JSON.stringify(value)}\n`);
        if (sync) fdatasyncSync(fd);
      };
      return {
        create: async (task) => write(task),
        append: async (id, message) => write({ id, message }),
        get: async () => JSON.parse(readFileSync(join(folder, 'bare.log'), 'utf8').split('\n')[0]),
        fill: async () => {},
        close: async () => closeSync(fd),
      };
    },
  };
}

const betterSqlite = (...args) => overSqlite(require('better-sqlite3'), ...args);

export const adapters = {
  'Holdfast, strict': overHoldfast({ durability: 'strict' }, 'power cut'),
  'Holdfast, relaxed': overHoldfast({ durability: 'relaxed' }, 'process'),
  'Holdfast, memory': overHoldfast({ backend: 'memory' }, 'nothing'),
  'better-sqlite3, FULL': betterSqlite('FULL', 'power cut'),
  'better-sqlite3, NORMAL': betterSqlite('NORMAL', 'process'),
  lmdb: overKeys(lmdb, 'power cut'),
  'classic-level, sync': overKeys(level(true), 'power cut'),
  'classic-level': overKeys(level(false), 'process'),
  lowdb: overKeys(lowdb, 'process'),
  'A2A SDK, database': overSdk(sdkDatabase, 'power cut'),
  'A2A SDK, memory': overSdk(() => ({ store: new InMemoryTaskStore() }), 'nothing'),
  'bare write + fdatasync': bare(true, 'power cut'),
  'bare write': bare(false, 'process'),
};

/** `node:sqlite` where this Node has it. */
const sqlite = await import('node:sqlite').catch(() => undefined);
if (sqlite) adapters['node:sqlite, FULL'] = overSqlite(sqlite.DatabaseSync, 'FULL', 'power cut');
