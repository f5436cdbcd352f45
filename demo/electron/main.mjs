/** The main process: keeps the file, opens a window with the page, and lets the page use the store, nothing else. */
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { app, BrowserWindow, ipcMain, net, protocol } from 'electron';
import { openTaskStore } from 'holdfast/json-file';
import { serveStore } from './store-ipc.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const page = join(here, '../../demo-dist');
const files = new Set(['index.html', 'main.js', 'page.css', 'icon.svg']);

app.setName('holdfast-demo');

// A scheme of its own makes the page a secure context, with modules and locks; `file:` would not.
protocol.registerSchemesAsPrivileged([{ scheme: 'holdfast', privileges: { standard: true, secure: true } }]);

// One process may hold the file: a second start shows the first one's window.
if (!app.requestSingleInstanceLock()) app.quit();
else await run();

async function run() {
  await app.whenReady();
  protocol.handle('holdfast', ({ url }) => {
    const name = new URL(url).pathname.slice(1) || 'index.html';
    if (!files.has(name)) return new Response('Not found', { status: 404 });
    return net.fetch(pathToFileURL(join(page, name)).href);
  });
  const store = await openTaskStore({ path: join(app.getPath('userData'), 'tasks.json') });
  const isOurs = ({ senderFrame }) => senderFrame?.url.startsWith('holdfast://page/') === true;
  const stop = serveStore({ store, ipcMain, isOurs, windows: () => BrowserWindow.getAllWindows() });
  openWindow();
  app.on('second-instance', () => BrowserWindow.getAllWindows()[0]?.focus());
  app.on('activate', () => BrowserWindow.getAllWindows().length === 0 && openWindow());
  app.on('window-all-closed', () => process.platform !== 'darwin' && app.quit());
  let isClosed = false;
  app.on('will-quit', async (event) => {
    if (isClosed) return;
    // Once the file is folded and let go of, quitting goes on.
    event.preventDefault();
    stop();
    await store.close();
    isClosed = true;
    app.quit();
  });
}

function openWindow() {
  const webPreferences = {
    preload: join(here, 'preload.cjs'),
    contextIsolation: true,
    nodeIntegration: false,
    sandbox: true,
  };
  const window = new BrowserWindow({ width: 1280, height: 900, webPreferences });
  // The page needs no other page and no window.
  window.webContents.setWindowOpenHandler(() => ({ action: 'deny' }));
  window.webContents.on('will-navigate', (event) => event.preventDefault());
  window.loadURL('holdfast://page/');
}
