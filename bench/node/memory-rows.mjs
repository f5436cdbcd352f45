/** Memory: what a store costs beside the plain copying that others do; what checking costs. */
import { openTaskStore } from '../../dist/memory.js';
import { rate } from '../lib/measure.mjs';
import { message, task } from '../lib/work.mjs';
import { adapters } from './adapters.mjs';

const pair = ['Holdfast, memory', 'A2A SDK, memory'];

async function longTask(count) {
  const store = await openTaskStore();
  const own = task('own');
  await store.upsertTaskForClient(
    { ...own, history: Array.from({ length: count }, (_, i) => message(i)) },
    'https://a.example',
  );
  return store;
}

export function memoryRows({ quick }) {
  const n = quick ? 0.2 : 1;
  const gets = (count, against) => ({
    id: `memory-get-${count}`,
    title: `Get a task of ${count.toLocaleString('en-US')} messages, against a structured clone of it`,
    unit: 'ops/s',
    contestants: {
      Holdfast: async () => {
        const store = await longTask(count);
        return rate(50_000 * n, () => store.getTaskForClient('own'));
      },
      structuredClone: async () => {
        const { task: whole } = await (await longTask(count)).getTaskForClient('own');
        const plain = JSON.parse(JSON.stringify(whole));
        return rate(50 * n, () => structuredClone(plain).history.length);
      },
    },
    goals: [{ of: 'Holdfast', against: 'structuredClone', atLeast: against }],
  });

  return [
    {
      id: 'memory-create',
      title: 'Create tasks in memory, validated',
      unit: 'ops/s',
      contestants: Object.fromEntries(
        pair.map((name) => [
          name,
          async () => {
            const store = await adapters[name].open('');
            const made = Array.from({ length: 10_000 * n }, (_, i) => ({
              ...task(`t${i}`, i),
              history: [message(i, 2_000)],
            }));
            return rate(made.length, (i) => store.create(made[i]));
          },
        ]),
      ),
      goals: [{ of: pair[0], against: pair[1], atLeast: 1 }],
    },
    {
      id: 'memory-append',
      title: 'Append to a task of 2,000 messages in memory',
      unit: 'ops/s',
      contestants: Object.fromEntries(
        pair.map((name) => [
          name,
          async () => {
            const store = await adapters[name].open('');
            await store.create({ ...task('own'), history: [message(0)] });
            if (name === pair[0]) for (let i = 1; i < 2_000; i++) await store.append('own', message(i));
            else
              await store.fill([
                { task: { ...task('own'), history: Array.from({ length: 2_000 }, (_, i) => message(i)) } },
              ]);
            return rate((name === pair[0] ? 20_000 : 50) * n, (i) => store.append('own', message(i)));
          },
        ]),
      ),
      goals: [{ of: pair[0], against: pair[1], atLeast: 100 }],
    },
    gets(500, 500),
    gets(10_000, 50),
    {
      id: 'validation',
      title: 'Checking and copying a change of 300 bytes',
      unit: 'µs',
      contestants: {
        Holdfast: async () => {
          const store = await openTaskStore();
          const params = { newMessages: [message(1, 200)] };
          // An unknown task is refused after everything was checked and copied: nothing else is measured.
          const refused = () => store.updateTask('none', params).catch(() => {});
          const bare = () => store.updateTask('none', {}).catch(() => {});
          await rate(2_000, refused);
          const count = 50_000 * n;
          return 1e6 / (await rate(count, refused)) - 1e6 / (await rate(count, bare));
        },
      },
      goals: [{ of: 'Holdfast', atMost: 5 }],
    },
  ];
}
