// happy-dom has no IndexedDB of its own.
import 'fake-indexeddb/auto';
