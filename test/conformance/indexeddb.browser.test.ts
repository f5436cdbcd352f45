import { describe, expect, it } from 'vitest';
import { openTaskStore } from '../../src/index.browser.ts';
import { testTaskStore } from '../../src/testing.ts';

testTaskStore(
  { describe, expect, it },
  {
    name: 'IndexedDB',
    // On a busy machine 50 MB take longer than a call may take by default.
    open: (name, options) => openTaskStore({ name, timeoutMs: 60_000, ...options }),
    cleanUp: async (name) => {
      indexedDB.deleteDatabase(name);
    },
  },
);
