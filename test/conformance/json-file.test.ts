import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Durability } from '../../src/backends/backend.ts';
import { openTaskStore } from '../../src/json-file.ts';
import { testTaskStore } from '../../src/testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const durability of ['strict', 'relaxed'] satisfies Durability[]) {
  testTaskStore(
    { describe, expect, it },
    {
      name: `JSON file, ${durability}`,
      open: (place, options) =>
        // On a busy machine 50 MB take longer than a call may take by default.
        openTaskStore({ path: join(folder, durability, `${place}.json`), durability, timeoutMs: 60_000, ...options }),
    },
  );
}
