import { openTaskStore } from '../src/indexeddb.ts';
import { a2aHandlerSuite } from './support/a2a-handler-suite.ts';

let name = '';
a2aHandlerSuite('IndexedDB', {
  open: () => {
    name = crypto.randomUUID();
    return openTaskStore({ name });
  },
  reopen: async (store) => {
    await store.close();
    return openTaskStore({ name });
  },
});
