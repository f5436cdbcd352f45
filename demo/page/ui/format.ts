/** How figures, sizes and times read. */
import type { TaskState } from 'holdfast';

export function count(value: number, noun: string, plural = `${noun}s`): string {
  return `${number(value)} ${value === 1 ? noun : plural}`;
}

export function number(value: number): string {
  return value.toLocaleString('en');
}

export function size(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), 4);
  return `${(bytes / 1_000 ** power).toFixed(1)} ${['', 'kB', 'MB', 'GB', 'TB'][power]}`;
}

/** `14:03:07` today, `3 Nov, 14:03` on another day. */
export function time(iso: string, now = new Date()): string {
  const date = new Date(iso);
  if (date.toDateString() === now.toDateString()) return date.toLocaleTimeString('en-GB');
  return date.toLocaleString('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
}

/** `12 s`, `4 min`. */
export function duration(ms: number): string {
  if (ms < 60_000) return `${Math.max(0, Math.round(ms / 1_000))} s`;
  return ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

const states: Readonly<Record<TaskState, string>> = {
  submitted: 'Submitted',
  working: 'Working',
  'input-required': 'Asks you',
  completed: 'Completed',
  canceled: 'Cancelled',
  failed: 'Failed',
  rejected: 'Rejected',
  'auth-required': 'Needs a login',
  unknown: 'Unknown',
};

export function stateName(state: string): string {
  return states[state as TaskState] ?? state;
}

export const allStates = Object.keys(states) as TaskState[];
