/**
 * `npm start`: builds, then serves the demo page and prints where. `--port`, or the environment's PORT, names the port; `--store`
 * the file of its endpoint; `--no-build` serves what was built before. `npm start -- <folder>` replays the agent runs in a folder instead, as `npx holdfast replay` does.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));

function run(command, args, shell = false) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

function refuse(reason) {
  console.error(reason);
  process.exit(1);
}

const args = process.argv.slice(2);
if (!args.includes('--no-build')) run('npm', ['run', '--silent', 'build'], process.platform === 'win32');

if (args.some((arg) => !arg.startsWith('-') && existsSync(arg))) {
  const rest = args.filter((arg) => arg !== '--no-build');
  run(process.execPath, ['dist/cli/main.js', 'replay', ...rest]);
} else {
  await serveDemo();
}

async function serveDemo() {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      port: { type: 'string' },
      host: { type: 'string' },
      store: { type: 'string' },
      'no-build': { type: 'boolean' },
    },
  });
  if (positionals.length > 0) refuse(`No such folder: ${positionals[0]}`);
  const port = Number(values.port ?? process.env.PORT ?? 8080);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) refuse(`No such port: ${values.port ?? process.env.PORT}`);
  const { startDemo } = await import('../demo/server.mjs');
  const demo = await startDemo({
    port,
    host: values.host ?? '127.0.0.1',
    storePath: values.store ?? `${root}demo-store.json`,
    folder: `${root}demo-dist`,
  }).catch((error) => {
    if (error.code === 'EADDRINUSE') refuse(`Port ${port} is taken. Another: npm start -- --port 8081`);
    if (error.code !== 'STORE_LOCKED') throw error;
    refuse(`${error.message}. Another file: npm start -- --port 8081 --store other.json`);
  });
  console.log(`The demo page is at ${demo.url}`);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => demo.close());
}
