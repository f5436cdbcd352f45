/// <reference types="vite/client" />
/** How far campaigns go: short in `npm test`, long in `npm run test:long`. */
const isLong = (ofProcess('HOLDFAST_LONG') ?? import.meta.env.HOLDFAST_LONG) === '1';

/** In browsers there is no process; what they are told is written into the code (see `vitest.config.ts`). */
function ofProcess(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.[name];
}

export function scaled(short: number, long: number): number {
  return isLong ? long : short;
}

/** A seed for fast-check, printed so that a failure can be repeated; `HOLDFAST_SEED` names one. */
export function seeded(what: string): { seed: number } {
  const named = ofProcess('HOLDFAST_SEED');
  const seed = named ? Number(named) : Math.floor(Math.random() * 2 ** 31);
  console.log(`${what}: seed ${seed}`);
  return { seed };
}

/** Numbers from 0 up to, but not including, 1; the same ones for the same seed. */
export function seededRandom(what: string): () => number {
  return randomOf(seeded(what).seed);
}

export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
