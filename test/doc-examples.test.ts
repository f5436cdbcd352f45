/** The examples of the README and the docs compile as they stand, but for what they say is the reader's. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** What examples take for granted, by name. */
const given: Readonly<Record<string, string>> = {
  store: "declare const store: import('holdfast').LocalTaskStore;",
  model: 'declare const model: AsyncIterable<string>;',
  render: 'declare function render(task: unknown): void;',
  show: 'declare function show(...values: unknown[]): void;',
  report: 'declare function report(error: unknown): void;',
  baseUrl: 'declare const baseUrl: string;',
  apiKey: 'declare const apiKey: string;',
  myBackend: "declare function myBackend(): import('holdfast').BackendFactory;",
  askForKey: 'declare function askForKey(): Promise<string>;',
  readKey: 'declare function readKey(): string;',
  openTaskStore: "import { openTaskStore } from 'holdfast';",
  TaskChange: "import type { TaskChange } from 'holdfast';",
  agentCard: "declare const agentCard: import('@a2a-js/sdk').AgentCard;",
  executor: "declare const executor: import('@a2a-js/sdk/server').AgentExecutor;",
};

function examplesIn(file: string): string[] {
  const blocks = readFileSync(root + file, 'utf8').matchAll(/^```ts\n(.*?)^```/gms);
  return Array.from(blocks, ([, code = '']) => {
    const missing = Object.keys(given).filter((name) => {
      const isUsed = new RegExp(`\\b${name}\\b`).test(code);
      return isUsed && !new RegExp(`const (\\{[^}]*)?\\b${name}\\b|import .*\\b${name}\\b`).test(code);
    });
    return `${missing.map((name) => given[name]).join('\n')}\n${code}\nexport {};\n`;
  });
}

it('examples compile in strict mode', async () => {
  const folder = `${root}test-results/examples-${process.pid}`;
  mkdirSync(folder, { recursive: true });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const files = ['README.md', ...readdirSync(`${root}docs`).map((name) => `docs/${name}`)];
  const examples = files.flatMap((file) => examplesIn(file).map((code) => ({ file, code })));
  expect(examples.length).toBeGreaterThan(8);
  examples.forEach(({ file, code }, n) => void writeFileSync(`${folder}/${n}-${file.replace(/\W/g, '-')}.ts`, code));
  const compilerOptions = {
    noUnusedLocals: false,
    paths: { holdfast: ['../../src/index.ts'], 'holdfast/*': ['../../src/*.ts'] },
  };
  writeFileSync(
    `${folder}/tsconfig.json`,
    JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['*.ts'] }),
  );
  const tsc = fileURLToPath(import.meta.resolve('@typescript/native/package.json')).replace(
    'package.json',
    'lib/tsc.js',
  );
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', folder]).catch((error) => error);
  expect(stdout).toBe('');
});
