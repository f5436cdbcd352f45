/**
 * One process at a time. No library is used: the maintained ones hold a lock by touching it every few seconds and let others
 * in when the touches stop, so that a dead holder is waited for, and a suspended one loses its lock without knowing; none
 * takes over a dead holder's lock at once and without a race.
 *
 * A lock is a folder with a file for each process that wants it, named after nobody but that process. Whoever has put its
 * own file there looks at the others: those of dead processes are removed (a name is never used twice, so nobody alive can
 * be hit); with none left it holds the lock. Of two that come at the same time the later one sees the earlier one's file,
 * so never both hold it; of several that only want it, the one with the first name stays and the others step back.
 */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, uptime } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TaskStoreError } from '../../core/errors.ts';
import { errorCode } from './file-system.ts';
import { bootId, identifyProcess, type ProcessIdentity, pidSpace, startOf } from './process-identity.ts';

/** Who cannot be asked whether it lives (another machine or container) shows it by touching its file. */
const HEARTBEAT_MS = 2000;
const SILENCE_MS = 4 * HEARTBEAT_MS;

/** Steps back at the most so often before the others are taken to hold the lock. */
const ATTEMPTS = 200;

interface Holder extends ProcessIdentity {
  readonly held: boolean;
}

export class FileLock {
  readonly #own: string;
  readonly #heartbeat: ReturnType<typeof setInterval>;

  private constructor(own: string) {
    this.#own = own;
    this.#heartbeat = setInterval(() => touch(own), HEARTBEAT_MS);
    // Under jsdom it is a number.
    this.#heartbeat.unref?.();
  }

  /** Rejects with `STORE_LOCKED` where a living process, this one included, has it. */
  static async acquire(file: string, silenceMs = SILENCE_MS): Promise<FileLock> {
    const folder = `${file}.lock`;
    const me: Holder = { ...identifyProcess(), held: false };
    const name = `${process.pid}-${crypto.randomUUID()}`;
    const own = path.join(folder, name);
    try {
      for (let attempt = 1; ; attempt++) {
        place(folder, own, me);
        const others = await livingOthers(folder, name, me, silenceMs);
        if (others.length === 0) {
          writeFileSync(own, JSON.stringify({ ...me, held: true }));
          return new FileLock(own);
        }
        const holder = others.find(({ held }) => held);
        const first = others.every((other) => name < other.name);
        if (holder || attempt === ATTEMPTS) throw lockedBy(file, holder ?? (others[0] as Holder), folder);
        if (!first) withdraw(own);
        await delay(first ? 1 : 5 + Math.random() * 20);
      }
    } catch (error) {
      // For as long as this process lives, what stays here keeps everybody out, itself too.
      withdraw(own);
      throw error;
    }
  }

  release(): void {
    clearInterval(this.#heartbeat);
    withdraw(this.#own);
  }
}

function lockedBy(file: string, { pid, host }: Holder, folder: string): TaskStoreError {
  const who = pid === process.pid && host === hostname() ? 'this process' : `process ${pid} on ${host}`;
  const hint = 'until that store is closed it can only be opened with readOnly';
  return new TaskStoreError('STORE_LOCKED', `${file} is in use by ${who}; ${hint} (lock: ${folder})`);
}

/** The folder may be removed between its making and its use: whoever leaves last takes it away. */
function place(folder: string, own: string, me: Holder): void {
  for (let attempt = 1; ; attempt++) {
    try {
      mkdirSync(folder, { recursive: true });
      writeFileSync(own, JSON.stringify(me));
      return;
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' || attempt === 100) throw error;
    }
  }
}

function withdraw(own: string): void {
  try {
    unlinkSync(own);
    rmdirSync(path.dirname(own));
  } catch {
    // Others are there, or it is gone already.
  }
}

async function livingOthers(
  folder: string,
  name: string,
  me: Holder,
  silenceMs: number,
): Promise<(Holder & { name: string })[]> {
  const others: (Holder & { name: string })[] = [];
  for (const other of readdirSync(folder)) {
    if (other === name) continue;
    const file = path.join(folder, other);
    const holder = readHolder(file);
    if (!holder) continue;
    if (await isAlive(holder, file, me, silenceMs)) others.push({ ...holder, name: other });
    else unlinkQuietly(file);
  }
  return others;
}

/** Undefined where the file is gone. One that is half written belongs to a process that is just coming. */
function readHolder(file: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    const pid = Number.parseInt(path.basename(file), 10);
    return { pid, started: '', host: hostname(), boot: bootId(), pidSpace: pidSpace(), held: false };
  }
}

async function isAlive(
  { pid, thread, started, host, boot, pidSpace }: Holder,
  file: string,
  me: Holder,
  silenceMs: number,
): Promise<boolean> {
  // In another container the same pid is another process, and another machine may have this one's name.
  const isHere = host === me.host && pidSpace === me.pidSpace && (boot === me.boot || isFromBeforeBoot(file));
  if (!isHere) return keepsTouching(file, silenceMs);
  const since = startOf(pid, thread);
  return since !== undefined && (started === '' || since === started);
}

/** If so, this machine has been restarted since, and the process is gone. */
function isFromBeforeBoot(file: string): boolean {
  return (touched(file) ?? 0) < Date.now() - uptime() * 1000;
}

async function keepsTouching(file: string, silenceMs: number): Promise<boolean> {
  const before = touched(file);
  for (let waited = 0; waited < silenceMs; waited += silenceMs / 16) {
    await delay(silenceMs / 16);
    if (touched(file) !== before) return touched(file) !== undefined;
  }
  return false;
}

function touched(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}

function touch(file: string): void {
  try {
    const now = new Date();
    utimesSync(file, now, now);
  } catch {
    // Only a sign of life.
  }
}

function unlinkQuietly(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // Another one did it.
  }
}
