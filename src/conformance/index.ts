export { cases } from './cases.ts';
export { fixtureFile, fixtures } from './fixtures.ts';
export { type CaseResult, type Group, groups, type Level, type Outcome } from './outcome.ts';
export { type Counts, type Report, runSuite, type SuiteOptions } from './run.ts';
export { readInputs } from './subject.ts';
