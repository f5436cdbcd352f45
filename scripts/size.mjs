/**
 * What each entry weighs in a user's bundle: built by esbuild as a bundler would, minified, gzipped. Fails where one is
 * over its budget in `size-budgets.json` (kB of 1,000 bytes); names those that are not built. `--json` prints the
 * figures for machines.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (file) => JSON.parse(readFileSync(root + file, 'utf8'));
const { exports } = read('package.json');

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
  });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

/** The entries of Holdfast that `code` imports and the build has not made. */
function unbuilt(code) {
  const imported = [...code.matchAll(/from 'holdfast(\/[\w-]+)?'/g)].map(([, path = '']) => `.${path}`);
  return imported.filter((entry) => {
    const conditions = exports[entry];
    const file = conditions?.browser ?? conditions?.default;
    return file === undefined || !existsSync(root + file);
  });
}

async function measure({ name, code, onTopOf, external, limit }) {
  const missing = unbuilt(code);
  if (missing.length > 0) return { name, limit, missing, ok: true };
  const bytes = (await weigh(code, external)) - (onTopOf ? await weigh(onTopOf, external) : 0);
  return { name, kB: bytes / 1000, limit, ok: bytes <= limit * 1000 };
}

function line({ name, kB, limit, ok, missing }) {
  if (missing) return `none        of ${limit} kB  ${name}: ${missing.join(', ')} is not built`;
  return `${ok ? ' ok ' : 'OVER'}  ${kB.toFixed(2).padStart(6)} kB of ${limit} kB  ${name}`;
}

const rows = [];
for (const budget of read('size-budgets.json')) rows.push(await measure(budget));
console.log(process.argv.includes('--json') ? JSON.stringify(rows) : rows.map(line).join('\n'));
if (rows.some(({ ok }) => !ok)) process.exitCode = 1;
