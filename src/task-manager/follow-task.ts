/** Lets a stream follow a task from a moment on: what was stored by then, and each later change once. */
import type { TaskKey } from '../core/head.ts';
import type { TaskChange } from '../task-store.ts';
import type { ChangeFeed } from './change-feed.ts';
import type { EventStream } from './event-stream.ts';
import { type TaskEvent, toEvents } from './events.ts';

interface Beginning {
  /** What the reader gets first. */
  readonly events: readonly TaskEvent[];
  /** Changes up to this revision are in `events`, or are none of this reader's business. */
  readonly revision: number;
}

/**
 * The stream listens before `begin` reads, and what it hears meanwhile waits: a change that falls between is neither missed nor,
 * by its revision, told twice.
 */
export async function followTask(
  feed: ChangeFeed,
  key: TaskKey,
  stream: EventStream,
  begin: () => Promise<Beginning>,
): Promise<void> {
  const waiting: TaskChange[] = [];
  let revision: number | undefined;
  const take = (change: TaskChange) => {
    if (revision === undefined) waiting.push(change);
    else if (change.type === 'deleted') stream.end();
    else if ((change.revision ?? Number.POSITIVE_INFINITY) > revision)
      for (const event of toEvents(change)) stream.push(event);
  };
  stream.onEnd(feed.follow(key, take));
  const beginning = await begin();
  stream.replay(beginning.events);
  revision = beginning.revision;
  for (const change of waiting) take(change);
}
