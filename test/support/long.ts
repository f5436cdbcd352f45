/** How far campaigns go: short in `npm test`, long in `npm run test:long`. */
const isLong = variable('HOLDFAST_LONG') === '1';

/** Of the environment: in Node the process's, in browsers what the test server hands on. */
function variable(name: string): string | undefined {
  const { env } = import.meta as { env?: Record<string, string> };
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.[name] ?? env?.[name];
}

export function scaled(short: number, long: number): number {
  return isLong ? long : short;
}

/** A seed for fast-check, printed so that a failure can be repeated; `HOLDFAST_SEED` names one. */
export function seeded(what: string): { seed: number } {
  const named = variable('HOLDFAST_SEED');
  const seed = named ? Number(named) : Math.floor(Math.random() * 2 ** 31);
  console.log(`${what}: seed ${seed}`);
  return { seed };
}
