/** The recorded agent runs, where they are: real histories, each operation awaited. */
import { rate } from '../lib/measure.mjs';
import { agentRuns, scratch } from '../lib/work.mjs';
import { adapters } from './adapters.mjs';

/** What an operation adds to a history; for stores that keep nothing else. */
function messagesOf({ upsert, update }) {
  if (upsert) return [upsert.message];
  const { status, newMessages = [], artifactsUpdates = [] } = update;
  const said = status?.message ? [status.message, ...newMessages] : newMessages;
  return [...said, ...artifactsUpdates.map(({ parts }) => ({ role: 'agent', parts }))];
}

/** Every run as the calls that its operations come to. */
function callsOn(name, store) {
  return agentRuns().flatMap((steps) => {
    const { id, sessionId, message, metadata = {} } = steps[0].upsert;
    if (name.startsWith('Holdfast')) {
      return steps.map(({ upsert, update }) =>
        upsert ? () => store.store.upsertTask(upsert) : () => store.store.updateTask(id, update),
      );
    }
    const status = { state: 'working', timestamp: '2026-01-01T00:00:00.000Z' };
    const create = () => store.create({ id, sessionId, status, history: [message], metadata });
    const appends = steps.slice(1).map((step) => async () => {
      for (const item of messagesOf(step)) await store.append(id, textOnly(item));
    });
    return [create, ...appends];
  });
}

/** The peers' adapters know text alone. */
function textOnly({ role, parts }) {
  return { role, parts: parts.map((part) => ({ type: 'text', text: part.text ?? JSON.stringify(part) })) };
}

export function runRows() {
  if (agentRuns().length === 0) return [];
  const row = (id, title, names, goals) => ({
    id,
    title,
    unit: 'ops/s',
    contestants: Object.fromEntries(
      names.map((name) => [
        name,
        async () => {
          const { folder, remove } = scratch();
          const store = await adapters[name].open(folder);
          const calls = callsOn(name, store);
          const figure = await rate(calls.length, (i) => calls[i]());
          await store.close();
          remove();
          return figure;
        },
      ]),
    ),
    notes: Object.fromEntries(names.map((name) => [name, `survives: ${adapters[name].durable}`])),
    goals: names.slice(1).map((against) => ({ of: names[0], against, atLeast: goals })),
  });
  return [
    row(
      'runs-strict',
      '85 recorded agent runs, safe from a power cut',
      ['Holdfast, strict', 'better-sqlite3, FULL', 'A2A SDK, database'],
      1,
    ),
    row(
      'runs-relaxed',
      '85 recorded agent runs, safe from a killed process',
      ['Holdfast, relaxed', 'better-sqlite3, NORMAL', 'lowdb', 'A2A SDK, memory'],
      1,
    ),
  ];
}
