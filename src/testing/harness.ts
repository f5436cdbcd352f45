/** What the suites need of a test runner and of the store under test. */
import type { Message, Part, TaskSendParams } from '../core/task.ts';
import type { OpenOptions } from '../open-task-store.ts';
import type { TaskStore } from '../task-store.ts';

/** The part of vitest's (or jest's) interface that the suites use. */
export interface Runner {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => Promise<void>) => unknown;
  // biome-ignore lint/suspicious/noExplicitAny: matchers differ by runner; the suites use those that all of them have.
  readonly expect: (actual: unknown) => any;
}

export interface Harness {
  readonly name: string;
  /**
   * Opens a store at a place; a place that was never opened is empty. With persistent storage, opening it again after
   * `close` finds what was stored. `options` (a clock, ids) are to be passed on where the store can take them.
   */
  open(place: string, options?: Pick<OpenOptions, 'environment'>): Promise<TaskStore>;
  /** Whether a closed store's tasks are there when it is opened again. @default true */
  readonly persistent?: boolean;
  /** Whether `open` passes its `options` on. @default true */
  readonly clock?: boolean;
  /** Whether a single message of 50 MB can be kept; a remote limits its requests. @default true */
  readonly hugeMessages?: boolean;
  /** Removes what `open` left at a place. */
  cleanUp?(place: string): Promise<void>;
}

let places = 0;

/** A place of its own for each test. */
export function newPlace(): string {
  return `holdfast-test-${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}-${places++}`;
}

export function say(text: string, role: Message['role'] = 'user'): Message {
  return { role, parts: [textPart(text)] };
}

export function textPart(text: string): Part {
  return { type: 'text', text };
}

export function send(id: string, text: string, more: Partial<TaskSendParams> = {}): TaskSendParams {
  return { id, sessionId: 'session-1', message: say(text), ...more };
}

/** The texts of messages or parts, for short expectations. */
export function textsOf(items: readonly (Message | Part)[] | undefined): string[] {
  return (items ?? []).flatMap((item) =>
    'parts' in item ? textsOf((item as Message).parts) : [(item as { text?: string }).text ?? ''],
  );
}
