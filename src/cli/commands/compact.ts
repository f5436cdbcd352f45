import { statSync } from 'node:fs';
import { defineCommand, exit } from '../command.ts';
import { jsonHelp, jsonOption, storeHelp, storeOption, withStore } from '../store-file.ts';
import { toSize } from '../terminal.ts';

export const compact = defineCommand({
  name: 'compact',
  summary: 'Folds the journal into the store file, so that the file alone is complete.',
  usage: '[options]',
  help: `
A store does this by itself when its journal has outgrown it, and whenever it is closed; after a crash this does it at once.

${storeHelp}
${jsonHelp}

Examples
  holdfast compact --store tasks.json && cp tasks.json backup.json
`,
  options: { ...storeOption, ...jsonOption },
  arguments: [0, 0],
  async run({ values: { store: path, json } }, terminal) {
    const before = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    // Closing folds the journal in.
    await withStore(path, async () => {});
    const after = statSync(path).size;
    if (json) terminal.printJson({ store: path, before, after });
    else terminal.print(`${path}: ${toSize(before)} before, ${toSize(after)} now`);
    return exit.ok;
  },
});
