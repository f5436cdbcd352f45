import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { dts } from 'rollup-plugin-dts';
import esbuild from 'rollup-plugin-esbuild';

const { dependencies, peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const packages = Object.keys({ ...dependencies, ...peerDependencies });
const external = new RegExp(`^(node:|(${packages.join('|')})(/|$))`);

const entries = ['memory', 'indexeddb', 'json-file', 'testing', 'elkar', 'server', 'task-manager', 'sync', 'a2a'];
const named = (names) => Object.fromEntries(names.map((name) => [name, `src/${name}.ts`]));

/** What an earlier build left must not be published. Just before the first write, so that others miss it but shortly. */
const clean = { name: 'clean', generateBundle: () => rmSync('dist', { recursive: true, force: true }) };
const executable = {
  name: 'executable',
  writeBundle: () => existsSync('dist/cli/main.js') && chmodSync('dist/cli/main.js', 0o755),
};

export default [
  {
    input: { ...named(['index.browser', 'index.node', ...entries]), 'cli/main': 'src/cli/main.ts' },
    external,
    plugins: [esbuild({ target: 'es2022' }), clean, executable],
    // A module a file: all entries share one graph, so that no class exists twice, and a user's bundler can leave out what
    // is not used.
    output: { dir: 'dist', format: 'es', sourcemap: true, preserveModules: true, hoistTransitiveImports: false },
  },
  {
    input: named(['index', ...entries]),
    external,
    plugins: [dts({ tsconfig: 'tsconfig.json' })],
    output: {
      dir: 'dist',
      format: 'es',
      chunkFileNames: 'types/[name]-[hash].d.ts',
      // `await using` is in the types whatever a user's own `lib` is.
      banner: '/// <reference lib="esnext.disposable" />',
    },
  },
].map((config) => ({
  ...config,
  input: Object.fromEntries(Object.entries(config.input).filter(([, file]) => existsSync(file))),
}));
