/**
 * What the holder of a task object last saw of the task. Objects that loads handed out carry it, unseen by who copies or
 * compares them: an entry of a WeakMap for each load would keep the garbage collector busy. Other objects are not touched.
 */
import type { View } from './view.ts';

type Handed = { [key: symbol]: View | undefined };

export class Seen {
  /** One for each adapter: a task loaded from one store may be saved in another. */
  readonly #key = Symbol();
  readonly #others = new WeakMap<object, View>();

  handOut<T extends object>(task: T, view: View): T {
    return Object.defineProperty(task, this.#key, { value: view, writable: true });
  }

  get(task: object): View | undefined {
    return this.#others.get(task) ?? (task as Handed)[this.#key];
  }

  set(task: object, view: View): void {
    // Its holder may have frozen it.
    if (!(this.#key in task && Reflect.set(task, this.#key, view))) this.#others.set(task, view);
  }
}
