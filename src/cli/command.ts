/** What a command of `holdfast` is: its options, its help, and what it does. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { Terminal } from './terminal.ts';

type Options = NonNullable<ParseArgsConfig['options']>;
type Values<O extends Options> = ReturnType<typeof parseArgs<{ options: O; allowPositionals: true }>>['values'];

/** The exit status: all is well; something was found wrong or failed; the command was not understood. */
export const exit = { ok: 0, problems: 1, usage: 2 } as const;
export type ExitStatus = (typeof exit)[keyof typeof exit];

interface CommandSpec<O extends Options> {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What stands in `holdfast <name> …`, and below it: options and examples. */
  readonly usage: string;
  readonly help: string;
  readonly options: O;
  /** How many arguments there may be beside the options. */
  readonly arguments: readonly [least: number, most: number];
  run(
    input: { readonly values: Values<O>; readonly positionals: readonly string[] },
    terminal: Terminal,
  ): Promise<ExitStatus>;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly help: string;
  /** @throws UsageError */
  run(args: readonly string[], terminal: Terminal): Promise<ExitStatus>;
}

/** The command was not understood, or one of its arguments cannot be used. */
export class UsageError extends Error {}

export function defineCommand<const O extends Options>(spec: CommandSpec<O>): Command {
  const { name, summary, usage, options } = spec;
  const [least, most] = spec.arguments;
  return {
    name,
    summary,
    help: `holdfast ${name}${usage && ` ${usage}`}\n\n${summary}\n\n${spec.help.replace(/^\n+|\n+$/g, '')}\n`,
    async run(args, terminal) {
      const { values, positionals } = parse(args, options);
      if (positionals.length < least) throw new UsageError(`expected: holdfast ${name} ${usage}`);
      if (positionals.length > most) throw new UsageError(`unexpected argument ${JSON.stringify(positionals[most])}`);
      return spec.run({ values, positionals }, terminal);
    },
  };
}

function parse<const O extends Options>(args: readonly string[], options: O) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true as const });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** A count given as text. @throws UsageError */
export function toCount(option: string, text: string | undefined, { least }: { least: number }): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(count) && count >= least) return count;
  throw new UsageError(`--${option} ${JSON.stringify(text)}: expected a whole number of ${least} or more`);
}
