import { testIndexedDbCases } from './support/indexeddb-cases.ts';
import { testContexts } from './support/indexeddb-contexts.ts';
import { testInterleavings } from './support/indexeddb-interleavings.ts';

testIndexedDbCases();
testContexts();
testInterleavings();
