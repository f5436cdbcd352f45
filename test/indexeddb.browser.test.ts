import { testIndexedDbCases } from './support/indexeddb-cases.ts';

testIndexedDbCases();
