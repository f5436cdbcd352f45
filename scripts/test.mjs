/**
 * `npm test`: everything that must hold; what can fail soonest comes first, two side by side. `--long`: the long campaigns of
 * the same tests, in Node and Chromium. Prints the count of tests last, in a form that a machine reads too: `N passed, N failed`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';

const long = process.argv.includes('--long');
const report = `test-results/${long ? 'long' : 'tests'}.json`;

/** Answers whether it went well. */
function run(command, env = {}) {
  console.log(`\n> ${command}`);
  const { status } = spawnSync(command, { shell: true, stdio: 'inherit', env: { ...process.env, ...env } });
  return status === 0;
}

/** As `run`, beside others: what the command says is printed in one piece when it has ended. */
async function runBeside(command) {
  const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
  }
  const status = await new Promise((resolve) => child.once('close', resolve));
  console.log(`\n> ${command}\n${said}`);
  return status === 0;
}

/** The scripts one after the other, up to the first that fails. */
async function npm(...scripts) {
  for (const script of scripts) if (!(await runBeside(`npm run --silent ${script}`))) return false;
  return true;
}

const ready = long ? [npm('build')] : [npm('lint', 'types'), npm('build', 'size', 'pkg')];
if ((await Promise.all(ready)).includes(false)) process.exit(1);

mkdirSync('test-results', { recursive: true });
rmSync(report, { force: true });
const vitest = `vitest run --reporter=default --reporter=json --outputFile.json=${report}`;
const ok = long
  ? run(`${vitest} --project node --project small-limits --project chromium`, { HOLDFAST_LONG: '1' })
  : run(vitest);
const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8'));
console.log(`\n${numPassedTests} passed, ${numFailedTests} failed`);
process.exit(ok ? 0 : 1);
