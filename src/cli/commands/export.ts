import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { defineCommand, exit } from '../command.ts';
import { assertNoStore, storeHelp, storeOption, withStoreToRead } from '../store-file.ts';
import { toNumber } from '../terminal.ts';

export const exportCommand = defineCommand({
  name: 'export',
  summary: 'Writes every task as a line of JSON, for "import"; also while another process holds the store.',
  usage: '[file] [options]',
  help: `
Without a file, to standard output. A file that is there is replaced, unless it is a store.

${storeHelp}
      --caller id      only this caller's tasks (default: everybody's)

Examples
  holdfast export backup.ndjson
  holdfast export --caller ann | gzip > ann.ndjson.gz
`,
  options: { ...storeOption, caller: { type: 'string' } },
  arguments: [0, 1],
  run({ values, positionals: [file] }, terminal) {
    if (file !== undefined) assertNoStore(file);
    return withStoreToRead(values.store, async (store) => {
      let tasks = 0;
      const progress = terminal.progress(() => `${toNumber(tasks)} tasks exported`);
      async function* lines() {
        for await (const line of store.exportTasks({ callerId: values.caller })) {
          tasks++;
          progress.tick();
          yield line;
        }
      }
      if (file === undefined) for await (const line of lines()) await terminal.write(line);
      else await pipeline(lines, createWriteStream(file));
      progress.end();
      terminal.note(`${toNumber(tasks)} tasks exported`);
      return exit.ok;
    });
  },
});
