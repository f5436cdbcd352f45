import { describe, expect, it } from 'vitest';
import { openTaskStore } from '../../src/index.browser.ts';
import { testTaskStore } from '../../src/testing.ts';

testTaskStore(
  { describe, expect, it },
  {
    name: 'fake-indexeddb',
    open: (name, options) => openTaskStore({ name, backend: 'indexeddb', ...options }),
    // Through the same code to a real database, in `indexeddb.browser.test.ts`.
    hugeMessages: false,
  },
);
