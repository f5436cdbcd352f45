/** The SDK's task list: all of a scope's heads, filtered and ordered as the SDK's own store does, then one page of them read. */
import type { TaskHead } from '../core/head.ts';
import type { StorePort } from '../store-port.ts';
import { Codec } from './codec.ts';
import { RequestMalformedError } from './request-malformed.ts';

/** The SDK's `ListTasksRequest`, as far as a store looks at it. */
export interface ListRequest {
  readonly contextId?: string | undefined;
  readonly status?: number | undefined;
  readonly pageSize?: number | undefined;
  readonly pageToken?: string | undefined;
  readonly statusTimestampAfter?: string | undefined;
  readonly includeArtifacts?: boolean | undefined;
}

/** A task's place in the list; what a page token says. */
interface Place {
  readonly timestamp: string;
  readonly id: string;
}

interface Entry extends Place {
  readonly head: TaskHead;
}

interface Page {
  readonly heads: readonly TaskHead[];
  readonly nextPageToken: string;
  readonly pageSize: number;
  readonly totalSize: number;
}

const DEFAULT_PAGE_SIZE = 50;
/** The total is asked for, so every head is looked at. */
const ALL = 2 ** 31;

export async function listPage(port: StorePort, callerId: string | undefined, request: ListRequest): Promise<Page> {
  const { contextId, pageSize = DEFAULT_PAGE_SIZE, pageToken } = request;
  const after = pageToken && decodeToken(pageToken);
  const heads = await port.backend.list({
    scope: { callerId, taskType: 'incoming' },
    sessionId: contextId || undefined,
    order: 'newest',
    limit: ALL,
  });
  const found = select(heads, request);
  const rest = after ? found.filter((entry) => compare(after, entry) < 0) : found;
  const shown = rest.slice(0, pageSize);
  const last = shown.at(-1);
  return {
    heads: shown.map(({ head }) => head),
    nextPageToken: last && rest.length > shown.length ? encodeToken(last) : '',
    pageSize,
    totalSize: found.length,
  };
}

function select(heads: readonly TaskHead[], { status: state, statusTimestampAfter }: ListRequest): Entry[] {
  const codec = new Codec('1.0', Date.now);
  const since = Date.parse(statusTimestampAfter ?? '');
  const entries: Entry[] = [];
  for (const head of heads) {
    const { state: found, timestamp = '' } = codec.decodeStatus(head.body, '') ?? {};
    if (state && found !== state) continue;
    // The specification asks for "greater than or equal".
    if (statusTimestampAfter && !(Date.parse(timestamp as string) >= since)) continue;
    entries.push({ head, timestamp: timestamp as string, id: head.key.taskId });
  }
  return entries.sort(compare);
}

/**
 * The latest status first, then by id from the end; texts are compared as the SDK's own store compares them. No two entries
 * have one id; a token's own entry is not behind it.
 */
function compare(a: Place, b: Place): number {
  return b.timestamp.localeCompare(a.timestamp) || b.id.localeCompare(a.id) || (a.id > b.id ? -1 : 1);
}

function encodeToken({ timestamp, id }: Place): string {
  return `${timestamp}|${id}`;
}

function decodeToken(token: string): Place {
  const bar = token.indexOf('|');
  if (bar < 0) throw new RequestMalformedError('Invalid page token');
  return { timestamp: token.slice(0, bar), id: token.slice(bar + 1) };
}
