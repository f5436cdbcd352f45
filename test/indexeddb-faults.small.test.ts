/** Several contexts on a database that fails, with limits so small that all that is rare happens (`small-limits`). */
import { it } from 'vitest';
import type { Fault } from './support/indexeddb-faults.ts';
import { runRound } from './support/indexeddb-round.ts';
import { randomOf, scaled, seeded } from './support/long.ts';

const cutOff: Fault[] = ['abort', 'close'];
const ends: Fault[] = ['unseenEnd', 'lateEnd'];
const noEnds: Fault[] = ['noEnd', 'silentAbort'];

const campaigns: [what: string, faults: Fault[], rounds: number][] = [
  ['connections are lost and transactions aborted', cutOff, scaled(5, 90)],
  ['ends are not seen, or late', [...cutOff, ...ends], scaled(5, 90)],
  ['the disk is full', [...cutOff, ...ends, 'fullDisk'], scaled(5, 90)],
  ['ends never come', noEnds, scaled(3, 90)],
  ['all of that happens', [...cutOff, ...ends, ...noEnds, 'fullDisk'], scaled(2, 60)],
];

it.each(campaigns)('nothing is lost, doubled or reordered where %s', async (what, faults, rounds) => {
  const { seed } = seeded(what);
  const random = randomOf(seed);
  // That of the first round is the one that can be named.
  const seeds = Array.from({ length: rounds }, (_, round) => (round === 0 ? seed : Math.floor(random() * 2 ** 31)));
  for (const seed of seeds) {
    try {
      await runRound(seed, faults);
    } catch (error) {
      console.log(`${what}: failed, HOLDFAST_SEED=${seed} begins with this round`);
      throw error;
    }
  }
});
