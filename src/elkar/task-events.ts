/** Elkar's queue of task events: each subscriber gets each event once. Kept in memory, within bounds; not a basis for sync. */

/** Events that one subscriber has not fetched yet; of more, the oldest are dropped. */
const MAX_EVENTS = 1_000;
/** Subscribers in all; of more, the one that was idle longest is dropped. */
const MAX_SUBSCRIBERS = 10_000;

export interface TaskEvent {
  readonly id: string;
  readonly task_id: string;
  readonly event_data: unknown;
}

interface Subscriber {
  readonly topic: string;
  events: TaskEvent[];
}

/** Topics and subscribers are opaque; a topic is one caller's task. */
export class TaskEvents {
  /** By topic and subscriber, the one that was idle longest first. */
  readonly #subscribers = new Map<string, Subscriber>();
  readonly #byTopic = new Map<string, Set<Subscriber>>();

  subscribe(topic: string, subscriberId: string): void {
    const name = nameOf(topic, subscriberId);
    if (this.#touch(name)) return;
    const subscriber = { topic, events: [] };
    this.#subscribers.set(name, subscriber);
    this.#byTopic.set(topic, (this.#byTopic.get(topic) ?? new Set()).add(subscriber));
    if (this.#subscribers.size > MAX_SUBSCRIBERS) this.#drop(this.#subscribers.keys().next().value as string);
  }

  enqueue(topic: string, event: TaskEvent): void {
    for (const subscriber of this.#byTopic.get(topic) ?? []) {
      subscriber.events.push(event);
      if (subscriber.events.length > MAX_EVENTS) subscriber.events.shift();
    }
  }

  dequeue(topic: string, subscriberId: string, limit: number): TaskEvent[] {
    return this.#touch(nameOf(topic, subscriberId))?.events.splice(0, limit) ?? [];
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
    const others = this.#byTopic.get(subscriber.topic);
    others?.delete(subscriber);
    if (others?.size === 0) this.#byTopic.delete(subscriber.topic);
  }
}

function nameOf(topic: string, subscriberId: string): string {
  return JSON.stringify([topic, subscriberId]);
}
