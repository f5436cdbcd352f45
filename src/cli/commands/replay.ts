import { mkdtempSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ElkarClientStore } from '../../elkar.ts';
import { openTaskStore } from '../../json-file.ts';
import type { TaskStore } from '../../task-store.ts';
import { defineCommand, exit, UsageError } from '../command.ts';
import { type Comparison, compare } from '../replay/compare.ts';
import { Replay, type Replayed } from '../replay/replay-runs.ts';
import { type Run, runsIn } from '../replay/run.ts';
import { sampleRuns } from '../replay/sample-runs.ts';
import { jsonHelp, jsonOption } from '../store-file.ts';
import { type Terminal, toNumber, toSize, toTable } from '../terminal.ts';

export const replay = defineCommand({
  name: 'replay',
  summary: 'Replays recorded agent runs into a store, reads every task back, and compares.',
  usage: '[folder] [options]',
  help: `
The folder holds a .ndjson file a run, with a line an operation: {"upsert": TaskSendParams} for a user's turn,
{"update": UpdateTaskParams} for what the agent did to that task. Without a folder, a few small generated runs are used.
A line that cannot be replayed is reported with its file and number; the rest goes on. Tasks that are in the store already
are left alone. At last the store is closed, opened again, and every task compared with what was acknowledged.

  -s, --store path     the store file (default: a new one in the folder for temporary files)
      --url url        replay to an Elkar endpoint instead, such as http://127.0.0.1:8484/api
      --api-key key    with --url (default: the environment's HOLDFAST_API_KEY)
${jsonHelp}

Examples
  holdfast replay
  holdfast replay runs --store runs.json
  holdfast replay runs --url http://127.0.0.1:8484/api --api-key s3cret
`,
  options: {
    ...jsonOption,
    store: { type: 'string', short: 's' },
    url: { type: 'string' },
    'api-key': { type: 'string' },
  },
  arguments: [0, 1],
  async run({ values, positionals: [folder] }, terminal) {
    const { store: path, url } = values;
    if (path !== undefined && url !== undefined) throw new UsageError('either --store or --url, not both');
    const place = url === undefined ? fileAt(path) : remoteAt(url, values['api-key']);
    const report = await replayInto(place, folder === undefined ? sampleRuns() : runsIn(folder), terminal);
    if (values.json) terminal.printJson(toJson(report));
    else for (const line of toLines(report)) terminal.print(line);
    const failed = report.replayed.problems.length > 0 || report.compared.different.length > 0;
    return failed ? exit.problems : exit.ok;
  },
});

/** Where runs are replayed to. */
interface Place {
  readonly name: string;
  /** So many runs at a time: a file's writers share its syncs, a remote's are requests under way. */
  readonly atATime: number;
  open(): Promise<TaskStore>;
  size(): number | undefined;
}

interface Report {
  readonly place: Place;
  readonly replayed: Replayed;
  readonly compared: Comparison;
  readonly seconds: number;
}

function fileAt(path: string | undefined): Place {
  const file = path ?? join(mkdtempSync(join(tmpdir(), 'holdfast-')), 'runs.json');
  return {
    name: file,
    atATime: 64,
    open: () => openTaskStore({ path: file }),
    size: () => statSync(file, { throwIfNoEntry: false })?.size,
  };
}

function remoteAt(url: string, key: string | undefined): Place {
  const apiKey = key ?? process.env.HOLDFAST_API_KEY;
  if (!URL.canParse(url))
    throw new UsageError(`--url ${JSON.stringify(url)}: expected an address such as http://127.0.0.1:8484/api`);
  if (!apiKey) throw new UsageError('--url needs an --api-key, or HOLDFAST_API_KEY in the environment');
  return {
    name: url,
    atATime: 8,
    open: async () => new ElkarClientStore({ baseUrl: url, apiKey }),
    size: () => undefined,
  };
}

async function replayInto(place: Place, runs: readonly Run[], terminal: Terminal): Promise<Report> {
  const store = await place.open();
  const start = performance.now();
  const replaying = new Replay(store, () => progress.tick());
  const { result: replayed } = replaying;
  const progress = terminal.progress(
    () => `${toNumber(replayed.runs)} of ${toNumber(runs.length)} runs, ${toNumber(replayed.operations)} operations`,
  );
  try {
    await replaying.all(runs, place.atATime);
  } finally {
    progress.end();
    for (const { file, line, message } of replayed.problems) terminal.note(`${file}:${line}: ${message}`);
    await store.close();
  }
  const seconds = (performance.now() - start) / 1_000;
  return { place, replayed, compared: await compareReopened(place, replayed, terminal), seconds };
}

async function compareReopened(place: Place, { acknowledged }: Replayed, terminal: Terminal): Promise<Comparison> {
  const store = await place.open();
  let tasks = 0;
  const progress = terminal.progress(() => `${toNumber(tasks)} of ${toNumber(acknowledged.size)} tasks compared`);
  try {
    const compared = await compare(store, acknowledged, () => {
      tasks++;
      progress.tick();
    });
    for (const id of compared.different) terminal.note(`task ${JSON.stringify(id)} is not what was acknowledged`);
    return compared;
  } finally {
    progress.end();
    await store.close();
  }
}

function toLines({ place, replayed, compared, seconds }: Report): string[] {
  const size = place.size();
  const { acknowledged, problems, skipped } = replayed;
  const states = Object.entries(compared.states).sort(([, a], [, b]) => b - a);
  const rows: (string | number)[][] = [
    ['runs', replayed.runs],
    ['operations', replayed.operations],
    ['tasks', compared.tasks],
    ...states.map(([state, count]) => [`  ${state}`, count]),
    ['messages', compared.messages],
    ['artifact parts', compared.artifactParts],
    ...(size === undefined ? [] : [['file size', toSize(size)]]),
    ['operations a second', Math.round(replayed.operations / seconds)],
    ['lines not replayed', problems.length],
    ...(skipped.size > 0 ? [['tasks there before, left alone', skipped.size]] : []),
  ];
  const equal = acknowledged.size - compared.different.length;
  const verdict =
    acknowledged.size === 0
      ? 'nothing was replayed, so there is nothing to compare'
      : `${toNumber(equal)} of ${toNumber(acknowledged.size)} tasks equal what was acknowledged`;
  return [...toTable(rows), '', `Kept in ${place.name}. Closed and opened again: ${verdict}.`];
}

function toJson({ place, replayed, compared, seconds }: Report): unknown {
  const { runs, operations, problems, skipped } = replayed;
  const { tasks, states, messages, artifactParts, different } = compared;
  return {
    store: place.name,
    runs,
    operations,
    tasks,
    states,
    messages,
    artifactParts,
    ...(place.size() !== undefined && { fileSize: place.size() }),
    seconds: Number(seconds.toFixed(3)),
    operationsPerSecond: Math.round(operations / seconds),
    problems,
    skipped: [...skipped],
    different,
  };
}
