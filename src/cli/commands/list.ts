import type { TaskState } from '../../core/task.ts';
import type { TaskSummary } from '../../task-store.ts';
import { defineCommand, exit, toCount, UsageError } from '../command.ts';
import { jsonHelp, jsonOption, storeHelp, storeOption, withStoreToRead } from '../store-file.ts';
import { shorten, toTable } from '../terminal.ts';

export const list = defineCommand({
  name: 'list',
  summary: 'Lists tasks, those that changed last first; also while another process holds the store.',
  usage: '[options]',
  help: `
${storeHelp}
      --state state    only tasks in this state; may be given several times
      --caller id      only this caller's tasks (default: everybody's)
      --session id     only tasks of this session
      --type type      with --caller: incoming (default) or outgoing
      --limit n        at most so many (default: 50)
      --cursor cursor  go on where the list before ended
${jsonHelp}

Examples
  holdfast list
  holdfast list --state working --state input-required --limit 10
  holdfast list --caller ann --json | jq '.tasks[].id'
`,
  options: {
    ...storeOption,
    ...jsonOption,
    state: { type: 'string', multiple: true },
    caller: { type: 'string' },
    session: { type: 'string' },
    type: { type: 'string' },
    limit: { type: 'string' },
    cursor: { type: 'string' },
  },
  arguments: [0, 0],
  run({ values }, terminal) {
    const { store: path, state, caller, session, type, cursor } = values;
    // Everybody's tasks are those of both types.
    if (type !== undefined && caller === undefined) throw new UsageError('--type: expected only with --caller');
    const limit = toCount('limit', values.limit, { least: 1 });
    return withStoreToRead(path, async (store) => {
      // What is not a state, a type or a cursor is for the store to say.
      const page = await store.listTasks({
        ...(caller === undefined ? { allCallers: true } : { callerId: caller, taskType: type as 'incoming' }),
        state: state as TaskState[] | undefined,
        sessionId: session,
        limit,
        cursor,
      });
      if (values.json) terminal.printJson(page);
      else {
        for (const line of toTable([header, ...page.tasks.map(toRow)])) terminal.print(line);
        if (page.nextCursor) terminal.note(`There are more: --cursor '${page.nextCursor.replaceAll("'", '%27')}'`);
      }
      return exit.ok;
    });
  },
});

const header = ['TASK', 'CALLER', 'TYPE', 'STATE', 'MESSAGES', 'ARTIFACTS', 'UPDATED'];

function toRow({ id, callerId = '-', taskType, status, messageCount, artifactCount, updatedAt }: TaskSummary) {
  return [shorten(id, 60), shorten(callerId, 30), taskType, status.state, messageCount, artifactCount, updatedAt];
}
