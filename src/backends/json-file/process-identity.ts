/** What tells one process from any other, on this machine or another, also after its number was given to the next. */
import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { errorCode } from './file-system.ts';

export interface ProcessIdentity {
  readonly pid: number;
  /** The system's number of the thread, which may end before its process; absent where the system does not tell. */
  readonly thread?: number | undefined;
  /** When the thread, or the process, began, in whatever form the system tells it; numbers are used again. */
  readonly started: string;
  readonly host: string;
  /** The id of the system's present boot, which no other machine has; '' where the system does not tell. */
  readonly boot: string;
  /** Pids mean something within one of these only. */
  readonly pidSpace: string;
}

/** Of the process, and the thread, that asks. */
export function identifyProcess(): ProcessIdentity {
  const { pid } = process;
  const thread = currentThread();
  const started = startOf(pid, thread) ?? '';
  return { pid, thread, started, host: hostname(), boot: bootId(), pidSpace: pidSpace() };
}

/** A worker that ends without `close` leaves its lock behind in a process that lives on. */
function currentThread(): number | undefined {
  try {
    return Number(path.basename(readlinkSync('/proc/thread-self'))) || undefined;
  } catch {
    return undefined;
  }
}

export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

export function pidSpace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/** When a thread of a process began; undefined where there is none any more, '' where the system does not tell. */
export function startOf(pid: number, thread: number | undefined): string | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return undefined;
  }
  if (process.platform === 'linux') return startOnLinux(pid, thread);
  if (process.platform === 'win32') return '';
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return '';
  }
}

function startOnLinux(pid: number, thread: number | undefined): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/${thread === undefined ? '' : `task/${thread}/`}stat`, 'utf8');
    // The second field, the program's name in brackets, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state] = fields;
    if (state === 'Z' || state === 'X') return undefined;
    return `${bootId()}:${fields[19]}`;
  } catch (error) {
    return errorCode(error) === 'ENOENT' || errorCode(error) === 'ESRCH' ? undefined : '';
  }
}
