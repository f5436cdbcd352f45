// Neither Node nor happy-dom has an IndexedDB of its own.
import 'fake-indexeddb/auto';
