/** What work in Node needs besides: a folder on the disk, and the recorded agent runs where they are. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export * from './fixtures.mjs';

export function agentRuns() {
  const folder = fileURLToPath(new URL('../../../shared/agent-runs', import.meta.url));
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ndjson'))
    .map((name) =>
      readFileSync(join(folder, name), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    );
}

/** A folder on the disk of the project, since a temporary folder may lie in memory. */
export function scratch() {
  const folder = mkdtempSync(fileURLToPath(new URL('../results/tmp/run-', import.meta.url)));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
