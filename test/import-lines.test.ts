import { Readable } from 'node:stream';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { openTaskStore } from '../src/memory.ts';

// A streamed answer of a few thousand chunks is a line of megabytes, and comes as a file is read: in many pieces.
test('a long line in many pieces is not looked through again with each', { timeout: 20_000 }, async () => {
  const parts = Array.from({ length: 4_000 }, (_, i) => ({ type: 'text' as const, text: `${i}`.padEnd(1_000, 'ä') }));
  await using from = await openTaskStore();
  const task = { id: 't1', status: { state: 'completed' as const }, artifacts: [{ index: 0, parts }] };
  await from.upsertTaskForClient(task, 'https://agent.example');
  let text = '';
  for await (const line of from.exportTasks()) text += line;
  const bytes = new TextEncoder().encode(text);
  await using to = await openTaskStore();
  const pieces = (async function* () {
    for (let at = 0; at < bytes.length; at += 999) yield bytes.subarray(at, at + 999);
  })();
  expect(await to.importTasks(pieces)).toMatchObject({ imported: 1, failed: [] });
  expect(await to.getTaskForClient('t1')).toEqual(await from.getTaskForClient('t1'));
});

test('a file read whole is taken as bytes, which are its text', async () => {
  await using from = await openTaskStore();
  await from.upsertTask({ id: 't1', message: { role: 'user', parts: [{ type: 'text', text: 'schön' }] } });
  let text = '';
  for await (const line of from.exportTasks()) text += line;
  for (const bytes of [Buffer.from(text), new TextEncoder().encode(text)]) {
    await using to = await openTaskStore();
    expect(await to.importTasks(bytes)).toEqual({ imported: 1, skipped: 0, failed: [] });
    expect(await to.getTask('t1')).toEqual(await from.getTask('t1'));
  }
});

test('bytes of another realm are bytes, as a frame has them, or Node under jsdom', async () => {
  await using from = await openTaskStore();
  await from.upsertTask({ id: 't1', message: { role: 'user', parts: [{ type: 'text', text: 'schön' }] } });
  let text = '';
  for await (const line of from.exportTasks()) text += line;
  const bytes: Uint8Array = runInNewContext('Uint8Array.from(bytes)', { bytes: Buffer.from(text) });
  expect(bytes).not.toBeInstanceOf(Uint8Array);
  for (const source of [bytes, Readable.from([bytes.subarray(0, 9), bytes.subarray(9)])]) {
    await using to = await openTaskStore();
    expect(await to.importTasks(source)).toEqual({ imported: 1, skipped: 0, failed: [] });
    expect(await to.getTask('t1')).toEqual(await from.getTask('t1'));
  }
});

test('a text that begins with a byte order mark, as some editors write it, loses no task by it', async () => {
  await using from = await openTaskStore();
  await from.upsertTask({ id: 't1', message: { role: 'user', parts: [{ type: 'text', text: '\ufeffone' }] } });
  let text = '';
  for await (const line of from.exportTasks()) text += line;
  for (const source of [`\ufeff${text}`, Buffer.from(`\ufeff${text}`), `\ufeff\r\n${text}`]) {
    await using to = await openTaskStore();
    expect(await to.importTasks(source)).toEqual({ imported: 1, skipped: 0, failed: [] });
    expect(await to.getTask('t1')).toEqual(await from.getTask('t1'));
  }
});

