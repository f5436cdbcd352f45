import { describe, expect, it } from 'vitest';
import { openTaskStore } from '../../src/index.browser.ts';
import { testTaskStore } from '../../src/testing.ts';

testTaskStore(
  { describe, expect, it },
  { name: 'fake-indexeddb', open: (name, options) => openTaskStore({ name, backend: 'indexeddb', ...options }) },
);
