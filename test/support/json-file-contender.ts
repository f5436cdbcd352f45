/**
 * A process that wants a file: takes it as often as it can, and each time adds one to a number in a second file, slowly.
 * Two at once would lose additions. Arguments: path, the second file, how many additions. Says how many it made.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { FileLock } from '../../src/backends/json-file/lock.ts';

const [path = '', counter = '', times = '1'] = process.argv.slice(2);
let made = 0;
const deadline = Date.now() + 50_000;
while (made < Number(times) && Date.now() < deadline) {
  const lock = await FileLock.acquire(path).catch((error) => {
    if (error.code !== 'STORE_LOCKED') throw error;
  });
  if (!lock) {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
    continue;
  }
  const before = Number(readFileSync(counter, 'utf8'));
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
  writeFileSync(counter, String(before + 1));
  made++;
  // Every fourth time it dies holding the lock; whoever started it starts it anew.
  if (made < Number(times) && Math.random() < 0.25) {
    process.stdout.write(`${made}`, () => process.kill(process.pid, 'SIGKILL'));
    await new Promise(() => {});
  }
  lock.release();
}
console.log(made);
