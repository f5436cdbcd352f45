/**
 * `count-tests.mjs <failed steps> <report>...`: adds up vitest's JSON reports and prints `N passed, N failed`. A missing
 * report counts as a failure, and so do failed steps where no single test is to blame (types, lint, a crash).
 */
import { existsSync, readFileSync } from 'node:fs';

const [failedSteps, ...reports] = process.argv.slice(2);
let passed = 0;
let failed = 0;
for (const report of reports) {
  const found = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : { success: false };
  passed += found.numPassedTests ?? 0;
  failed += found.numFailedTests || (found.success ? 0 : 1);
}
failed ||= Number(failedSteps);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
