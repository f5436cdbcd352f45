/**
 * Holds the rules of the code base against its own sources and its build: who may import whom, what may be named where,
 * that loading does nothing, and that the build offers what the sources do.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { exportedNames, findCycle, reachable, readEntries, readSources, root } from './support/architecture.ts';
import { hostRules, layers } from './support/architecture-rules.ts';
import { webContext } from './support/web-context.ts';

const sources = readSources();
const paths = new Set(sources.map(({ path }) => path));
const entries = readEntries();
const entryNames = [...new Set(entries.map(({ name }) => name))];
/** Entries that a browser's bundler picks: those not under the condition `node`. */
const browserEntries = [
  ...new Set(entries.filter(({ condition }) => ['browser', 'default'].includes(condition)).map(({ name }) => name)),
];
const layered = layers(entryNames.map((name) => `${name}.ts`));
const layerOf = (path: string) => layered.find(({ files }) => files.test(path));

describe('imports', () => {
  it('are read from the sources of every layer', () => {
    const found = new Set(sources.map(({ path }) => layerOf(path)?.name));
    // These come with their entries, and then they must be found.
    const awaited = ['sync', 'a2a'].filter((name) => !entryNames.includes(name));
    const missing = layered.map(({ name }) => name).filter((name) => !found.has(name) && !awaited.includes(name));
    expect(missing).toEqual([]);
    expect(sources.flatMap(({ imports }) => imports).length).toBeGreaterThan(100);
    expect(entryNames).toEqual(expect.arrayContaining(['index', 'index.browser', 'index.node', 'memory']));
    expect(browserEntries).toEqual(expect.arrayContaining(['index.browser', 'memory', 'indexeddb']));
  });

  it('have a rule for every source', () => {
    expect(sources.filter(({ path }) => !layerOf(path)).map(({ path }) => path)).toEqual([]);
  });

  it('name a source, with its extension, or a package', () => {
    const broken = eachImport(({ to, relative }) => (relative ? !paths.has(to) : to === '(computed)'));
    // A command may load what its user names.
    expect(broken.filter((line) => !line.startsWith('cli/'))).toEqual([]);
  });

  it('point down', () => {
    expect(eachImport(({ to, relative }, layer) => relative && !layer.mayImport.test(to))).toEqual([]);
  });

  it('of packages and built-ins stay where these belong', () => {
    const normal = (to: string) => (isBuiltin(to) && !to.startsWith('node:') ? `node:${to}` : to);
    expect(eachImport(({ to, relative }, layer) => !relative && !layer.packages?.test(normal(to)))).toEqual([]);
  });

  // Of those that exist at run time: two files may name each other's types, as an interface and its parts often do.
  it('have no cycle', () => {
    expect(findCycle(sources)).toEqual([]);
  });

  it('lead from no browser entry to Node', () => {
    const files = browserEntries.map((name) => `${name}.ts`);
    const found = [...reachable(sources, files)];
    expect(found).toEqual(expect.arrayContaining(['core/reduce.ts', 'local-task-store.ts', 'backends/memory.ts']));
    expect(found.filter((path) => isBuiltin(path) || /^(cli\/|backends\/json-file)/.test(path))).toEqual([]);
  });
});

function eachImport(
  isWrong: (found: (typeof sources)[0]['imports'][0], layer: (typeof layered)[0]) => boolean,
): string[] {
  return sources.flatMap(({ path, imports }) => {
    const layer = layerOf(path);
    return layer ? imports.filter((found) => isWrong(found, layer)).map(({ to }) => `${path} imports ${to}`) : [];
  });
}

describe('sources', () => {
  it.each(hostRules)('name $what only in $onlyIn', ({ names, onlyIn }) => {
    const wrong = sources
      .filter(({ path }) => !onlyIn.test(path))
      .flatMap(({ path, hostNames }) =>
        [...hostNames].filter((name) => names.test(name)).map((name) => `${path}: ${name}`),
      );
    expect(wrong).toEqual([]);
  });

  it('are seen to name what the host offers', () => {
    const named = new Set(sources.flatMap(({ hostNames }) => [...hostNames]));
    expect(named).toContain('Promise');
    expect(named).toContain('crypto');
    expect(named).not.toContain('TaskStoreError');
  });

  it('hold nothing but declarations at their top level', () => {
    const wrong = sources
      .filter(({ path }) => path !== 'cli/main.ts')
      .flatMap(({ path, statements }) => statements.map((text) => `${path}: ${text}`));
    expect(wrong).toEqual([]);
  });
});

