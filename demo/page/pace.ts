/** How fast the agent works: at a pace one can watch, or as fast as it can. Shared by the tabs of this browser. */
import type { AgentChange } from './agent/next-change.ts';

export const allPaces = ['slow', 'normal', 'fast', 'at once'] as const;
export type Pace = (typeof allPaces)[number];

const KEY = 'holdfast-demo.pace';
const factors: Readonly<Record<Pace, number>> = { slow: 2.5, normal: 1, fast: 0.25, 'at once': 0 };
const STATUS_MS = 900;
const CHUNK_MS = 260;

export class PaceSetting {
  get pace(): Pace {
    const stored = localStorage.getItem(KEY);
    return allPaces.find((pace) => pace === stored) ?? 'normal';
  }

  set(pace: Pace): void {
    localStorage.setItem(KEY, pace);
  }

  /** Waits after a change; ends at once where the signal is aborted. */
  readonly pause = (change: AgentChange, signal: AbortSignal): Promise<void> => {
    const ms = factors[this.pace] * (change.status ? STATUS_MS : CHUNK_MS);
    if (ms === 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  };
}
