import { createReadStream, existsSync, statSync } from 'node:fs';
import { openTaskStore } from '../../json-file.ts';
import { defineCommand, exit, UsageError } from '../command.ts';
import { isStore, jsonHelp, jsonOption, storeHelp, storeOption, useStore } from '../store-file.ts';
import { toNumber, toSize } from '../terminal.ts';

export const importCommand = defineCommand({
  name: 'import',
  summary: 'Takes in the lines that "export" wrote; the store is made where there is none.',
  usage: '<file> [options]',
  help: `
The file "-" is standard input. A line that holds no task is reported with its number; the others are taken in all the same.

${storeHelp}
      --replace        replace tasks that are there already (default: they stay)
${jsonHelp}

Examples
  holdfast import backup.ndjson --store new.json
  gunzip -c ann.ndjson.gz | holdfast import - --replace
`,
  options: { ...storeOption, ...jsonOption, replace: { type: 'boolean' } },
  arguments: [1, 1],
  async run({ values, positionals: [file = ''] }, terminal) {
    // Before a store is made for it.
    if (file !== '-' && !existsSync(file)) throw new UsageError(`no file ${file}`);
    if (file !== '-' && statSync(file).isDirectory()) throw new UsageError(`${file} is a folder`);
    // Of its lines one or the other would be taken for an exported task.
    if (file !== '-' && isStore(file))
      throw new UsageError(`${file} is a store: holdfast export --store ${file} | holdfast import -`);
    return useStore(await openTaskStore({ path: values.store }), async (store) => {
      let bytes = 0;
      const progress = terminal.progress(() => `${toSize(bytes)} read`);
      async function* pieces() {
        for await (const piece of file === '-' ? process.stdin : createReadStream(file)) {
          bytes += piece.length;
          progress.tick();
          yield piece as Buffer;
        }
      }
      const result = await store.importTasks(pieces(), { onConflict: values.replace ? 'replace' : 'skip' });
      progress.end();
      const { imported, skipped } = result;
      const failed = result.failed.map(({ line, error: { code, message } }) => ({ file, line, code, message }));
      for (const { line, message } of failed) terminal.note(`${file}:${line}: ${message}`);
      if (values.json) terminal.printJson({ imported, skipped, failed });
      else {
        const counts = `${toNumber(imported)} imported, ${toNumber(skipped)} there already`;
        terminal.print(`${counts}, ${toNumber(failed.length)} lines not understood`);
      }
      return failed.length > 0 ? exit.problems : exit.ok;
    });
  },
});
