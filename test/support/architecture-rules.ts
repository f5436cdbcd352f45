/** Who may import whom. The first layer whose `files` match a source is its own; a source that none matches breaks the rules. */
export interface Layer {
  readonly name: string;
  readonly files: RegExp;
  /** Paths under `src` that it may import; its own are listed too. */
  readonly mayImport: RegExp;
  /** Packages and built-ins that it may import. @default none */
  readonly packages?: RegExp;
}

const anything = /./;
const builtIns = 'node:.+';

/** What adapters see of the store: its interface, its port and the published schemas. Never how it is made. */
const contracts = '(task-store|store-port|schemas|environment)\\.ts';

function adapter(folder: string, packages?: RegExp, more = '(?!)'): Layer {
  const mayImport = new RegExp(`^(core/.+|${contracts}|${folder}/.+|${more})$`);
  return { name: folder, files: new RegExp(`^${folder}/`), mayImport, ...(packages && { packages }) };
}

/** `entries`: the paths of the entry files, which put the parts together and may import all of them. */
export function layers(entries: readonly string[]): Layer[] {
  const isEntry = new RegExp(`^(${[...entries, 'public.ts'].map((path) => path.replaceAll('.', '\\.')).join('|')})$`);
  const facade = `(?!${isEntry.source.slice(1)})[^/]+`;
  const facadeMayImport = `core/.+|${facade}|backends/(backend|notices)\\.ts`;
  return [
    { name: 'entries', files: isEntry, mayImport: anything },
    { name: 'core', files: /^core\//, mayImport: /^core\// },
    {
      name: 'the JSON file backend',
      files: /^backends\/json-file/,
      mayImport: /^(core|backends)\//,
      packages: new RegExp(`^(lowdb(/.+)?|${builtIns})$`),
    },
    {
      name: 'the IndexedDB backend',
      files: /^backends\/indexeddb/,
      mayImport: /^(core|backends)\//,
      packages: /^idb$/,
    },
    { name: 'backends', files: /^backends\//, mayImport: /^(core|backends)\// },
    {
      name: 'opening a store',
      files: /^open-task-store\.ts$/,
      mayImport: new RegExp(`^(${facadeMayImport}|backends/memory\\.ts)$`),
    },
    { name: 'schemas', files: /^schemas\.ts$/, mayImport: /^core\//, packages: /^zod\/mini$/ },
    { name: 'facade', files: new RegExp(`^${facade}$`), mayImport: new RegExp(`^(${facadeMayImport})$`) },
    adapter('elkar', /^(zod\/mini|hono(\/.+)?)$/),
    // How Elkar writes a task, and how requests reach it, is the same for who mirrors a store there.
    adapter('sync', /^zod\/mini$/, 'elkar/(wire[^/]*|transport)\\.ts'),
    adapter('task-manager', /^(zod\/mini|hono(\/.+)?)$/),
    adapter('a2a', /^(zod\/mini|@a2a-js\/sdk(\/.+)?)$/),
    adapter('testing', undefined, 'open-task-store\\.ts'),
    {
      name: 'cli',
      files: /^cli\//,
      mayImport: anything,
      packages: new RegExp(`^(zod/mini|hono(/.+)?|@hono/node-server(/.+)?|${builtIns})$`),
    },
  ];
}

export interface HostRule {
  readonly what: string;
  readonly names: RegExp;
  /** The sources that may use these names. */
  readonly onlyIn: RegExp;
}

/**
 * What only some places offer, and where alone it may be named. To ask whether it is there is free to all, through
 * `globalThis`: that works everywhere.
 */
export const hostRules: readonly HostRule[] = [
  {
    what: 'the globals of Node',
    names: /^(Buffer|process|global|require|module|exports|__dirname|__filename|setImmediate|clearImmediate|NodeJS)$/,
    onlyIn: /^(backends\/json-file|cli\/)/,
  },
  { what: 'IndexedDB', names: /^(indexedDB|IDB[A-Z]\w*)$/, onlyIn: /^backends\/indexeddb/ },
];
