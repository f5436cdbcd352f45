/**
 * The stores under test in the browser, behind the operations that are measured. Each keeps tasks the way its users would:
 * whole values under a key, but for the bare small rows: with its transaction ended as soon as may be, the least an append can be.
 */

import { InMemoryTaskStore, ServerCallContext } from '@a2a-js/sdk/server';
import { createCollection, createIndexedDB, indexedDBCollectionOptions } from '@tanstack/db';
import Dexie from 'dexie';
import { openTaskStore } from 'holdfast';
import { openDB } from 'idb';
import { createStore as createKeyval, get as keyvalGet, set as keyvalSet, values as keyvalValues } from 'idb-keyval';
import localforage from 'localforage';
import PouchDB from 'pouchdb';
import { createRxDatabase } from 'rxdb';
import { getRxStorageDexie } from 'rxdb/plugins/storage-dexie';
import { createStore as createTinyStore } from 'tinybase';
import { createIndexedDbPersister } from 'tinybase/persisters/persister-indexed-db';
import { createStorage } from 'unstorage';
import unstorageDriver from 'unstorage/drivers/indexedb';

/** `append` of a store that can only write whole values. */
function wholeValues({ get, put, ...rest }) {
  return {
    create: put,
    get,
    append: async (id, message) => {
      const task = await get(id);
      await put({ ...task, history: [...task.history, message] });
    },
    ...rest,
  };
}

/** Every message a row of its own. */
async function smallRows(name, add) {
  const db = await openDB(name, 1, {
    upgrade: (upgrading) => upgrading.createObjectStore('rows', { autoIncrement: true }),
  });
  return {
    create: (task) => add(db, task),
    append: (id, message) => add(db, { id, message }),
    close: async () => db.close(),
  };
}

const newestOf = (tasks, state) =>
  tasks
    .filter((task) => task.status.state === state)
    .sort((a, b) => (a.metadata.number < b.metadata.number ? 1 : -1))
    .slice(0, 50);

