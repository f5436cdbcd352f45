/** `npm start`: builds, then runs the command line tool's `replay`, with whatever arguments follow `--`. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const cli = JSON.parse(readFileSync(`${root}package.json`, 'utf8')).bin.holdfast;

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

run(process.platform === 'win32' ? 'npm.cmd' : 'npm', ['run', '--silent', 'build']);
if (!existsSync(`${root}${cli}`)) {
  console.error(`The build made no ${cli}.`);
  process.exit(1);
}
run(process.execPath, [cli, 'replay', ...process.argv.slice(2)]);
