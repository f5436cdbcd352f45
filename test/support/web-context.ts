/** A bare JavaScript context with what browsers offer and nothing of Node. */
import { type Context, createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import { root } from './architecture.ts';

const webNames = [
  ...['AbortController', 'AbortSignal', 'Blob', 'BroadcastChannel', 'CompressionStream', 'DOMException', 'Event'],
  ...[
    'EventTarget',
    'Headers',
    'MessageChannel',
    'ReadableStream',
    'Request',
    'Response',
    'TextDecoder',
    'TextEncoder',
  ],
  ...['TransformStream', 'URL', 'URLSearchParams', 'WritableStream', 'atob', 'btoa', 'clearInterval', 'clearTimeout'],
  ...['console', 'crypto', 'fetch', 'performance', 'queueMicrotask', 'setInterval', 'setTimeout', 'structuredClone'],
] as const;

/** The context, and a way to run there what a bundler makes of `code`; answers what the code exports. */
export function webContext(): <Exports>(code: string) => Promise<Exports> {
  const context = createContext(Object.fromEntries(webNames.map((name) => [name, globalThis[name]])));
  return async (code) => runBundle(context, await bundle(code));
}

function runBundle<Exports>(context: Context, code: string): Exports {
  return runInContext(`${code}; bundled`, context);
}

/** As a user's bundler does for browsers: `holdfast` resolves through `exports` to the build. Fails on any `node:`. */
async function bundle(code: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: root },
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'bundled',
    platform: 'browser',
    conditions: ['browser'],
    target: 'es2022',
    logLevel: 'silent',
  });
  return outputFiles[0]?.text ?? '';
}
