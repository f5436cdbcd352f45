/**
 * `npm test`: everything that must hold, in order of how soon it can fail. `--long`: the long campaigns of the same tests,
 * in Node and Chromium. Prints the count of tests last, in a form that a machine reads too: `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';

const long = process.argv.includes('--long');
const report = `test-results/${long ? 'long' : 'tests'}.json`;

function run(command, env = {}) {
  console.log(`\n> ${command}`);
  const { status } = spawnSync(command, { shell: true, stdio: 'inherit', env: { ...process.env, ...env } });
  return status === 0;
}

function npm(...scripts) {
  for (const script of scripts) if (!run(`npm run --silent ${script}`)) process.exit(1);
}

if (!long) npm('lint', 'types');
npm('build');
if (!long) npm('size', 'pkg');

mkdirSync('test-results', { recursive: true });
rmSync(report, { force: true });
const vitest = `vitest run --reporter=default --reporter=json --outputFile.json=${report}`;
const ok = long ? run(`${vitest} --project node --project chromium`, { HOLDFAST_LONG: '1' }) : run(vitest);
const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8'));
console.log(`\n${numPassedTests} passed, ${numFailedTests} failed`);
process.exit(ok ? 0 : 1);
