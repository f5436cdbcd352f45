/** The agent of the demo page: what it finds in a text, and that it goes on from whatever is stored. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { analyse, summarise, tellingTerms, toSentences, toWords } from '../demo/page/agent/analysis.ts';
import { takeUp } from '../demo/page/agent/analyst.ts';
import { fromBase64, toBase64 } from '../demo/page/agent/base64.ts';
import { isDue, nextChange, plainText, toChunks } from '../demo/page/agent/next-change.ts';
import { sampleText } from '../demo/page/agent/sample-text.ts';
import { openTaskStore, type TaskStore } from '../src/memory.ts';

const user = (text: string) => ({ role: 'user' as const, parts: [{ type: 'text' as const, text }] });

test('sentences end where sentences end', () => {
  const text = 'Dr. Ames met J. Smith at 3.14 pm. Really!\n\nA title\n\nThe end… or not. 1234. Ende, z.B. hier.';
  expect(toSentences(text)).toEqual([
    'Dr. Ames met J. Smith at 3.14 pm.',
    'Really!',
    'A title',
    'The end… or not.',
    'Ende, z.B. hier.',
  ]);
  expect(toSentences(' \n\n 12 345 … ')).toEqual([]);
});

test('words are words in any script', () => {
  expect(toWords('Don’t stop: naïve co-authors 42 Straße, привет мир')).toEqual([
    "don't",
    'stop',
    'naïve',
    'co-authors',
    'straße',
    'привет',
    'мир',
  ]);
});

test('telling terms are frequent, are not everywhere, and count with their plurals', () => {
  const sentences = [
    'The ship has an anchor.',
    'Ships need anchors.',
    'A ship and its harbour.',
    'The ship, the ship!',
  ];
  const [first, second] = tellingTerms(sentences, 5);
  expect([first?.term, second?.term]).toEqual(['ship', 'anchor']);
  expect(first).toMatchObject({ count: 5, sentences: 4, weight: 1 });
  expect(tellingTerms(sentences, 5).map(({ term }) => term)).not.toContain('the');
});

test('a summary holds sentences of the text, in its order, each once', () => {
  const word = fc.constantFrom('ship', 'anchor', 'storm', 'harbour', 'keeper', 'log', 'the', 'and');
  const sentence = fc.array(word, { minLength: 1, maxLength: 9 });
  fc.assert(
    fc.property(fc.array(sentence, { maxLength: 12 }), fc.nat(15), (texts, length) => {
      const sentences = texts.map((words, i) => `${words.join(' ')} ${i}.`);
      const summary = summarise(sentences, length);
      expect(summary).toHaveLength(Math.min(length, sentences.length));
      const places = summary.map((chosen) => sentences.indexOf(chosen));
      expect(places).toEqual([...new Set(places)].sort((a, b) => a - b));
      expect(places).not.toContain(-1);
    }),
  );
});

test('the sample is summed up by what it is about', () => {
  const { sentences, terms } = analyse(sampleText);
  expect(sentences).toHaveLength(20);
  expect(terms.slice(0, 4).map(({ term }) => term)).toEqual(['keeper', 'log', 'letter', 'boat']);
});

test('chunks put together are the text, and bytes come back from base64', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(toChunks(`a${text}`).join('')).toBe(`a${text}`);
    }),
  );
  const bytes = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(bytes, (given) => {
      expect([...fromBase64(toBase64(given))]).toEqual([...given]);
    }),
  );
  expect(fromBase64(toBase64(new Uint8Array(100_000).fill(7)))).toHaveLength(100_000);
});

/** Works on a task in turns that each end after so many changes, as tabs that crash do. */
async function workInTurns(store: TaskStore, changesATurn: () => number): Promise<void> {
  for (let turns = 0; turns < 500; turns++) {
    const stored = await store.getTask('t');
    if (!stored || !isDue(stored.task)) return;
    let left = changesATurn();
    const crash = new Error('crash');
    const pause = async () => {
      if (--left <= 0) throw crash;
    };
    await takeUp(store, 't', pause).catch((error) => {
      if (error !== crash) throw error;
    });
  }
  throw new Error('the agent does not come to an end');
}

async function analyseIn(changesATurn: () => number, text = sampleText) {
  await using store = await openTaskStore();
  await store.upsertTask({ id: 't', sessionId: 's', message: user(text) });
  await workInTurns(store, changesATurn);
  await store.upsertTask({ id: 't', message: user('what?') });
  await workInTurns(store, changesATurn);
  await store.upsertTask({ id: 't', message: user('5') });
  await workInTurns(store, changesATurn);
  const { task } = (await store.getTask('t')) ?? {};
  const { timestamp: _, ...status } = task?.status ?? { state: 'unknown' };
  return { ...task, status };
}

test('work that is interrupted anywhere ends as work that is not', async () => {
  const whole = await analyseIn(() => Number.POSITIVE_INFINITY);
  expect(whole.status.state).toBe('completed');
  expect(plainText({ parts: whole.artifacts?.[1]?.parts ?? [] })).toBe(summarise(toSentences(sampleText), 5).join(' '));
  expect(whole.history?.map(({ metadata }) => metadata?.step)).toEqual([
    undefined,
    'read',
    'question',
    undefined,
    'question',
    undefined,
    'answer',
    'done',
  ]);
  expect(await analyseIn(() => 1)).toEqual(whole);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1 }), async (turns) => {
      let i = 0;
      expect(await analyseIn(() => turns[i++ % turns.length] ?? 1)).toEqual(whole);
    }),
    { numRuns: 15 },
  );
});

test('what is no text fails, and a finished or unanswered task has nothing due', () => {
  const task = (message: Parameters<typeof plainText>[0], state: 'submitted' | 'input-required' | 'completed') => ({
    id: 't',
    status: { state },
    history: [{ role: 'user' as const, ...message }],
  });
  const file = (bytes: string) => ({ parts: [{ type: 'file' as const, file: { bytes } }] });
  expect(nextChange(task(file(btoa('\xff\xfe')), 'submitted'))?.status?.state).toBe('failed');
  expect(nextChange(task(user('…'), 'submitted'))?.status?.state).toBe('failed');
  expect(nextChange(task(file(btoa('A ship.')), 'submitted'))?.status?.state).toBe('working');
  expect(isDue(task(user('x'), 'submitted'))).toBe(true);
  expect(isDue(task(user('x'), 'completed'))).toBe(false);
  expect(isDue({ ...task(user('x'), 'input-required'), history: [user('x'), { role: 'agent', parts: [] }] })).toBe(
    false,
  );
});

test('a cancelled task is left alone at once', async () => {
  await using store = await openTaskStore();
  await store.upsertTask({ id: 't', message: user(sampleText) });
  await takeUp(store, 't', async () => {
    await store.updateTask('t', { status: { state: 'canceled' } });
  });
  const { task } = (await store.getTask('t')) ?? {};
  expect(task?.status.state).toBe('canceled');
  expect(task?.history).toHaveLength(2);
});
