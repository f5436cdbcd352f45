/** Real Chromium, its profile on disk: the page's bundle is served from 127.0.0.1, measurements are called from here. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright';
import { launchOptions } from '../../scripts/find-browser.mjs';
import { keptByName } from './killed.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));

async function bundlePage() {
  const { outputFiles } = await build({
    entryPoints: [`${here}page.js`],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    define: { global: 'globalThis', 'process.env.NODE_ENV': '"production"' },
    alias: { holdfast: fileURLToPath(new URL('../../dist/index.browser.js', import.meta.url)) },
  });
  return outputFiles[0].text;
}

async function servePage(script) {
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? script : '<!doctype html><script type="module" src="/page.js"></script>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

export async function suite({ quick }) {
  const script = await bundlePage();
  const { url, close } = await servePage(script);
  const profile = fileURLToPath(new URL(`../results/tmp/profile-${process.pid}`, import.meta.url));
  mkdirSync(profile, { recursive: true });
  const context = await chromium.launchPersistentContext(profile, await launchOptions());
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error('page:', error.message));
  await page.goto(url);
  await page.waitForFunction(() => 'openTime' in globalThis);
  const { dependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return {
    versions: {
      Chromium: context.browser()?.version() ?? (await page.evaluate(() => navigator.userAgent)),
      ...dependencies,
    },
    rows: [...rows(page, quick), killedRow(() => servePage(script), `${profile}-killed`)],
    close: async () => {
      await context.close();
      close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

const whole = [
  'bare idb',
  'Dexie',
  'RxDB',
  'PouchDB',
  'localForage',
  'idb-keyval',
  'unstorage',
  'TanStack DB',
  'TinyBase',
];
const smallRows = ['bare small row', 'bare small row, ended at once'];
const inMemory = 'all tasks in memory';

function killedRow(serve, profile) {
  const names = ['Holdfast', ...whole];
  let kept;
  return {
    id: 'idb-killed',
    title: 'Left after Chromium was killed in the middle of a write and started twice',
    unit: '%',
    rounds: 1,
    contestants: Object.fromEntries(
      names.map((name) => [
        name,
        async () => {
          kept ??= keptByName(names, serve, profile);
          return (await kept).get(name);
        },
      ]),
    ),
    goals: [{ of: 'Holdfast', atLeast: 100 }],
  };
}

function rows(page, quick) {
  const n = quick ? 0.2 : 1;
  const call = (work, name, options) => () =>
    page.evaluate(([w, who, how]) => globalThis.measure(w, who, how), [work, name, options]);
  const each = (work, names, options) => Object.fromEntries(names.map((name) => [name, call(work, name, options)]));
  const goal = (against, atLeast, of = 'Holdfast') => ({ of, against, atLeast });
  const ahead = (names) => names.map((name) => goal(name, 1));
  const filled = quick ? 2_000 : 10_000;
  /** Filled when it is first asked for. */
  const places = new Map();
  const place = (name, count) => {
    const where = `filled-${name.replaceAll(' ', '-')}-${count}`;
    if (!places.has(where)) {
      const args = [name, where, count];
      places.set(
        where,
        page.evaluate((given) => globalThis.fillFor(...given), args),
      );
    }
    return places.get(where).then(() => where);
  };
  const open = (name) => async () =>
    page.evaluate((args) => globalThis.openTime(...args), [name, await place(name, filled)]);
  const appendsBeside = (count, tasks) => async () =>
    page.evaluate((args) => globalThis.appendsIn(...args), ['Holdfast', await place('Holdfast', tasks), count]);
  const bytes = (name) => () => page.evaluate(([who, count]) => globalThis.bytesOf(who, count), [name, 2_000 * n]);
  const few = { count: quick ? 20 : 100 };
  const cost = (what, count) => () => page.evaluate(([of, times]) => globalThis.costOf(of, times), [what, count]);
  const sizes = quick ? [10, 1_000] : [10, 100, 1_000, 10_000, 100_000];
  const scale = (what, where, appends) => ({
    id: `idb-scale-${what}`,
    title: `IndexedDB: append, awaited, against the number of ${what} ${where}`,
    unit: 'µs',
    scale: true,
    contestants: Object.fromEntries(
      sizes.map((size) => {
        const measured = appends(size);
        return [String(size), async () => 1e6 / (await measured())];
      }),
    ),
    goals: [{ of: String(sizes.at(-1)), against: String(sizes[0]), atMost: 1.3 }],
  });

  return [
    {
      id: 'idb-creates',
      title: '1,000 creates of 2 KB, each awaited',
      unit: 'ops/s',
      contestants: {
        ...each('creates', ['Holdfast', ...whole.slice(0, -1)], { count: 1_000 * n }),
        ...each('creates', ['TinyBase'], few),
      },
      goals: [goal('bare idb', 1.2), goal('Dexie', 1.7), goal('RxDB', 3), ...ahead(whole.slice(3))],
    },
    {
      id: 'idb-bulk',
      title: `${filled.toLocaleString('en-US')} tasks in one call`,
      unit: 'ops/s',
      contestants: each('bulk', ['Holdfast', 'bare idb', 'Dexie', 'RxDB', 'PouchDB', 'TanStack DB'], { count: filled }),
      goals: [goal('bare idb', 1), goal('Dexie', 1.4)],
    },
    {
      id: 'idb-bulk-closed',
      title: `${filled.toLocaleString('en-US')} tasks in one call, and the store closed: what is put off is done by then`,
      unit: 'ops/s',
      contestants: each('bulkAndClose', ['Holdfast', 'bare idb', 'Dexie', 'RxDB'], { count: filled }),
      goals: [],
    },
    {
      id: 'idb-creates-at-once',
      title: '1,000 creates at once',
      unit: 'ops/s',
      contestants: each('createsAtOnce', ['Holdfast', ...whole.slice(0, -1)], { count: 1_000 * n }),
      goals: [goal('bare idb', 4.5), goal('RxDB', 15), ...whole.slice(1, -1).map((name) => goal(name, 3.5))],
    },
    {
      id: 'idb-appends',
      title: '2,000 appends to one task, each awaited',
      unit: 'ops/s',
      contestants: {
        ...each('appends', ['Holdfast', ...smallRows, 'bare idb', 'Dexie', 'localForage', 'idb-keyval'], {
          count: 2_000 * n,
        }),
        ...each('appends', ['A2A SDK, memory'], { count: 2_000 * n }),
        ...each('appends', ['RxDB', 'PouchDB', 'unstorage', 'TanStack DB', 'TinyBase'], { ...few, from: 1_000 * n }),
      },
      notes: {
        'A2A SDK, memory': 'keeps nothing',
        ...Object.fromEntries(smallRows.map((name) => [name, 'a message by itself, safe from nobody'])),
      },
      goals: [...whole.map((name) => goal(name, 8)), goal('A2A SDK, memory', 3)],
    },
    {
      id: 'idb-bytes',
      title: 'Written for 2,000 appends to one task',
      unit: 'MB',
      contestants: { Holdfast: bytes('Holdfast'), 'bare idb': bytes('bare idb') },
      rounds: 1,
      goals: [{ of: 'Holdfast', against: 'bare idb', atMost: 1 / 15 }],
    },
    {
      id: 'idb-append-long',
      title: 'Append, awaited, to a task of so many messages',
      unit: 'ops/s',
      contestants: {
        ...Object.fromEntries(
          (quick ? [10, 1_000] : [10, 1_000, 5_000, 50_000]).map((from) => [
            `Holdfast, ${from}`,
            call('appends', 'Holdfast', { count: 500 * n, from }),
          ]),
        ),
        ...Object.fromEntries(
          whole.map((name) => [`${name}, 5000`, call('appends', name, { count: 20, from: quick ? 1_000 : 5_000 })]),
        ),
      },
      goals: [
        goal('Holdfast, 10', 1 / 1.15, quick ? 'Holdfast, 1000' : 'Holdfast, 50000'),
        ...whole.map((name) => goal(`${name}, 5000`, 20, quick ? 'Holdfast, 1000' : 'Holdfast, 5000')),
      ],
    },
    {
      id: 'idb-append-beside',
      title: `Append, awaited, beside ${filled.toLocaleString('en-US')} tasks, and in an empty store`,
      unit: 'ops/s',
      contestants: {
        'Holdfast, full': call('appends', 'Holdfast', { count: 500 * n, filled }),
        'Holdfast, empty': call('appends', 'Holdfast', { count: 500 * n }),
      },
      goals: [goal('Holdfast, empty', 1 / 1.3, 'Holdfast, full')],
    },
    {
      id: 'idb-appends-at-once',
      title: '2,000 appends, not awaited one by one',
      unit: 'ops/s',
      contestants: {
        'Holdfast, at once': call('appendsAtOnce', 'Holdfast', { count: 2_000 * n }),
        'Holdfast, awaited': call('appends', 'Holdfast', { count: 1_000 * n }),
      },
      goals: [goal('Holdfast, awaited', 10, 'Holdfast, at once')],
    },
    {
      id: 'idb-history',
      title: 'Read a history of 1,000 messages',
      unit: 'ops/s',
      contestants: {
        Holdfast: call('history', 'Holdfast', { ...few, from: 1_000 }),
        'one record': call('wholeRecord', 'bare idb', { ...few, from: 1_000 }),
      },
      goals: [goal('one record', 1 / 1.1)],
    },
    {
      id: 'idb-gets',
      title: 'Gets, one after the other',
      unit: 'ops/s',
      contestants: each('gets', ['Holdfast', 'bare idb', 'Dexie', 'idb-keyval', 'localForage'], { count: 2_000 * n }),
      notes: { Holdfast: 'asks now and then whether what it has in memory is as it was' },
      goals: [goal('bare idb', 1.2)],
    },
    {
      id: 'idb-gets-at-once',
      title: '5,000 gets at once',
      unit: 'ops/s',
      contestants: each('getsAtOnce', ['Holdfast', 'bare idb', 'Dexie', 'idb-keyval', 'localForage'], {
        count: 5_000 * n,
      }),
      goals: [goal('bare idb', 2.5)],
    },
    {
      id: 'idb-newest',
      title: `Newest 50 of ${filled.toLocaleString('en-US')} by state, again and again, from a store just opened`,
      unit: 'ops/s',
      contestants: {
        ...each('newest', ['Holdfast', 'bare idb', 'Dexie'], { count: 100 * n, reopened: filled }),
        ...each('newest', ['localForage', 'idb-keyval', 'unstorage'], { count: 2, reopened: filled }),
        ...each('newest', ['TanStack DB'], { count: 20, reopened: filled }),
      },
      notes: { Holdfast: 'keeps what it has read', 'bare idb': 'a cursor', 'TanStack DB': inMemory },
      goals: [
        goal('bare idb', 3.5),
        goal('Dexie', 1.1),
        goal('localForage', 150),
        goal('idb-keyval', 150),
        goal('unstorage', 150),
      ],
    },
    {
      id: 'idb-newest-live',
      title: `A message to one of ${filled.toLocaleString('en-US')} tasks, then the newest 50 by state`,
      unit: 'ops/s',
      contestants: each('newestLive', ['Holdfast', 'bare idb', 'Dexie'], { count: 100 * n, reopened: filled }),
      notes: { 'bare idb': 'a cursor' },
      goals: [goal('bare idb', 1), goal('Dexie', 1)],
    },
    {
      id: 'idb-open',
      title: `Open with ${filled.toLocaleString('en-US')} tasks, to the first answer`,
      unit: 'ms',
      contestants: Object.fromEntries(
        ['Holdfast', 'bare idb', 'Dexie', 'RxDB', 'TanStack DB', 'TinyBase'].map((name) => [name, open(name)]),
      ),
      notes: { 'TanStack DB': inMemory, TinyBase: inMemory },
      goals: [
        { of: 'Holdfast', against: 'bare idb', atMost: 1.1 },
        { of: 'Holdfast', against: 'TanStack DB', atMost: 1 / 7 },
      ],
    },
    {
      id: 'idb-cost-validation',
      title: 'Checking and copying a change of 300 bytes, beside its append',
      unit: 'µs',
      contestants: { checking: cost('validation', 2_000), append: cost('append', 500 * n) },
      goals: [{ of: 'checking', against: 'append', atMost: 0.15 }],
    },
    {
      id: 'idb-cost-told',
      title: 'An append, as a multiple of one without',
      unit: '×',
      contestants: {
        'telling other tabs': cost('notice', 2_000 * n),
        'a listener that has left': cost('listener', 2_000 * n),
      },
      goals: [
        { of: 'telling other tabs', atMost: 1.1 },
        { of: 'a listener that has left', atMost: 1.05 },
      ],
    },
    scale('messages', 'in the task', (from) => call('appends', 'Holdfast', { count: 500 * n, from })),
    scale('tasks', 'in the store', (beside) => appendsBeside(500 * n, beside)),
  ];
}
