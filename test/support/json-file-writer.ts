/**
 * A process that writes to a store until it is killed: several callers side by side, each with tasks of its own. Every
 * acknowledged change is said aloud, `<task> <number>`, before the next is begun. Arguments: path, durability, round.
 */
import { writeSync } from 'node:fs';
import type { Durability } from '../../src/backends/backend.ts';
import { jsonFile } from '../../src/backends/json-file.ts';
import { openTaskStore } from '../../src/json-file.ts';

const CALLERS = 8;

const [path = '', durability = 'strict', round = '0'] = process.argv.slice(2);
// Small enough for the file to be written anew nearly all the time.
const backend = jsonFile({ foldFrom: 32 * 1024, foldAt: 32 * 1024 });
const store = await openTaskStore({ path, durability: durability as Durability, backend });
writeSync(1, 'open\n');
await Promise.all(Array.from({ length: CALLERS }, (_, caller) => call(caller)));

async function call(caller: number): Promise<void> {
  for (let n = 0; ; n++) {
    // Some tasks live through all rounds and grow long, others are new in each.
    const id = n % 3 === 0 ? `kept-${caller}` : `${round}-${caller}-${n % 7}`;
    const text = `${round} ${caller} ${n}`;
    const message = { role: 'user' as const, parts: [{ type: 'text' as const, text }] };
    await store.upsertTask({ id, message }, { historyLength: 0 });
    writeSync(1, `${id}\t${text}\n`);
    // Two messages and a part: all of them or none.
    const pair = ['a', 'b'].map((half) => ({
      ...message,
      parts: [{ type: 'text' as const, text: `${text} ${half}` }],
    }));
    const artifactsUpdates = [{ index: n % 2, parts: message.parts }];
    await store.updateTask(id, { newMessages: pair, artifactsUpdates }, { historyLength: 0, includeArtifacts: false });
    writeSync(1, `${id}\t${text} a\n${id}\t${text} b\n`);
    if (n % 50 === 49) await new Promise((resolve) => setTimeout(resolve));
  }
}
