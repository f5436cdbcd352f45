import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { FileLock } from '../src/backends/json-file/lock.ts';
import { startProgram, startThread } from './support/cli.ts';
import { newFile, open, say, texts } from './support/json-file.ts';
import { scaled } from './support/long.ts';

it('keeps a second process, and a second store of this one, out', async () => {
  const path = newFile();
  const store = await open(path);
  await expect(open(path)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
  const other = await startProgram('test/support/json-file-writer.ts', [path, 'strict', '0']);
  let errors = '';
  other.stderr?.on('data', (data) => {
    errors += data;
  });
  await once(other, 'close');
  expect(errors).toContain('STORE_LOCKED');
  await store.upsertTask({ id: 't', message: say('still here') });
  await store.close();
  await using again = await open(path);
  expect(texts(await again.getTask('t'))).toEqual(['still here']);
});

it.runIf(process.platform === 'linux').each(['end', 'stay'])(
  'a thread that ends without closing its store lets go of it, though its process lives on: %s',
  async (end) => {
    const path = newFile();
    const thread = await startThread('test/support/json-file-left-open.ts', [path, end]);
    const exit = once(thread, 'exit');
    await once(thread, 'message');
    if (end === 'stay') {
      await expect(open(path)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
      await thread.terminate();
    }
    await exit;
    await using store = await open(path);
    expect(texts(await store.getTask('t'))).toEqual(['left behind']);
  },
);

it('of many processes that want the file, some of them dying with it, never two have it', async () => {
  const path = newFile();
  const counter = join(dirname(path), 'counter');
  writeFileSync(counter, '0');
  const processes = 6;
  const each = scaled(8, 60);
  const made = await Promise.all(
    Array.from({ length: processes }, async () => {
      let sum = 0;
      while (sum < each) sum += await contend(path, counter, each - sum);
      return sum;
    }),
  );
  expect(made).toEqual(Array.from({ length: processes }, () => each));
  expect(Number(readFileSync(counter, 'utf8'))).toBe(processes * each);
});

async function contend(path: string, counter: string, times: number): Promise<number> {
  const child = await startProgram('test/support/json-file-contender.ts', [path, counter, String(times)]);
  let output = '';
  child.stdout?.on('data', (data) => {
    output += data;
  });
  child.stderr?.pipe(process.stderr);
  await once(child, 'close');
  return Number(output);
}

function leaveLock(path: string, name: string, holder: object): void {
  mkdirSync(`${path}.lock`);
  writeFileSync(join(`${path}.lock`, name), JSON.stringify(holder));
}

it('takes over what a dead process left, even when its pid is in use again', async () => {
  const path = newFile();
  const here = { host: hostname(), held: true };
  const probe = await FileLock.acquire(path);
  const [name = ''] = readdirSync(`${path}.lock`);
  const own = JSON.parse(readFileSync(join(`${path}.lock`, name), 'utf8'));
  probe.release();
  expect(existsSync(`${path}.lock`)).toBe(false);
  leaveLock(path, `${process.pid}-before`, { ...own, ...here, started: 'long ago' });
  const lock = await FileLock.acquire(path);
  expect(readdirSync(`${path}.lock`)).toHaveLength(1);
  lock.release();
});

it('takes over from another machine, or container, when it is silent, not while it shows signs of life', async () => {
  const path = newFile();
  leaveLock(path, '1-elsewhere', { pid: 1, started: '', host: 'elsewhere', pidSpace: '', held: true });
  const living = setInterval(() => utimesSync(join(`${path}.lock`, '1-elsewhere'), new Date(), new Date()), 5);
  await expect(FileLock.acquire(path, 800)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
  clearInterval(living);
  const lock = await FileLock.acquire(path, 800);
  expect(readdirSync(`${path}.lock`)).toHaveLength(1);
  lock.release();
});

it('takes no machine for this one that has its name alone, and at once what this one left before it was started anew', async () => {
  const path = newFile();
  const probe = await FileLock.acquire(path);
  const [name = ''] = readdirSync(`${path}.lock`);
  const own = JSON.parse(readFileSync(join(`${path}.lock`, name), 'utf8'));
  probe.release();
  // No process here has this number.
  const left = { ...own, pid: 999_999_999, started: 'another:1', boot: 'another' };
  leaveLock(path, '999999999-there', left);
  const living = setInterval(() => utimesSync(join(`${path}.lock`, '999999999-there'), new Date(), new Date()), 5);
  await expect(FileLock.acquire(path, 800)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
  clearInterval(living);
  utimesSync(join(`${path}.lock`, '999999999-there'), 1, 1);
  (await FileLock.acquire(path, 1_000_000)).release();
});

it('shows signs of life for as long as it is held, and none afterwards', async () => {
  const path = newFile();
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const lock = await FileLock.acquire(path);
  const [name = ''] = readdirSync(`${path}.lock`);
  const own = join(`${path}.lock`, name);
  for (let round = 0; round < 2; round++) {
    utimesSync(own, 0, 0);
    vi.advanceTimersByTime(2000);
    expect(statSync(own).mtimeMs).toBeGreaterThan(0);
  }
  lock.release();
  expect(vi.getTimerCount()).toBe(0);
});

it('does not take a pid of another container for one of its own', async () => {
  const here = { host: hostname(), pidSpace: 'pid:[1]', held: true, started: '' };
  const path = newFile();
  // No process here has this number, but one there may.
  leaveLock(path, '999999999-there', { ...here, pid: 999_999_999 });
  const living = setInterval(() => utimesSync(join(`${path}.lock`, '999999999-there'), new Date(), new Date()), 5);
  await expect(FileLock.acquire(path, 800)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
  clearInterval(living);
  const other = newFile();
  // Here this is a living process, there it may be none.
  leaveLock(other, `${process.pid}-there`, { ...here, pid: process.pid });
  (await FileLock.acquire(other, 160)).release();
});

it('waits for a process that has only just come, and not for one that ended as it came', async () => {
  const path = newFile();
  mkdirSync(`${path}.lock`);
  const coming = join(`${path}.lock`, `${process.pid}-coming`);
  writeFileSync(join(`${path}.lock`, '999999999-gone'), '');
  writeFileSync(coming, '{"pid":');
  let taken = false;
  const taking = FileLock.acquire(path).then((lock) => {
    taken = true;
    return lock;
  });
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(taken).toBe(false);
  rmSync(coming);
  const lock = await taking;
  expect(readdirSync(`${path}.lock`)).toHaveLength(1);
  lock.release();
});

it.runIf(process.platform === 'linux')(
  'can be taken when there is space again, where there was none for it',
  async () => {
    const limit = (bytes: string) => execFileSync('prlimit', ['--pid', `${process.pid}`, `--fsize=${bytes}:`]);
    const path = newFile();
    // Files are made, and take nothing.
    limit('0');
    const refused = open(path);
    await refused.catch(() => {});
    limit('unlimited');
    await expect(refused).rejects.toMatchObject({ code: 'IO_ERROR' });
    const store = await open(path);
    await store.upsertTask({ id: 't', message: say('one') });
    await store.close();
  },
);
