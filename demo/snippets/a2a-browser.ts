/** An A2A agent in a page, its tasks in IndexedDB. Reload the page while it counts: it goes on where it was. */
import { openTaskStore } from 'holdfast';
import { count } from './a2a-count.ts';

const store = await openTaskStore({ name: 'a2a-counter' });

await count(store, (line) => {
  const item = document.createElement('p');
  item.textContent = line;
  document.body.append(item);
});
