import type { Part, StoredTask } from '../../core/task.ts';
import { defineCommand, exit, toCount, UsageError } from '../command.ts';
import { jsonHelp, jsonOption, storeHelp, storeOption, withStoreToRead } from '../store-file.ts';
import type { Terminal } from '../terminal.ts';
import { printable } from '../terminal.ts';

export const show = defineCommand({
  name: 'show',
  summary: 'Shows one task: its status, its history and its artifacts; also while another process holds the store.',
  usage: '<task> [options]',
  help: `
${storeHelp}
      --caller id      whose task it is (default: the caller without an id)
      --type type      incoming (default) or outgoing
      --history n      only the last n messages
${jsonHelp}

Examples
  holdfast show airline-0-0 --history 4
  holdfast show t1 --caller ann --json | jq '.task.artifacts'
`,
  options: {
    ...storeOption,
    ...jsonOption,
    caller: { type: 'string' },
    type: { type: 'string', default: 'incoming' },
    history: { type: 'string' },
  },
  arguments: [1, 1],
  run({ values, positionals: [id = ''] }, terminal) {
    const { store: path, caller, type } = values;
    if (type !== 'incoming' && type !== 'outgoing') throw new UsageError('--type: expected incoming or outgoing');
    const view = { callerId: caller, historyLength: toCount('history', values.history, { least: 0 }) };
    return withStoreToRead(path, async (store) => {
      const stored = await (type === 'incoming' ? store.getTask(id, view) : store.getTaskForClient(id, view));
      if (!stored) {
        const whose = caller === undefined ? 'the caller without an id' : `caller ${JSON.stringify(caller)}`;
        terminal.note(`holdfast show: ${whose} has no task ${JSON.stringify(id)}; "holdfast list" shows all tasks`);
        return exit.problems;
      }
      if (values.json) terminal.printJson(stored);
      else printTask(stored, terminal);
      return exit.ok;
    });
  },
});

function printTask(stored: StoredTask, terminal: Terminal): void {
  const { task, callerId, taskType, createdAt, updatedAt, agentUrl } = stored;
  const facts: [string, string | undefined][] = [
    ['task', task.id],
    ['caller', callerId],
    ['type', taskType],
    ['agent', agentUrl],
    ['session', task.sessionId],
    ['state', task.status.state],
    ['created', createdAt],
    ['updated', updatedAt],
    ['metadata', task.metadata && JSON.stringify(task.metadata)],
  ];
  for (const [name, value] of facts) if (value !== undefined) terminal.print(`${name.padEnd(9)} ${printable(value)}`);
  for (const message of task.history ?? []) printParts(message.role, message.parts, terminal);
  for (const { index, name, parts } of task.artifacts ?? []) {
    printParts(`artifact ${index}${name === undefined ? '' : ` ${printable(name)}`}`, withTextJoined(parts), terminal);
  }
}

function printParts(title: string, parts: readonly Part[], terminal: Terminal): void {
  terminal.print(`\n${title}`);
  for (const part of parts) terminal.print(`  ${printable(toText(part), { lines: true }).replaceAll('\n', '\n  ')}`);
}

/** A text that was streamed is one text again, not a line for each chunk. */
function withTextJoined(parts: readonly Part[]): Part[] {
  const joined: Part[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (part.type === 'text' && last?.type === 'text')
      joined[joined.length - 1] = { ...last, text: last.text + part.text };
    else joined.push(part);
  }
  return joined;
}

function toText(part: Part): string {
  if (part.type === 'text') return part.text;
  if (part.type === 'data') return JSON.stringify(part.data);
  const { name = 'file', mimeType = 'unknown type', uri, bytes = '' } = part.file;
  return `[${name}, ${mimeType}: ${uri ?? `${bytes.length} base64 characters`}]`;
}
