/** A few small agent runs, always the same, for who has none at hand. */
import type { Message, Part, TaskSendParams, UpdateTaskParams } from '../../core/task.ts';
import type { Run, Step } from './run.ts';

const cities = ['Lisbon', 'Kyoto', 'Oslo', 'Lima', 'Hanoi', 'Tunis'];

/** An agent plans a trip: it asks back, calls two tools, and streams an itinerary in chunks. */
export function sampleRuns(): Run[] {
  return cities.map((city, i) => {
    const steps = trip(city, 3 + i, i);
    return { name: `trip-to-${city.toLowerCase()}`, lines: () => steps.map((step) => JSON.stringify(step)) };
  });
}

function trip(city: string, days: number, number: number): Step[] {
  const id = `trip-${number + 1}`;
  let minutes = 0;
  const at = () => new Date(Date.UTC(2025, 0, number + 1, 9, minutes++)).toISOString();
  const turn = (text: string): Step => {
    const params: TaskSendParams = {
      id,
      sessionId: `session-${id}`,
      message: message('user', text),
      metadata: { city },
    };
    return { upsert: params };
  };
  const status = (state: 'working' | 'input-required' | 'completed' | 'failed', parts?: Part[]): Step => ({
    update: { status: { state, timestamp: at(), ...(parts && { message: { role: 'agent', parts } }) } },
  });
  const chunk = (text: string, lastChunk: boolean): Step => {
    const params: UpdateTaskParams = {
      artifactsUpdates: [{ index: 0, name: 'itinerary', parts: [{ type: 'text', text }], append: true, lastChunk }],
    };
    return { update: params };
  };
  const words = Array.from({ length: days }, (_, day) => `Day ${day + 1}: ${plans[(day + number) % plans.length]}. `)
    .join('')
    .split(/(?<= )/);
  const found = days < 8;
  return [
    turn(`Plan a trip to ${city}.`),
    status('input-required', [{ type: 'text', text: 'How many days?' }]),
    turn(`${days} days.`),
    status('working', [{ type: 'data', data: { tool: 'search_flights', arguments: { to: city } } }]),
    status('working', [{ type: 'data', data: { tool: 'search_hotels', arguments: { city, nights: days - 1 } } }]),
    ...(found ? words.map((word, i) => chunk(word, i === words.length - 1)) : []),
    found
      ? status('completed', [{ type: 'text', text: `Your ${days} days in ${city} are planned.` }])
      : status('failed', [{ type: 'text', text: `No hotel in ${city} has a room for so long.` }]),
  ];
}

const plans = ['a walk through the old town', 'the museum and its garden', 'a boat trip', 'the market, then rest'];

function message(role: Message['role'], text: string): Message {
  return { role, parts: [{ type: 'text', text }] };
}
