import * as z from 'zod/mini';
import { TaskStoreError } from '../../core/errors.ts';
import { storedTaskSchema } from '../../schemas.ts';
import type { TaskStore, TaskSummary } from '../../task-store.ts';
import { defineCommand, exit } from '../command.ts';
import { jsonHelp, jsonOption, storeHelp, storeOption, withStoreToRead } from '../store-file.ts';
import { toNumber } from '../terminal.ts';

export const check = defineCommand({
  name: 'check',
  summary: 'Reads a whole store and says whether every task in it is sound; changes nothing.',
  usage: '[options]',
  help: `
Works while another process holds the store, too.

${storeHelp}
${jsonHelp}

Examples
  holdfast check --store tasks.json && echo sound
`,
  options: { ...storeOption, ...jsonOption },
  arguments: [0, 0],
  run({ values }, terminal) {
    return withStoreToRead(values.store, async (store) => {
      let tasks = 0;
      const problems: Problem[] = [];
      const progress = terminal.progress(() => `${toNumber(tasks)} tasks checked`);
      for await (const summary of everyTask(store)) {
        tasks++;
        progress.tick();
        problems.push(...(await problemsOf(summary, store)));
      }
      progress.end();
      for (const { task, caller, message } of problems) {
        terminal.note(
          `task ${JSON.stringify(task)}${caller === undefined ? '' : ` of ${JSON.stringify(caller)}`}: ${message}`,
        );
      }
      if (values.json) terminal.printJson({ store: values.store, tasks, problems });
      else terminal.print(`${values.store}: ${toNumber(tasks)} tasks, ${toNumber(problems.length)} problems`);
      return problems.length > 0 ? exit.problems : exit.ok;
    });
  },
});

interface Problem {
  readonly task: string;
  readonly caller?: string | undefined;
  readonly message: string;
}

async function* everyTask(store: TaskStore): AsyncGenerator<TaskSummary> {
  let cursor: string | undefined;
  do {
    const page = await store.listTasks({ allCallers: true, limit: 500, order: 'oldest', cursor });
    yield* page.tasks;
    cursor = page.nextCursor;
  } while (cursor !== undefined);
}

/** What is wrong with one task; a task that cannot be read does not keep the others from being looked at. */
async function problemsOf({ id, callerId, taskType }: TaskSummary, store: TaskStore): Promise<Problem[]> {
  const who = { task: id, caller: callerId };
  try {
    const read = taskType === 'incoming' ? store.getTask(id, { callerId }) : store.getTaskForClient(id, { callerId });
    const { error } = z.safeParse(storedTaskSchema, await read);
    return (error?.issues ?? []).map(({ path, message }) => ({ ...who, message: `${path.join('.')}: ${message}` }));
  } catch (error) {
    if (error instanceof TaskStoreError) return [{ ...who, message: `${error.message} (${error.code})` }];
    throw error;
  }
}
