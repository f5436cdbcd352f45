/**
 * What each entry weighs in a user's bundle: built by esbuild as a bundler would, minified, gzipped. Fails where one is
 * over its budget in `size-budgets.json` (kB of 1,000 bytes; a `goal` is what is still to be reached). `--json` prints the
 * figures for machines.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (file) => JSON.parse(readFileSync(root + file, 'utf8'));

/** Bytes of a program that uses `code`, its imports from `holdfast/…` resolved to the build as an installed package's. */
async function weigh(code, external = []) {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: root },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    conditions: ['browser'],
    target: 'es2022',
    external,
    // Without the project's own paths, which lead to the sources.
    tsconfigRaw: {},
    logLevel: 'error',
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

async function measure({ name, code, onTopOf, external, limit, goal = limit }) {
  const bytes = (await weigh(code, external)) - (onTopOf ? await weigh(onTopOf, external) : 0);
  return { name, kB: bytes / 1000, limit, goal, ok: bytes <= limit * 1000 };
}

function line({ name, kB, limit, goal, ok }) {
  const aim = goal < limit ? ` (goal ${goal} kB)` : '';
  return `${ok ? ' ok ' : 'OVER'}  ${kB.toFixed(2).padStart(6)} kB of ${limit} kB  ${name}${aim}`;
}

const rows = [];
for (const budget of read('size-budgets.json')) rows.push(await measure(budget));
console.log(process.argv.includes('--json') ? JSON.stringify(rows) : rows.map(line).join('\n'));
if (rows.some(({ ok }) => !ok)) process.exitCode = 1;
