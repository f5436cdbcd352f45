/**
 * Runs vitest's browser mode in the WebKitGTK of a Linux distribution (Debian: `webkit2gtk-driver`), which playwright
 * cannot drive: it speaks WebDriver, and `WebKitWebDriver` needs no package to talk to.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { defineBrowserProvider } from '@vitest/browser';
import type { BrowserProvider } from 'vitest/node';

const driver = '/usr/bin/WebKitWebDriver';
const browsers = ['x86_64', 'aarch64'].map((arch) => `/usr/lib/${arch}-linux-gnu/webkit2gtk-4.1/MiniBrowser`);

/** MiniBrowser has no headless mode, so it counts as installed only where there is a display (`xvfb-run -a npm test`). */
export function findWebKitGtk(): string | undefined {
  if (!process.env.DISPLAY || !existsSync(driver)) return undefined;
  return browsers.find((path) => existsSync(path));
}

export const webkitGtk = (binary: string) =>
  defineBrowserProvider({
    name: 'webkitgtk',
    supportedBrowser: ['webkit'],
    options: {},
    providerFactory: () => new WebKitGtk(binary),
  });

class WebKitGtk implements BrowserProvider {
  readonly name = 'webkitgtk';
  readonly supportsParallelism = false;
  readonly initScripts: string[] = [];
  readonly #binary: string;
  #session: Promise<Session> | undefined;

  constructor(binary: string) {
    this.#binary = binary;
  }

  getCommandsContext() {
    return {};
  }

  async openPage(_sessionId: string, url: string) {
    this.#session ??= startSession(this.#binary);
    const { endpoint } = await this.#session;
    await send('POST', `${endpoint}/url`, { url });
  }

  async close() {
    const session = await this.#session?.catch(() => undefined);
    if (!session) return;
    // A browser that hangs must not keep the test run from ending.
    await Promise.race([send('DELETE', session.endpoint).catch(() => {}), wait(2_000, undefined, { ref: false })]);
    session.process.kill('SIGKILL');
  }
}

interface Session {
  process: ChildProcess;
  endpoint: string;
}

async function startSession(binary: string): Promise<Session> {
  const port = await freePort();
  const child = spawn(driver, [`--port=${port}`], { stdio: 'ignore' });
  const base = `http://127.0.0.1:${port}`;
  await untilReady(`${base}/status`);
  const { sessionId } = await send<{ sessionId: string }>('POST', `${base}/session`, {
    capabilities: { alwaysMatch: { 'webkitgtk:browserOptions': { binary, args: ['--automation'] } } },
  });
  return { process: child, endpoint: `${base}/session/${sessionId}` };
}

async function untilReady(url: string) {
  for (let attempt = 1; ; attempt++) {
    try {
      await send('GET', url);
      return;
    } catch (error) {
      if (attempt === 100) throw error;
      await wait(100);
    }
  }
}

async function send<Value>(method: string, url: string, body?: object): Promise<Value> {
  const response = await fetch(url, { method, ...(body && { body: JSON.stringify(body) }) });
  const { value } = (await response.json()) as { value: Value & { error?: string; message?: string } };
  if (value?.error) throw new Error(`WebDriver ${method}: ${value.error}: ${value.message}`);
  return value;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address && typeof address === 'object') resolve(address.port);
        else reject(new Error('The system gave no port.'));
      });
    });
  });
}
