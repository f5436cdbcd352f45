/**
 * What each entry weighs in a user's bundle: built by esbuild as a bundler would, minified, gzipped. Fails where one is
 * over its budget in `size-budgets.json` (kB of 1,000 bytes). `--json` prints the figures for machines.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const budgets = JSON.parse(readFileSync(new URL('../size-budgets.json', import.meta.url), 'utf8'));

/** Bytes of a program that uses `code`, its imports from `holdfast/…` resolved to the build as an installed package's. */
async function weigh(code, external = []) {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: root },
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    external,
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

const rows = [];
for (const { name, code, onTopOf, external, limit } of budgets) {
  const bytes = (await weigh(code, external)) - (onTopOf ? await weigh(onTopOf, external) : 0);
  rows.push({ name, kB: bytes / 1000, limit, ok: bytes <= limit * 1000 });
}
if (process.argv.includes('--json')) console.log(JSON.stringify(rows));
else {
  for (const { name, kB, limit, ok } of rows) {
    console.log(`${ok ? ' ok ' : 'OVER'}  ${kB.toFixed(2).padStart(6)} kB of ${limit} kB  ${name}`);
  }
}
if (rows.some(({ ok }) => !ok)) process.exit(1);
