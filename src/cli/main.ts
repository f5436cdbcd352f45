#!/usr/bin/env node
/** `npx holdfast …`: finds the command, runs it, and says in a line what went wrong. */
import { readFileSync } from 'node:fs';
import { TaskStoreError } from '../core/errors.ts';
import { type Command, type ExitStatus, exit, UsageError } from './command.ts';
import { check } from './commands/check.ts';
import { compact } from './commands/compact.ts';
import { exportCommand } from './commands/export.ts';
import { importCommand } from './commands/import.ts';
import { list } from './commands/list.ts';
import { prune } from './commands/prune.ts';
import { replay } from './commands/replay.ts';
import { serve } from './commands/serve.ts';
import { show } from './commands/show.ts';
import { Terminal, toTable } from './terminal.ts';

const commands: readonly Command[] = [replay, serve, list, show, exportCommand, importCommand, prune, compact, check];

const help = `holdfast <command> [options]

Keeps the tasks of AI agents in a file.

${toTable(commands.map(({ name, summary }) => [`  ${name}`, summary])).join('\n')}

Every command has --help, with examples; those that answer have --json. Stores are files: --store path, by default
holdfast.json in the working directory. Exit status: 0 all is well, 1 something is wrong, 2 the command was not understood.

Examples
  holdfast replay                          keep a small generated agent run, read it back, compare
  holdfast serve --store tasks.json        an Elkar endpoint on port 8484
  holdfast list --store tasks.json --state working
`;

async function main([name = '', ...args]: readonly string[], terminal: Terminal): Promise<ExitStatus> {
  if (['--help', '-h', 'help'].includes(name)) return say(help, terminal);
  if (['--version', '-v'].includes(name)) return say(version(), terminal);
  const command = commands.find((known) => known.name === name);
  try {
    if (!command) throw new UsageError(name ? `no command ${JSON.stringify(name)}` : 'expected a command');
    if (asksForHelp(args)) return say(command.help, terminal);
    return await command.run(args, terminal);
  } catch (error) {
    terminal.note(`holdfast${command ? ` ${command.name}` : ''}: ${describe(error)}`);
    if (!(error instanceof UsageError)) return exit.problems;
    terminal.note(`See: holdfast ${command ? `${command.name} ` : ''}--help`);
    return exit.usage;
  }
}

/** After `--` no word is an option; a task may be called `-h`. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end < 0 ? undefined : end).some((word) => word === '--help' || word === '-h');
}

function say(text: string, terminal: Terminal): ExitStatus {
  terminal.print(text.trimEnd());
  return exit.ok;
}

function version(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;
}

/** Expected failures are a line; of a mistake of ours the stack is worth more. */
function describe(error: unknown): string {
  if (error instanceof TaskStoreError) return `${error.message} (${error.code})`;
  if (error instanceof UsageError || (error instanceof Error && 'syscall' in error)) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const args = process.argv.slice(2);
// `holdfast export | head` ends the pipe early, which is no failure. Other commands go on to their end, since there is more to
// them than the answer: a store to close, a status that says what was found, an endpoint to serve.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE' && args[0] !== 'export') return;
  if (error.code === 'EPIPE') process.exit(exit.ok);
  process.stderr.write(`holdfast: the answer cannot be written: ${error.message}\n`);
  process.exit(exit.problems);
});
// Where nobody reads remarks any more they are lost; `serve` goes on, and what is under way is finished.
process.stderr.on('error', () => {});
process.exitCode = await main(args, new Terminal(process.stdout, process.stderr));