describe('the build', () => {
  it('has been made, of every entry', () => {
    const files = entryNames.flatMap((name) => [`dist/${name}.d.ts`, `dist/${name}.js`]).filter(isBuilt);
    expect(
      files.filter((file) => !existsSync(root + file)),
      'run `npm run build` first',
    ).toEqual([]);
  });

  it.each(browserEntries)('%s does nothing when it is loaded', async (name) => {
    await importUntouched(pathToFileURL(`${root}dist/${name}.js`).href);
  });

  it('would be caught doing something when it is loaded', async () => {
    for (const code of ['globalThis.indexedDB', 'typeof process', 'console', 'Date.now()', 'Math.random()']) {
      const loading = importUntouched(`data:text/javascript,${code}`);
      await expect(loading, code).rejects.toThrow('while the module was loaded');
    }
  });

  it('offers the values that the sources offer', async () => {
    const names = entryNames.filter((name) => name !== 'index');
    const ofSources = await exportedValues(names.map((name) => `src/${name}.ts`));
    const ofBuild = await exportedValues(names.map((name) => `dist/${name}.js`));
    expect(ofSources.flat().length).toBeGreaterThan(names.length);
    expect(named(names, ofBuild)).toEqual(named(names, ofSources));
  });

  it('offers the names that the sources offer, types included', () => {
    const names = entryNames.filter((name) => !name.startsWith('index.'));
    const ofSources = exportedNames(names.map((name) => `src/${name}.ts`));
    const ofBuild = exportedNames(names.map((name) => `dist/${name}.d.ts`));
    expect([...ofSources.values()].every((exported) => exported.length > 0)).toBe(true);
    expect(named(names, [...ofBuild.values()])).toEqual(named(names, [...ofSources.values()]));
  });

  // Where it is not exported, TypeScript refuses to declare a user's function that returns it (TS2742, TS4023).
  it('exports every interface and class that its types name', () => {
    const files = entryNames.map((name) => `dist/${name}.d.ts`).filter((file) => existsSync(root + file));
    const exported = new Set([...exportedNames(files).values()].flat());
    const declared = readdirSync(`${root}dist`, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.d.ts'))
      .flatMap((file) => [
        ...readFileSync(`${root}dist/${file}`, 'utf8').matchAll(/^(?:interface|declare class) (\w+)/gm),
      ])
      .map(([, name = '']) => name);
    expect(declared).toEqual(expect.arrayContaining(['TaskStore', 'OpenOptions', 'ElkarTransportOptions']));
    expect(declared.filter((name) => !exported.has(name))).toEqual([]);
  });

  it('has what the benchmarks measure of its inside', async () => {
    const entryPoints = [
      'browser/page.js',
      'node/suite.mjs',
      'node/open-child.mjs',
      'node/compaction-child.mjs',
      'node/appends-child.mjs',
    ];
    const { warnings } = await build({
      entryPoints: entryPoints.map((file) => `${root}bench/${file}`),
      bundle: true,
      write: false,
      outdir: 'bench',
      format: 'esm',
      platform: 'node',
      packages: 'external',
    });
    expect(warnings).toEqual([]);
  });

  it('offers the same under `holdfast` everywhere', async () => {
    const files = ['src/index.ts', 'src/index.browser.ts', 'src/index.node.ts'];
    const [types, ...ofHosts] = [...exportedNames(files).values()];
    expect(types).toEqual(expect.arrayContaining(['openTaskStore', 'TaskStore', 'TaskStoreError']));
    expect(ofHosts).toEqual([types, types]);
    const [values, ...valuesOfHosts] = await exportedValues(files);
    expect(valuesOfHosts).toEqual([values, values]);
  });

  it.each(['memory', 'indexeddb'])('keeps tasks in a browser, with nothing of Node there: %s', async (backend) => {
    const run = webContext();
    const { foreign } = await run<{ foreign: string[] }>(`
      const ofNode = ['process', 'Buffer', 'global', 'require', 'module', 'setImmediate', '__dirname'];
      export const foreign = ofNode.filter((name) => name in globalThis);`);
    expect(foreign).toEqual([]);
    await run(`import 'fake-indexeddb/auto';`);
    const { kept } = await run<{ kept: Promise<object> }>(keepATask(backend));
    const texts = ['Hello', 'again'];
    expect(await kept).toEqual({ backend, state: 'working', texts, listed: 1, code: 'TASK_NOT_FOUND' });
  });
});

/** Writes, streams to, reads and lists a task through the public API, and asks for one that is not there. */
const keepATask = (backend: string) => `
  import { openTaskStore } from 'holdfast';
  const says = (text) => ({ role: 'agent', parts: [{ type: 'text', text }] });
  async function keep() {
    const store = await openTaskStore({ backend: '${backend}' });
    await store.upsertTask({ id: 'a', message: says('Hello') });
    await store.updateTask('a', { status: { state: 'working' }, newMessages: [says('again')] });
    const { task } = await store.getTask('a');
    const { tasks } = await store.listTasks();
    const code = await store.updateTask('none', {}).then(() => 'none', (error) => error.code);
    await store.close();
    const texts = task.history.map(({ parts }) => parts[0].text);
    return { backend: store.backend.kind, state: task.status.state, texts, listed: tasks.length, code };
  }
  export const kept = keep();`;

/** All but two kinds: `index` exists for its types alone, and these serve `index.browser` and `index.node` too. */
function isBuilt(file: string): boolean {
  return !/^dist\/index(\.js|\..+\.d\.ts)$/.test(file);
}

async function importUntouched(url: string): Promise<void> {
  await promisify(execFile)(process.execPath, [`${root}test/support/import-untouched.mjs`, url]);
}

/** What of each file's exports exists at run time, sorted. */
async function exportedValues(files: readonly string[]): Promise<string[][]> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [...files],
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    packages: 'external',
    platform: 'node',
    outdir: 'unused',
  });
  const outputs = Object.values(metafile.outputs);
  return files.map((file) => (outputs.find(({ entryPoint }) => entryPoint === file)?.exports ?? []).sort());
}

function named(names: readonly string[], exported: readonly string[][]): Record<string, string[]> {
  return Object.fromEntries(names.map((name, index) => [name, exported[index] ?? []]));
}
