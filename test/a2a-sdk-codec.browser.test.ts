/** The same tests where there is no Buffer of Node. */
import './a2a-sdk-codec.test.ts';
import { expect, test } from 'vitest';

test('there is no Buffer here', () => {
  expect('Buffer' in globalThis).toBe(false);
});
