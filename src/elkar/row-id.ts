import type { StoredTask } from '../core/task.ts';

/**
 * The uuid of a task's row: the same as long as the task lives, another for a task that was deleted and made anew. A store
 * has no such id, so it is worked out from what a task is known by. It tells tasks apart by accident, not by force: who
 * wants two tasks to share one can have it, and gains nothing.
 */
export function rowIdOf(agent: string, callerId: string | undefined, { taskType, id, createdAt }: StoredTask): string {
  const text = JSON.stringify([agent, callerId ?? null, taskType, id, createdAt]);
  const hex = [0x9e3779b9, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f].map((seed) => hash(text, seed)).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}

/** MurmurHash3's mixing, a UTF-16 unit at a time; eight hexadecimal digits. */
function hash(text: string, seed: number): string {
  let h = seed;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ Math.imul(text.charCodeAt(i), 0xcc9e2d51), 0x1b873593);
    h = (h << 13) | (h >>> 19);
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0).toString(16).padStart(8, '0');
}
