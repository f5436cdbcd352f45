/** What is polled: every task that is not finished and that the remote has. */
import type { TaskKey } from '../core/head.ts';
import { finishedStates, taskStates } from '../core/task.ts';
import { oldestFirst, type StorePort } from '../store-port.ts';
import { stateOf } from './state.ts';

export async function* unfinished({ backend }: StorePort): AsyncGenerator<TaskKey> {
  const states = taskStates.filter((state) => !finishedStates.has(state));
  for await (const heads of oldestFirst(backend, { states })) {
    for (const head of heads) if (stateOf(head).rowId) yield head.key;
  }
}
