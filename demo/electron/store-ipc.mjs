/**
 * The store over IPC, on the main process's side. Nothing of Electron is imported here, so that it can be tested without.
 *
 * @typedef {import('holdfast').TaskStore} TaskStore
 */
import { TaskStoreError } from 'holdfast';

/** What a page may call; each takes and answers plain data. */
const methods = new Set([
  'upsertTask',
  'getTask',
  'updateTask',
  'upsertTaskForClient',
  'getTaskForClient',
  'listTasks',
  'deleteTask',
  'importTasks',
  'prune',
]);

/**
 * @param {{ store: TaskStore, ipcMain: any, isOurs: (event: any) => boolean, windows: () => any[] }} options `isOurs` tells
 *   whether an event comes from the page; `windows` are told of every change
 * @returns {() => void} ends it
 */
export function serveStore({ store, ipcMain, isOurs, windows }) {
  const onBackend = (event) => {
    event.returnValue = isOurs(event) ? { ...store.backend } : undefined;
  };
  ipcMain.on('holdfast:backend', onBackend);
  ipcMain.handle('holdfast:call', async (event, method, args) => {
    if (!isOurs(event)) return refuse(new TaskStoreError('UNSUPPORTED', 'not a page of this program'));
    if (!methods.has(method) || !Array.isArray(args)) {
      return refuse(new TaskStoreError('UNSUPPORTED', `no such call: ${String(method).slice(0, 80)}`));
    }
    try {
      return { value: toPlain(await store[method](...args)) };
    } catch (error) {
      return refuse(error);
    }
  });
  const unsubscribe = store.subscribe((change) => {
    const plain = toPlain(change);
    for (const window of windows()) {
      if (!window.isDestroyed()) window.webContents.send('holdfast:change', plain);
    }
  });
  return () => {
    unsubscribe();
    ipcMain.removeHandler('holdfast:call');
    ipcMain.removeListener('holdfast:backend', onBackend);
  };
}

/** An error loses its class and its code on the way; a mistake of ours is not the page's business. */
function refuse(error) {
  if (error instanceof TaskStoreError) return { error: { code: error.code, message: error.message } };
  console.error(error);
  return { error: { code: 'IO_ERROR', message: 'the store failed' } };
}

/** Tasks are built when they are looked at; what crosses must be plain. */
function toPlain(value) {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
