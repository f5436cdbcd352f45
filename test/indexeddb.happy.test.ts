import { testIndexedDbCases } from './support/indexeddb-cases.ts';
import { testContexts } from './support/indexeddb-contexts.ts';

testIndexedDbCases();
testContexts();
