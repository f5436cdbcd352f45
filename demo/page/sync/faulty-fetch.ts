/** A `fetch` that does what the switches say and keeps a log of every attempt. */
import type { Switches } from './switches.ts';

export interface Attempt {
  readonly id: string;
  readonly at: number;
  readonly method: string;
  readonly path: string;
  /** How many changes the request carries: a status, messages, parts of artifacts. */
  readonly items: number;
  readonly outcome: 'under way' | 'answered' | 'answer lost' | 'not sent' | 'no answer';
  /** The answer's HTTP status, where it came. */
  readonly status?: number;
  readonly ms?: number;
}

export interface FaultyFetchOptions {
  readonly switches: () => Switches;
  /** Told when an attempt begins and again, under the same id, when it has ended. */
  readonly onAttempt: (attempt: Attempt) => void;
  readonly fetch: typeof fetch;
  readonly now: () => number;
}

export function faultyFetch({ switches, onAttempt, fetch, now }: FaultyFetchOptions): typeof fetch {
  let answers = 0;
  return async (input, init) => {
    const request = new Request(input, init);
    const at = now();
    const attempt: Attempt = {
      id: crypto.randomUUID(),
      at,
      method: request.method,
      path: decodePath(new URL(request.url).pathname),
      items: countItems(typeof init?.body === 'string' ? init.body : ''),
      outcome: 'under way',
    };
    const end = (outcome: Attempt['outcome'], status?: number) =>
      onAttempt({ ...attempt, outcome, ms: now() - at, ...(status !== undefined && { status }) });
    onAttempt(attempt);
    if (switches().offline) {
      end('not sent');
      throw new TypeError('Failed to fetch');
    }
    let response: Response;
    try {
      response = await fetch(request);
    } catch (error) {
      end('no answer');
      throw error;
    }
    if (switches().loseAnswers && ++answers % 3 === 0) {
      // The server has done its work by now; only the browser does not learn of it.
      await response.arrayBuffer();
      end('answer lost', response.status);
      throw new TypeError('Failed to fetch');
    }
    end('answered', response.status);
    return response;
  };
}

/** Of a body on Elkar's wire. */
export function countItems(body: string): number {
  try {
    const json = JSON.parse(body);
    if (json.send_task_params || json.task) return 1;
    const parts = (json.artifacts_updates ?? []).flatMap((artifact: { parts?: unknown[] }) => artifact.parts ?? []);
    return (json.status ? 1 : 0) + (json.new_messages?.length ?? 0) + parts.length;
  } catch {
    return 0;
  }
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
