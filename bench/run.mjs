/**
 * `npm run bench [-- node | browser | size] [--quick]`: measures, prints, and writes `results/latest.json` with a page made
 * from it, `results/README.md`. The peers are installed into this folder when they are first needed.
 */
import { execSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine, measure } from './lib/measure.mjs';
import { writeReport } from './lib/report.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean' },
    only: { type: 'string' },
    'no-build': { type: 'boolean' },
    rounds: { type: 'string' },
  },
});
const bench = fileURLToPath(new URL('.', import.meta.url));
const groups = positionals.length > 0 ? positionals : ['node', 'browser', 'size'];
const options = { quick: values.quick === true };
const rounds = Number(values.rounds ?? (options.quick ? 1 : 5));

mkdirSync(`${bench}results/tmp`, { recursive: true });
if (!existsSync(`${bench}node_modules`)) execSync('npm ci', { cwd: bench, stdio: 'inherit' });
if (!values['no-build']) execSync('npm run --silent build', { cwd: `${bench}..`, stdio: 'inherit' });

const suites = { node: './node/suite.mjs', browser: './browser/suite.mjs', size: './size.mjs' };
const file = `${bench}results/latest.json`;
const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { groups: {} };
const results = { groups: before.groups, machine: machine() };

for (const group of groups) {
  if (!suites[group]) throw new Error(`No such group: ${group} (there are: ${Object.keys(suites).join(', ')})`);
  console.log(`\n# ${group}`);
  const { rows, versions, close } = await (await import(suites[group])).suite(options);
  const measured = [];
  for (const row of rows) {
    if (values.only && !row.id.includes(values.only)) continue;
    measured.push(await measure(row, { rounds, log: console.log }));
  }
  await close?.();
  const measuredAt = new Date().toISOString();
  if (!values.only) results.groups[group] = { ...options, measuredAt, versions, rows: measured };
}

if (!values.only) {
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  writeReport(results, `${bench}results`);
}
