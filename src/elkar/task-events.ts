/** Elkar's queue of task events: each subscriber gets each event once. Kept in memory, within bounds; not a basis for sync. */

/** Events that one subscriber has not fetched yet; of more, the oldest are dropped. */
const MAX_EVENTS = 1_000;
/** Characters of all waiting events; beyond that, the subscriber that was idle longest loses events, its oldest first. */
const MAX_LENGTH = 64 * 2 ** 20;
/** Subscribers in all; of more, the one that was idle longest is dropped. */
const MAX_SUBSCRIBERS = 10_000;

interface TaskEvent {
  readonly id: string;
  readonly task_id: string;
  readonly event_data: unknown;
}

interface Waiting {
  readonly event: TaskEvent;
  readonly length: number;
}

interface Subscriber {
  readonly topic: string;
  readonly waiting: Waiting[];
}

/** Topics and subscribers are opaque; a topic is one caller's task. */
export class TaskEvents {
  /** By topic and subscriber, the one that was idle longest first. */
  readonly #subscribers = new Map<string, Subscriber>();
  readonly #byTopic = new Map<string, Set<Subscriber>>();
  /** Of all that waits; an event counts for each that it waits for. */
  #length = 0;

  subscribe(topic: string, subscriberId: string): void {
    const name = nameOf(topic, subscriberId);
    if (this.#touch(name)) return;
    const subscriber = { topic, waiting: [] };
    this.#subscribers.set(name, subscriber);
    this.#byTopic.set(topic, (this.#byTopic.get(topic) ?? new Set()).add(subscriber));
    if (this.#subscribers.size > MAX_SUBSCRIBERS) this.#drop(this.#subscribers.keys().next().value as string);
  }

  enqueue(topic: string, event: TaskEvent): void {
    const subscribers = this.#byTopic.get(topic);
    if (!subscribers) return;
    const { length } = JSON.stringify(event);
    for (const subscriber of subscribers) {
      subscriber.waiting.push({ event, length });
      this.#length += length;
      if (subscriber.waiting.length > MAX_EVENTS) this.#take(subscriber, 1);
    }
    if (this.#length > MAX_LENGTH) this.#makeRoom();
  }

  dequeue(topic: string, subscriberId: string, limit: number): TaskEvent[] {
    const subscriber = this.#touch(nameOf(topic, subscriberId));
    return subscriber ? this.#take(subscriber, limit) : [];
  }

  #take({ waiting }: Subscriber, count: number): TaskEvent[] {
    const taken = waiting.splice(0, count);
    for (const { length } of taken) this.#length -= length;
    return taken.map(({ event }) => event);
  }

  #makeRoom(): void {
    for (const subscriber of this.#subscribers.values())
      while (this.#length > MAX_LENGTH && subscriber.waiting.length > 0) this.#take(subscriber, 1);
  }

  #touch(name: string): Subscriber | undefined {
    const subscriber = this.#subscribers.get(name);
    if (subscriber) {
      this.#subscribers.delete(name);
      this.#subscribers.set(name, subscriber);
    }
    return subscriber;
  }

  #drop(name: string): void {
    const subscriber = this.#subscribers.get(name) as Subscriber;
    this.#subscribers.delete(name);
    this.#take(subscriber, subscriber.waiting.length);
    const others = this.#byTopic.get(subscriber.topic);
    others?.delete(subscriber);
    if (others?.size === 0) this.#byTopic.delete(subscriber.topic);
  }
}

function nameOf(topic: string, subscriberId: string): string {
  return JSON.stringify([topic, subscriberId]);
}
