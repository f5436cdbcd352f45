/** What each store weighs in a user's bundle, doing no more than open, put and get: minified and gzipped. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const bench = fileURLToPath(new URL('.', import.meta.url));

const peers = {
  idb: "import { openDB } from 'idb'; const db = await openDB('x', 1, { upgrade: (d) => d.createObjectStore('t') }); await db.put('t', 1, 'a'); await db.get('t', 'a');",
  'idb-keyval': "import { get, set } from 'idb-keyval'; await set('a', 1); await get('a');",
  Dexie:
    "import { Dexie } from 'dexie'; const db = new Dexie('x'); db.version(1).stores({ t: 'id' }); await db.table('t').put({ id: 'a' }); await db.table('t').get('a');",
  RxDB: "import { createRxDatabase } from 'rxdb'; import { getRxStorageDexie } from 'rxdb/plugins/storage-dexie'; const db = await createRxDatabase({ name: 'x', storage: getRxStorageDexie() }); const { t } = await db.addCollections({ t: { schema: { version: 0, primaryKey: 'id', type: 'object', properties: { id: { type: 'string', maxLength: 100 } } } } }); await t.upsert({ id: 'a' }); await t.findOne('a').exec();",
  PouchDB: "import PouchDB from 'pouchdb'; const db = new PouchDB('x'); await db.put({ _id: 'a' }); await db.get('a');",
  localForage: "import lf from 'localforage'; await lf.setItem('a', 1); await lf.getItem('a');",
  unstorage:
    "import { createStorage } from 'unstorage'; import driver from 'unstorage/drivers/indexedb'; const s = createStorage({ driver: driver({}) }); await s.setItem('a', 1); await s.getItem('a');",
  TinyBase:
    "import { createStore } from 'tinybase'; import { createIndexedDbPersister } from 'tinybase/persisters/persister-indexed-db'; const s = createStore(); const p = createIndexedDbPersister(s, 'x'); await p.startAutoLoad(); await p.startAutoSave(); s.setCell('t', 'a', 'v', 1); s.getRow('t', 'a');",
  'TanStack DB (nothing stored)':
    "import { createCollection, localOnlyCollectionOptions } from '@tanstack/db'; const c = createCollection(localOnlyCollectionOptions({ getKey: (t) => t.id })); c.insert({ id: 'a' }); c.get('a');",
  'A2A SDK, memory':
    "import { InMemoryTaskStore, ServerCallContext } from '@a2a-js/sdk/server'; const s = new InMemoryTaskStore(); const c = new ServerCallContext({}); await s.save({ id: 'a' }, c); await s.load('a', c);",
};

async function weigh(contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: bench },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
    define: { global: 'globalThis' },
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length / 1000;
}

export async function suite() {
  const own = () =>
    JSON.parse(execFileSync(process.execPath, ['scripts/size.mjs', '--json'], { cwd: root, encoding: 'utf8' }));
  const entries = own();
  const row = (id, title, contestants, goals = []) => ({ id, title, unit: 'kB', rounds: 1, contestants, goals });
  return {
    rows: [
      row(
        'entries',
        'Entries of Holdfast, minified and gzipped',
        Object.fromEntries(entries.map(({ name, kB }) => [name, async () => kB])),
        entries.map(({ name, goal }) => ({ of: name, atMost: goal })),
      ),
      row('peers', 'Open, put, get: the whole browser bundle', {
        'Holdfast (IndexedDB)': async () => entries[0].kB,
        'Holdfast (memory)': async () => entries[1].kB,
        ...Object.fromEntries(Object.entries(peers).map(([name, code]) => [name, () => weigh(code)])),
      }),
    ],
  };
}
