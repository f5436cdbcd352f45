import type { TaskState } from '../../core/task.ts';
import { defineCommand, exit, UsageError } from '../command.ts';
import { jsonHelp, jsonOption, storeHelp, storeOption, withStore } from '../store-file.ts';
import { toNumber } from '../terminal.ts';

export const prune = defineCommand({
  name: 'prune',
  summary: 'Deletes old finished tasks; never one that is not finished or has changes that a remote has not got.',
  usage: '--older-than <age> [options]',
  help: `
      --older-than age only tasks last changed so long ago (30d, 12h, 15m), or before a time (2026-01-31)
${storeHelp}
      --state state    only tasks in this finished state; may be given several times (default: every finished state)
${jsonHelp}

Examples
  holdfast prune --older-than 30d
  holdfast prune --older-than 2026-01-01 --state failed --state canceled
`,
  options: {
    ...storeOption,
    ...jsonOption,
    'older-than': { type: 'string' },
    state: { type: 'string', multiple: true },
  },
  arguments: [0, 0],
  run({ values }, terminal) {
    const olderThan = toTime(values['older-than']);
    return withStore(values.store, async (store) => {
      const pruned = await store.prune({ olderThan, states: values.state as TaskState[] | undefined });
      if (values.json) terminal.printJson({ pruned, olderThan: olderThan.toISOString() });
      else terminal.print(`${toNumber(pruned)} tasks deleted, last changed before ${olderThan.toISOString()}`);
      return exit.ok;
    });
  },
});

const units: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000 };

function toTime(text: string | undefined): Date {
  const [, count, unit = ''] = /^(\d+)([dhm])$/.exec(text ?? '') ?? [];
  // A bare number would be taken for a year, 3000 for one that everything is older than.
  const day = /^\d{4}-\d\d-\d\d/.exec(text ?? '')?.[0];
  // A day that its month does not have would be taken for one of the next.
  const isTime = day !== undefined && new Date(day).toJSON()?.startsWith(day);
  const time = isTime ? new Date(text ?? '') : new Date(Date.now() - Number(count) * (units[unit] ?? 0));
  if (Number.isNaN(time.getTime()))
    throw new UsageError('--older-than: expected an age (30d, 12h, 15m) or a time (2026-01-31)');
  return time;
}