test('a line of bytes that are no UTF-8 is refused, wherever the bytes are cut; what was meant to be a strange character is taken', async () => {
  await using from = await openTaskStore();
  for (const id of ['1é', '2\ufffd', '3\ud800', '4é']) {
    await from.upsertTask({ id, message: { role: 'user', parts: [{ type: 'text', text: id }] } });
  }
  const lines: string[] = [];
  for await (const line of from.exportTasks()) lines.push(line);
  const [first = '', ...others] = lines.sort();
  // One line in the letters of another time, and an end in the middle of a character.
  const rest = new TextEncoder().encode(`${others.join('').trimEnd()}é`).subarray(0, -1);
  const bytes = Buffer.concat([Buffer.from(first, 'latin1'), rest]);
  const refused = (line: number) => ({ line, error: { code: 'INVALID_ARGUMENT', operation: 'importTasks' } });
  for (const length of [1, 2, 3, 7, 100, bytes.length]) {
    await using to = await openTaskStore();
    const pieces = async function* () {
      for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
    };
    const result = await to.importTasks(length === bytes.length ? bytes : pieces());
    expect(result).toMatchObject({ imported: 2, failed: [refused(1), refused(4)] });
    expect(result.failed[0]?.error.message).toBe('importTasks: line 1 is not JSON in UTF-8');
    expect((await to.listTasks()).tasks.map(({ id }) => id).sort()).toEqual(['2\ufffd', '3\ud800']);
  }
});

test('an import that was given up takes nothing more in when its source ends', async () => {
  await using store = await openTaskStore();
  const stored = {
    taskType: 'incoming' as const,
    isStreaming: false,
    createdAt: '2026-01-01',
    updatedAt: '2026-01-01',
  };
  const aborter = new AbortController();
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  let left = () => {};
  const isLeft = new Promise<void>((resolve) => {
    left = resolve;
  });
  async function* source() {
    try {
      yield { ...stored, id: 't', task: { id: 't', status: { state: 'completed' as const } } };
      await ended;
    } finally {
      left();
    }
  }
  const importing = store.importTasks(source(), { signal: aborter.signal });
  await new Promise(setImmediate);
  aborter.abort(new Error('enough'));
  await expect(importing).rejects.toThrow('enough');
  end();
  await isLeft;
  await new Promise(setImmediate);
  expect((await store.listTasks()).tasks).toEqual([]);
});

test('a line longer than a text may be is refused, and the others are taken', async () => {
  await using from = await openTaskStore();
  for (const id of ['1', '2'])
    await from.upsertTask({ id, message: { role: 'user', parts: [{ type: 'text', text: id }] } });
  const lines: string[] = [];
  for await (const line of from.exportTasks()) lines.push(line);
  const [first = '', second = ''] = lines;
  // All of it the same text, so that it takes no memory.
  const piece = 'z'.repeat(2 ** 22);
  await using to = await openTaskStore();
  const pieces = async function* () {
    yield first;
    yield '{"id":"';
    for (let n = 0; n < 2 ** 7 + 2; n++) yield piece;
    yield '"}\n';
    yield second;
  };
  const refused = { line: 2, error: { code: 'INVALID_ARGUMENT', operation: 'importTasks' } };
  expect(await to.importTasks(pieces())).toMatchObject({ imported: 2, failed: [refused] });
});

test('long lines are imported few at a time, since each is held until it is taken', async () => {
  const lineOf = (i: number) => {
    const message = { role: 'user', parts: [{ type: 'text', text: `${i}`.padEnd(1_000_000, 'x') }] };
    const status = { state: 'completed', timestamp: '2026-01-01T00:00:00.000Z' };
    const task = { id: `t${i}`, status, history: [message] };
    const [createdAt, updatedAt] = [status.timestamp, status.timestamp];
    return `${JSON.stringify({ id: task.id, taskType: 'incoming', isStreaming: false, task, createdAt, updatedAt })}\n`;
  };
  let read = 0;
  let held = 0;
  await using store = await openTaskStore();
  const taken = new Set<string>();
  store.subscribe(({ taskId }) => taken.add(taskId));
  const source = (function* () {
    for (; read < 30; read++) {
      held = Math.max(held, read - taken.size);
      yield lineOf(read);
    }
  })();
  expect(await store.importTasks(source)).toMatchObject({ imported: 30, failed: [] });
  expect(held).toBeLessThan(10);
});
