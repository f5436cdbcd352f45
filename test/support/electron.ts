/** Electron's IPC as far as the demo uses it: two ends, and everything that crosses is cloned. */
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import type { Bridge } from '../../demo/page/bridged-store.ts';
import { root } from './demo.ts';

type Handler = (event: unknown, ...args: unknown[]) => unknown;

export class SimulatedElectron {
  readonly ipcMain = Object.assign(new EventEmitter(), {
    handle: (channel: string, handler: Handler) => this.#handlers.set(channel, handler),
    removeHandler: (channel: string) => this.#handlers.delete(channel),
  });
  readonly #handlers = new Map<string, Handler>();
  readonly #renderers: EventEmitter[] = [];

  /** The windows, as the main process has them. */
  windows() {
    return this.#renderers.map((renderer) => ({
      isDestroyed: () => false,
      webContents: { send: (channel: string, value: unknown) => renderer.emit(channel, {}, structuredClone(value)) },
    }));
  }

  /** Opens a page and runs the real preload script for it. */
  openPage(url: string): Bridge {
    const sender = { senderFrame: { url } };
    const ipcRenderer = Object.assign(new EventEmitter(), {
      sendSync: (channel: string) => {
        const event = { ...sender, returnValue: undefined };
        this.ipcMain.emit(channel, event);
        return structuredClone(event.returnValue);
      },
      invoke: async (channel: string, ...args: unknown[]) =>
        structuredClone(await this.#handlers.get(channel)?.(sender, ...structuredClone(args))),
    });
    this.#renderers.push(ipcRenderer);
    const exposed: Record<string, unknown> = {};
    const contextBridge = {
      exposeInMainWorld: (name: string, api: unknown) => {
        exposed[name] = api;
      },
    };
    const require = (name: string) => (name === 'electron' ? { contextBridge, ipcRenderer } : undefined);
    runInNewContext(readFileSync(`${root}demo/electron/preload.cjs`, 'utf8'), { require });
    return exposed.holdfastBridge as Bridge;
  }
}
