/** How far campaigns go: short in `npm test`, long in `npm run test:long`. */
const isLong = (import.meta as { env?: Record<string, string> }).env?.HOLDFAST_LONG === '1';

export function scaled(short: number, long: number): number {
  return isLong ? long : short;
}

/** A seed for fast-check, printed so that a failure can be repeated; `HOLDFAST_SEED` names one. */
export function seeded(what: string): { seed: number } {
  const named = (import.meta as { env?: Record<string, string> }).env?.HOLDFAST_SEED;
  const seed = named ? Number(named) : Math.floor(Math.random() * 2 ** 31);
  console.log(`${what}: seed ${seed}`);
  return { seed };
}
