/** The state of sync in a sentence. */
import type { SyncStatus } from 'holdfast';
import { count, duration } from '../ui/format.ts';

export const stateNames: Readonly<Record<SyncStatus['state'], string>> = {
  idle: 'In step',
  pushing: 'Pushing',
  offline: 'Offline',
  paused: 'Paused',
  stopped: 'Stopped',
};

export function inWords(status: SyncStatus, now: number): string {
  const { state, pendingTasks, oldestPendingAt, lastError } = status;
  const age = oldestPendingAt === undefined ? '' : `, the oldest for ${duration(now - oldestPendingAt)}`;
  const pending = `${count(pendingTasks, 'task')} with changes that the remote has not got${age}`;
  switch (state) {
    case 'idle':
      return pendingTasks === 0 ? 'The remote has everything.' : `${pending}.`;
    case 'pushing':
      return `Sending what is pending: ${pending}.`;
    case 'offline':
      return `The remote cannot be reached. Everything is kept here and goes up later: ${pending}.`;
    case 'paused':
      return lastError?.code === 'UNAUTHORIZED'
        ? `The remote refuses the key. Nothing is lost: ${pending}.`
        : `Paused: ${pending}.`;
    case 'stopped':
      return `Stopped: ${pending}.`;
  }
}
