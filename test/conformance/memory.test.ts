import { describe, expect, it } from 'vitest';
import { openTaskStore } from '../../src/memory.ts';
import { testTaskStore } from '../../src/testing.ts';

testTaskStore(
  { describe, expect, it },
  { name: 'memory', open: (name, options) => openTaskStore({ name, ...options }) },
);
