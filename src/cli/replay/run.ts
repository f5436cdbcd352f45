/** Recorded agent runs: a file each, a line an operation. */
import { createReadStream, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { TaskSendParams, UpdateTaskParams } from '../../core/task.ts';
import { linesOf } from '../../transfer.ts';
import { UsageError } from '../command.ts';

export interface Run {
  readonly name: string;
  lines(): AsyncIterable<string> | Iterable<string>;
}

/** A user's turn, or what the agent did; the arguments are checked by the store that gets them. */
export type Step = { readonly upsert: TaskSendParams } | { readonly update: UpdateTaskParams };

/** Every `.ndjson` file of a folder, by name. @throws UsageError where there is none */
export function runsIn(folder: string): Run[] {
  const runs = namesIn(folder)
    .filter((name) => name.endsWith('.ndjson'))
    .sort()
    .map((name) => toRun(join(folder, name)));
  if (runs.length === 0) throw new UsageError(`no .ndjson files in ${folder}`);
  return runs;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const reasons: Readonly<Record<string, string>> = { ENOENT: 'there is none', ENOTDIR: 'it is a file' };
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new UsageError(`cannot read the folder ${folder}: ${reasons[code] ?? message}`);
  }
}

function toRun(file: string): Run {
  return {
    name: basename(file),
    lines: () => linesOf(createReadStream(file)) as AsyncIterable<string>,
  };
}

/** @throws Error that says what is wrong with the line */
export function parseStep(line: string): Step {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new Error(`not JSON: ${(error as Error).message}`);
  }
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  const [key, ...others] = keys;
  if ((key !== 'upsert' && key !== 'update') || others.length > 0) {
    throw new Error('expected {"upsert": TaskSendParams} or {"update": UpdateTaskParams}');
  }
  return value as Step;
}
