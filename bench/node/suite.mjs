import { readFileSync } from 'node:fs';
import { a2aRows } from './a2a-rows.mjs';
import { fileRows } from './file-rows.mjs';
import { memoryRows } from './memory-rows.mjs';
import { openingRows } from './opening-rows.mjs';
import { remoteRows } from './remote-rows.mjs';
import { runRows } from './run-rows.mjs';
import { scaleRows } from './scale-rows.mjs';

/** Everything measured in Node. */
export async function suite(options) {
  const { dependencies } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return {
    versions: dependencies,
    rows: [memoryRows, fileRows, runRows, openingRows, scaleRows, a2aRows, remoteRows].flatMap((rowsOf) =>
      rowsOf(options),
    ),
  };
}
