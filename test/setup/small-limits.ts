/**
 * The IndexedDB backend with limits so small that what takes a busy day in a browser (folding while others write, sealing,
 * forgetting, writes of many records) happens in every round of a test. Only numbers are replaced, as the sources are
 * loaded; what is tested is the code itself.
 */
import { readFileSync } from 'node:fs';
import type { Plugin } from 'vite';

const directory = 'src/backends/indexeddb/';

/** By file and name, what a constant is instead. */
const limits: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'view.ts': {
    MAX_WEIGHT: '30_000',
    TASK_WEIGHT: '100',
    SOFT_LIMIT: '{ records: 6, length: 6_000 }',
    HARD_LIMIT: '{ records: 40, length: 100_000 }',
  },
  'fold.ts': { SLICE: '2' },
  'replica.ts': { CALM_MS: '5', RECORD_LENGTH: '2_000', MAX_NAMES: '6' },
  'write-queue.ts': { IDLE_MS: '4', LONGEST_WAIT_MS: '60', TELL_MS: '3' },
  'known-task.ts': {
    INLINE_ITEMS: '3',
    SEGMENT_ITEMS: '8',
    FULL_ITEMS: '5',
  },
  'deadline.ts': { GRACE_MS: '20' },
};

export function smallLimits(): Plugin {
  return {
    name: 'small-limits',
    enforce: 'pre',
    // A file that was renamed is never loaded: its limits would stay as they are, and nobody would know.
    configResolved({ root }) {
      for (const file of Object.keys(limits))
        withSmallLimits(readFileSync(`${root}/${directory}${file}`, 'utf8'), file);
    },
    transform(code, id) {
      const [path = ''] = id.split('?');
      const [, file] = path.split(directory);
      return file && limits[file] ? { code: withSmallLimits(code, file), map: null } : undefined;
    },
  };
}

function withSmallLimits(source: string, file: string): string {
  return Object.entries(limits[file] ?? {}).reduce((code, [name, value]) => {
    const [before, after, ...more] = code.split(new RegExp(`\\bconst ${name} = [^;]*;`));
    if (after === undefined || more.length > 0) throw new Error(`${directory}${file} must have one constant ${name}`);
    return `${before}const ${name} = ${value};${after}`;
  }, source);
}