export const adapters = {
  async Holdfast(name) {
    const store = await openTaskStore({ name });
    return {
      create: (task) => store.upsertTaskForClient(task, 'https://a.example'),
      append: (id, message) => store.updateTask(id, { taskType: 'outgoing', newMessages: [message] }),
      get: async (id) => (await store.getTaskForClient(id)).task,
      bulk: (tasks) =>
        store.importTasks(
          tasks.map((task, i) => {
            const time = new Date(Date.UTC(2026, 0, 1) + i * 1000).toISOString();
            return { id: task.id, taskType: 'outgoing', isStreaming: false, task, createdAt: time, updatedAt: time };
          }),
        ),
      newest: async (state) => (await store.listTasks({ taskType: 'outgoing', state, limit: 50 })).tasks,
      subscribe: (listener) => store.subscribe(listener),
      close: () => store.close(),
    };
  },

  /** The whole record by `db.put`, an index to list by. */
  async 'bare idb'(name) {
    const db = await openDB(name, 1, {
      upgrade(upgrading) {
        const tasks = upgrading.createObjectStore('tasks', { keyPath: 'id' });
        tasks.createIndex('state', ['status.state', 'metadata.number']);
      },
    });
    return wholeValues({
      get: (id) => db.get('tasks', id),
      put: (task) => db.put('tasks', task),
      bulk: async (tasks) => {
        const tx = db.transaction('tasks', 'readwrite');
        for (const task of tasks) tx.store.put(task);
        await tx.done;
      },
      newest: async (state) => {
        const found = [];
        const range = IDBKeyRange.bound([state, 0], [state, []]);
        for (
          let cursor = await db.transaction('tasks').store.index('state').openCursor(range, 'prev');
          cursor && found.length < 50;
          cursor = await cursor.continue()
        ) {
          found.push(cursor.value);
        }
        return found;
      },
      close: async () => db.close(),
    });
  },

  /** One small record a message: the floor of what an append can cost. */
  'bare small row': (name) => smallRows(name, (db, row) => db.add('rows', row)),

  'bare small row, ended at once': (name) =>
    smallRows(name, (db, row) => {
      const { store, done } = db.transaction('rows', 'readwrite');
      store.add(row);
      store.transaction.commit();
      return done;
    }),

  async Dexie(name) {
    const db = new Dexie(name);
    db.version(1).stores({ tasks: 'id, [status.state+metadata.number]' });
    await db.open();
    return wholeValues({
      get: (id) => db.tasks.get(id),
      put: (task) => db.tasks.put(task),
      bulk: (tasks) => db.tasks.bulkPut(tasks),
      newest: (state) =>
        db.tasks
          .where('[status.state+metadata.number]')
          .between([state, Dexie.minKey], [state, Dexie.maxKey])
          .reverse()
          .limit(50)
          .toArray(),
      close: async () => db.close(),
    });
  },

  async RxDB(name) {
    const db = await createRxDatabase({ name: name.toLowerCase(), storage: getRxStorageDexie(), multiInstance: false });
    const text = { type: 'string', maxLength: 100 };
    const { tasks } = await db.addCollections({
      tasks: {
        schema: {
          version: 0,
          primaryKey: 'id',
          type: 'object',
          properties: {
            id: text,
            sessionId: text,
            status: { type: 'object' },
            history: { type: 'array' },
            metadata: { type: 'object' },
          },
        },
      },
    });
    return {
      create: (task) => tasks.insert(task),
      append: async (id, message) => {
        const found = await tasks.findOne(id).exec();
        await found.incrementalModify((task) => ({ ...task, history: [...task.history, message] }));
      },
      get: async (id) => (await tasks.findOne(id).exec()).toJSON(),
      bulk: (list) => tasks.bulkInsert(list),
      close: () => db.close(),
    };
  },

  async PouchDB(name) {
    const db = new PouchDB(name, { auto_compaction: true });
    return {
      create: (task) => db.put({ _id: task.id, ...task }),
      append: async (id, message) => {
        const task = await db.get(id);
        await db.put({ ...task, history: [...task.history, message] });
      },
      get: (id) => db.get(id),
      bulk: (tasks) => db.bulkDocs(tasks.map((task) => ({ _id: task.id, ...task }))),
      close: () => db.close(),
    };
  },

  async localForage(name) {
    const db = localforage.createInstance({ name });
    await db.ready();
    const put = (task) => db.setItem(task.id, task);
    return wholeValues({
      get: (id) => db.getItem(id),
      put,
      newest: async (state) => {
        const tasks = [];
        await db.iterate((task) => {
          tasks.push(task);
        });
        return newestOf(tasks, state);
      },
      close: async () => {},
    });
  },

  async 'idb-keyval'(name) {
    const db = createKeyval(name, 'tasks');
    return wholeValues({
      get: (id) => keyvalGet(id, db),
      put: (task) => keyvalSet(task.id, task, db),
      newest: async (state) => newestOf(await keyvalValues(db), state),
      close: async () => {},
    });
  },

  async unstorage(name) {
    const db = createStorage({ driver: unstorageDriver({ dbName: name, storeName: 'tasks' }) });
    return wholeValues({
      get: (id) => db.getItem(id),
      put: (task) => db.setItem(task.id, task),
      newest: async (state) => newestOf(await Promise.all((await db.getKeys()).map((key) => db.getItem(key))), state),
      close: () => db.dispose(),
    });
  },

  /** All in memory, each change written as a whole record; `isPersisted` tells when it is. */
  async 'TanStack DB'(name) {
    const db = await createIndexedDB({ name, version: 1, stores: ['tasks'] });
    const tasks = createCollection(indexedDBCollectionOptions({ db, name: 'tasks', getKey: (task) => task.id }));
    await tasks.preload();
    return {
      create: (task) => tasks.insert(task).isPersisted.promise,
      append: (id, message) =>
        tasks.update(id, (task) => {
          task.history.push(message);
        }).isPersisted.promise,
      get: async (id) => tasks.get(id),
      bulk: (list) => tasks.insert(list).isPersisted.promise,
      newest: async (state) => newestOf(tasks.toArray, state),
      close: async () => {
        await tasks.cleanup();
        db.close();
      },
    };
  },

  /** What an agent of the official SDK has by default: nothing is kept. */
  async 'A2A SDK, memory'() {
    const store = new InMemoryTaskStore();
    const context = new ServerCallContext({});
    return wholeValues({
      get: (id) => store.load(id, context),
      put: (task) => store.save(task, context),
      close: async () => {},
    });
  },

  /** In memory, saved whole: a save is awaited for each change, so that an acknowledged one is kept. */
  async TinyBase(name) {
    const store = createTinyStore();
    const persister = createIndexedDbPersister(store, name);
    await persister.load();
    const put = async (task) => {
      store.setCell('tasks', task.id, 'json', JSON.stringify(task));
      await persister.save();
    };
    return wholeValues({
      get: async (id) => JSON.parse(store.getCell('tasks', id, 'json')),
      put,
      bulk: async (tasks) => {
        store.transaction(() => {
          for (const task of tasks) store.setCell('tasks', task.id, 'json', JSON.stringify(task));
        });
        await persister.save();
      },
      close: () => persister.destroy(),
    });
  },
};
