/** The real page over the Electron demo's bridge: its tasks lie in the file of another process. */
import { join } from 'node:path';
import { openTaskStore } from 'holdfast/json-file';
import { expect, onTestFinished, test } from 'vitest';
import { serveStore } from '../../demo/electron/store-ipc.mjs';
import {
  answer,
  expectState,
  give,
  launchBrowser,
  newVisitor,
  readRaw,
  setPace,
  startDemoServer,
} from '../support/demo.ts';
import { SimulatedElectron } from '../support/electron.ts';
import { newFolder } from '../support/places.ts';

test('the page analyses a text, survives a reload, and everything is in the file', async () => {
  const folder = newFolder();
  const path = join(folder, 'tasks.json');
  const store = await openTaskStore({ path });
  const electron = new SimulatedElectron();
  serveStore({ store, ipcMain: electron.ipcMain, isOurs: () => true, windows: () => electron.windows() });
  const bridge = electron.openPage('holdfast://page/');
  const server = await startDemoServer(join(folder, 'endpoint.json'));
  const browser = await launchBrowser();
  onTestFinished(async () => {
    await browser.close();
    await server.stop();
  });
  const { context, open } = await newVisitor(browser, server.url);
  await context.exposeFunction('callStore', (method: string, args: unknown[]) => bridge.call(method, args));
  await context.addInitScript((backend) => {
    const listeners = new Set<(change: unknown) => void>();
    const page = globalThis as unknown as Record<string, unknown>;
    page.tellChange = (change: unknown) => {
      for (const listener of listeners) listener(change);
    };
    page.holdfastBridge = {
      backend,
      call: page.callStore,
      onChange(listener: (change: unknown) => void) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
  }, bridge.backend);
  bridge.onChange((change) => {
    for (const page of context.pages()) {
      // A page that is being reloaded hears nothing; it reads anew.
      page
        .evaluate((change) => (globalThis as never as { tellChange(c: unknown): void }).tellChange(change), change)
        .catch(() => {});
    }
  });
  const page = await open();
  await page.getByText(`json-file, ${path}; kept through a power cut`).waitFor();
  await page.getByText('This store was opened without sync').first().waitFor();
  await setPace(page, 'fast');
  await give(page);
  await expectState(page, 'Asks you');
  await page.reload();
  await answer(page, 'short');
  await expectState(page, 'Completed');
  const shown = await readRaw(page);
  await context.close();
  await store.close();
  await using file = await openTaskStore({ path });
  expect(JSON.parse(JSON.stringify(await file.getTask(shown.id)))).toEqual(shown);
});
