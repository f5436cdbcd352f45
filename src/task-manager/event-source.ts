/** Server-sent events from a task's stream. */
import { LONGEST_MS } from '../core/deadline.ts';
import type { TaskEventStream } from './event-stream.ts';
import type { JsonRpcError, RequestId } from './json-rpc.ts';

/**
 * The body of a `text/event-stream` answer: each event as a JSON-RPC response, taken from the stream only as fast as the
 * connection takes them. A comment goes out every `keepAliveMs` (0: never), lest a proxy think the connection dead. A reader
 * that goes away ends its stream; the task goes on.
 */
export function toEventSource(
  stream: TaskEventStream,
  id: RequestId,
  keepAliveMs: number,
  toError: (error: unknown) => JsonRpcError,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let timer: ReturnType<typeof setInterval> | undefined;
  const respond = (body: { result: unknown } | { error: JsonRpcError }) =>
    encoder.encode(`data: ${JSON.stringify({ jsonrpc: '2.0', id, ...body })}\n\n`);
  return new ReadableStream({
    start(controller) {
      if (!(keepAliveMs > 0)) return;
      const show = () => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(': keep-alive\n\n'));
      };
      timer = setInterval(show, Math.min(keepAliveMs, LONGEST_MS));
    },
    async pull(controller) {
      const next = stream.next();
      // Only what the stream rejects with is its error: that a reader went away while an event was on its way is none.
      const { done, value } = await next.catch((error: unknown) => {
        clearInterval(timer);
        controller.enqueue(respond({ error: toError(error) }));
        return { done: true, value: undefined } as const;
      });
      if (!done) return controller.enqueue(respond({ result: value }));
      clearInterval(timer);
      controller.close();
    },
    async cancel() {
      clearInterval(timer);
      await stream.return?.();
    },
  });
}
