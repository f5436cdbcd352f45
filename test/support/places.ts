/** Folders of their own for tests that write files. */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

/** A new folder, removed when the test that asked for it ends; with `afterAll`, when its file of tests does. */
export function newFolder(atEnd: (remove: () => Promise<void>) => void = onTestFinished): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-'));
  atEnd(() => removeWithPatience(folder));
  return folder;
}

/**
 * What a browser that was killed leaves running may still make files. Node's own retries are for the folder alone, and leave
 * those in it.
 */
async function removeWithPatience(folder: string): Promise<void> {
  for (let triesLeft = 50; ; triesLeft--) {
    try {
      return await rm(folder, { recursive: true, force: true });
    } catch (error) {
      if (triesLeft === 0) throw error;
      await delay(100);
    }
  }
}
