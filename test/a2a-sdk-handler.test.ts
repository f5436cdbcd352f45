import { join } from 'node:path';
import { openTaskStore as openFile } from '../src/json-file.ts';
import { openTaskStore as openInMemory } from '../src/memory.ts';
import { a2aHandlerSuite } from './support/a2a-handler-suite.ts';
import { newFolder } from './support/places.ts';

a2aHandlerSuite('memory', { open: () => openInMemory() });

let path = '';
a2aHandlerSuite('a JSON file', {
  open: () => {
    path = join(newFolder(), 'tasks.json');
    return openFile({ path });
  },
  reopen: async (store) => {
    await store.close();
    return openFile({ path });
  },
});
