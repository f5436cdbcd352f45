/** Programs of ours as real processes, built from the sources; the command line tool first of all. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { afterAll, onTestFinished } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = `${root}test-results/programs-${process.pid}`;
const built = new Map<string, Promise<string>>();

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * Bundled once for each file of tests, packages and all: of a process that lives half a second, finding some hundred modules
 * was the larger part. The package's own description is found from where the bundle lies.
 */
function program(source: string): Promise<string> {
  const name = source.replaceAll('/', '-').replace('.ts', '.js');
  const outfile = `${folder}/${name}`;
  const known = built.get(source);
  if (known) return known;
  const options = { bundle: true, platform: 'node', format: 'esm', logLevel: 'silent' } as const;
  const building = build({ entryPoints: [`${root}${source}`], outfile, ...options }).then(() => outfile);
  built.set(source, building);
  return building;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly input?: string;
  /** Where its standard output goes; a pipe by default. */
  readonly stdout?: number;
  /** Commands of a shell that then becomes the program. */
  readonly shell?: string;
}

/** A process that is killed at the end of the test, if it is still there. */
export async function startProgram(
  source: string,
  args: readonly string[],
  { cwd, env, stdout, shell = ':' }: CliOptions = {},
): Promise<ChildProcess> {
  const { HOLDFAST_API_KEY: _, ...inherited } = process.env;
  const command = [process.execPath, await program(source), ...args];
  const child = spawn('sh', ['-c', `${shell}; exec "$0" "$@"`, ...command], {
    cwd,
    env: { ...inherited, ...env },
    stdio: ['pipe', stdout ?? 'pipe', 'pipe'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

/** The same as a thread of this process. */
export async function startThread(source: string, argv: readonly string[]): Promise<Worker> {
  const thread = new Worker(await program(source), { argv: [...argv] });
  onTestFinished(async () => {
    await thread.terminate();
  });
  return thread;
}

export function startCli(args: readonly string[], options: CliOptions = {}): Promise<ChildProcess> {
  return startProgram('src/cli/main.ts', args, options);
}

export async function runCli(args: readonly string[], options: CliOptions = {}) {
  const child = await startCli(args, options);
  child.stdin?.on('error', () => {});
  child.stdin?.end(options.input ?? '');
  const [stdout, stderr] = [textOf(child.stdout), textOf(child.stderr)];
  const [status] = await once(child, 'close');
  return { status: status as number | null, stdout: await stdout, stderr: await stderr };
}

async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = '';
  stream?.setEncoding('utf8');
  for await (const piece of stream ?? []) text += piece;
  return text;
}

/** `holdfast serve`, listening. */
export async function startServe(args: readonly string[], options: CliOptions = {}) {
  const child = await startCli(['serve', '--json', '--port', '0', ...args], options);
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const first = await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), exited]);
  if (!Array.isArray(first)) throw new Error(`serve ended with ${first}: ${stderr}`);
  const { url, apiKey = 'secret' } = JSON.parse(String(first[0])) as { url: string; apiKey?: string };
  const request = (method: string, path: string, body?: unknown, key = apiKey) =>
    fetch(`${url}${path}`, {
      method,
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  return { child, url, apiKey, request, exited, stderr: () => stderr };
}
