/** Runs before the page, in a world of its own: hands the page a bridge to the store, and nothing of Electron. */
const { contextBridge, ipcRenderer } = require('electron');

contextBridge.exposeInMainWorld('holdfastBridge', {
  backend: ipcRenderer.sendSync('holdfast:backend'),
  call: (method, args) => ipcRenderer.invoke('holdfast:call', method, args),
  onChange(listener) {
    // The event itself would hand the page a way to send anything.
    const hear = (_event, change) => listener(change);
    ipcRenderer.on('holdfast:change', hear);
    return () => ipcRenderer.removeListener('holdfast:change', hear);
  },
});
