/**
 * `import-untouched.mjs <url>`: imports a module where every name that is not the language's own (timers, storage, fetch,
 * crypto, `process`, …) throws when it is so much as looked at, and so do the clock and randomness.
 */
import { runInNewContext } from 'node:vm';

const { argv, exit, stderr } = process;

// Not all of these are in Node, but all are in some browser.
const browserNames = [
  ...[
    'window',
    'document',
    'location',
    'indexedDB',
    'localStorage',
    'sessionStorage',
    'caches',
    'WebSocket',
    'EventSource',
  ],
  ...['BroadcastChannel', 'SharedWorker', 'Worker', 'addEventListener', 'requestIdleCallback', 'IDBKeyRange'],
];
const ofLanguage = new Set(runInNewContext('Object.getOwnPropertyNames(globalThis)'));
const names = new Set([...Object.getOwnPropertyNames(globalThis), ...browserNames, 'navigator', 'crypto', 'console']);

// Node fetches some of them when they are first touched, and needs others of them for that.
for (const name of names) void globalThis[name];

function forbid(object, name, label) {
  const get = () => {
    throw new Error(`${label} was looked at while the module was loaded`);
  };
  Object.defineProperty(object, name, { get, configurable: true });
}

for (const name of names) if (!ofLanguage.has(name) || name === 'console') forbid(globalThis, name, name);
forbid(Date, 'now', 'Date.now');
forbid(Math, 'random', 'Math.random');

try {
  await import(argv[2]);
} catch (error) {
  stderr.write(`${error.stack}\n`);
  exit(1);
}
