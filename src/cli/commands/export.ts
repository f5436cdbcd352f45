import { randomUUID } from 'node:crypto';
import { createWriteStream, realpathSync, renameSync, rmSync, statSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { defineCommand, exit } from '../command.ts';
import { assertNoStore, storeHelp, storeOption, withStoreToRead } from '../store-file.ts';
import { toNumber } from '../terminal.ts';

export const exportCommand = defineCommand({
  name: 'export',
  summary: 'Writes every task as a line of JSON, for "import"; also while another process holds the store.',
  usage: '[file] [options]',
  help: `
Without a file, or with "-", to standard output. A file that is there is replaced, unless it is a store.

${storeHelp}
      --caller id      only this caller's tasks (default: everybody's)

Examples
  holdfast export backup.ndjson
  holdfast export --caller ann | gzip > ann.ndjson.gz
`,
  options: { ...storeOption, caller: { type: 'string' } },
  arguments: [0, 1],
  run({ values, positionals: [name] }, terminal) {
    const file = name === '-' ? undefined : name;
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
      else await replace(file, (path, flush) => pipeline(lines, createWriteStream(path, { flush })));
      progress.end();
      terminal.note(`${toNumber(tasks)} tasks exported`);
      return exit.ok;
    });
  },
});

const endSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What is there stays until all of the new file is written. Pipes and devices, which have no disk, are written to as they are. */
async function replace(file: string, write: (path: string, flush: boolean) => Promise<void>): Promise<void> {
  const there = statSync(file, { throwIfNoEntry: false });
  if (there && !there.isFile()) return write(file, false);
  const path = there ? realpathSync(file) : file;
  // A name that is nobody else's: not another export's to the same file, nor a store's.
  const part = `${path}.${randomUUID()}.part`;
  const clear = () => rmSync(part, { force: true });
  // By then nobody listens any more, so that the signal ends the process as it would have without us.
  const leave = (signal: NodeJS.Signals) => {
    clear();
    process.kill(process.pid, signal);
  };
  for (const signal of endSignals) process.once(signal, leave);
  try {
    await write(part, true);
    renameSync(part, path);
  } finally {
    for (const signal of endSignals) process.off(signal, leave);
    clear();
  }
}
