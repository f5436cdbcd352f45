import { describe, expect, it } from 'vitest';
import { openTaskStore } from '../../src/index.browser.ts';
import { testTaskStore } from '../../src/testing.ts';

testTaskStore(
  { describe, expect, it },
  {
    name: 'IndexedDB',
    open: (name, options) => openTaskStore({ name, ...options }),
    cleanUp: async (name) => {
      indexedDB.deleteDatabase(name);
    },
  },
);
