/** An HTTP proxy on a port of its own that spoils a share of what passes, as real networks do. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Served, serveListener } from './http.ts';

export interface FaultyProxy extends Served {
  /** How many requests came, and how often each fault struck. */
  readonly counts: { requests: number; [fault: string]: number };
  /** The share of requests that fail; may be changed. */
  rate: number;
  /** So many requests are not through with yet, also such as nobody waits for any more. */
  readonly underWay: number;
}

const faults = ['reset before', 'reset after', 'truncated', 'captive', 'delayed', 'late', '503'] as const;

export async function faultyProxy(target: string, rate: number, random: () => number): Promise<FaultyProxy> {
  const counts: FaultyProxy['counts'] = { requests: 0 };
  const listener = async (request: IncomingMessage, response: ServerResponse) => {
    counts.requests++;
    proxy.underWay++;
    const fault = random() < proxy.rate ? faults[Math.floor(random() * faults.length)] : undefined;
    if (fault) counts[fault] = (counts[fault] ?? 0) + 1;
    try {
      await pass(request, response, target, fault);
    } catch {
      response.destroy();
    } finally {
      proxy.underWay--;
    }
  };
  const served = await serveListener((request, response) => void listener(request, response));
  const proxy = { ...served, counts, rate, underWay: 0 };
  return proxy;
}

async function pass(
  request: IncomingMessage,
  response: ServerResponse,
  target: string,
  fault: (typeof faults)[number] | undefined,
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  if (fault === 'reset before') return void response.destroy();
  if (fault === 'captive') return void response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Log in</h1>');
  if (fault === '503') return void response.writeHead(503, { 'retry-after': '1' }).end();
  const forward = () => send(request, Buffer.concat(chunks), target);
  if (fault === 'late') {
    response.destroy();
    // What was given up arrives after what was sent in its place.
    await pause(20);
    await forward().catch(() => {});
    return;
  }
  if (fault === 'delayed') await pause(10);
  const answer = await forward();
  if (fault === 'reset after') return void response.destroy();
  const body = Buffer.from(await answer.arrayBuffer());
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' });
  if (fault === 'truncated') response.write(body.subarray(0, body.length / 2), () => response.destroy());
  else response.end(body);
}

function send(
  { method = 'GET', url = '/', headers }: IncomingMessage,
  body: Buffer,
  target: string,
): Promise<Response> {
  const kept = { 'x-api-key': `${headers['x-api-key']}`, 'content-type': headers['content-type'] ?? 'text/plain' };
  return fetch(target + url, { method, headers: kept, ...(body.length > 0 && { body: new Uint8Array(body) }) });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
