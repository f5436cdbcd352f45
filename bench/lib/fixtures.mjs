/** The work that is measured: messages of 300 bytes, tasks of 2 KB. Free of Node, so that pages share it. */
const filler = 'The agent looked at the order and found that the second leg was booked twice. ';

/** Of about `bytes` characters; a number makes it one of its kind. */
export function textOf(bytes, n = 0) {
  return `${n} ${filler.repeat(Math.ceil(bytes / filler.length))}`.slice(0, bytes);
}

export function message(n, bytes = 230) {
  return { role: n % 2 ? 'agent' : 'user', parts: [{ type: 'text', text: textOf(bytes, n) }] };
}

/** A whole task of about 2 KB: six messages and some metadata. */
export function task(id, n = 0) {
  return {
    id,
    sessionId: `session-${n % 100}`,
    status: { state: ['working', 'completed', 'failed'][n % 3], timestamp: '2026-01-01T00:00:00.000Z' },
    history: Array.from({ length: 6 }, (_, i) => message(n + i, 250)),
    metadata: { number: n, source: 'bench' },
  };
}

/** The same as a stored task's line, for imports. */
export function storedTask(id, n = 0) {
  const time = new Date(Date.UTC(2026, 0, 1) + n * 1000).toISOString();
  return { id, taskType: 'incoming', isStreaming: false, task: task(id, n), createdAt: time, updatedAt: time };
}
