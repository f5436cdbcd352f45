/**
 * `holdfast/testing`: the suite that every store of Holdfast passes, for those who write a backend of their own.
 *
 * @example
 * import { describe, expect, it } from 'vitest';
 * import { openTaskStore } from 'holdfast';
 * import { testTaskStore } from 'holdfast/testing';
 *
 * testTaskStore({ describe, expect, it }, {
 *   name: 'my backend',
 *   open: (place) => openTaskStore({ name: place, backend: myBackend() }),
 * });
 */
export { type Harness, hostileIds, type Runner, testTaskStore } from './testing/task-store-suite.ts';
