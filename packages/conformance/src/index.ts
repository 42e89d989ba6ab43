export { cases } from './cases.ts';
export { readInputs } from './client/subject.ts';
export { fixtures } from './fixtures.ts';
export { type CaseOutcome, type CaseResult, type Group, groups, type Level } from './outcome.ts';
export { reportText } from './report-text.ts';
export { type OutcomeCounts, runSuite, type SuiteOptions, type SuiteReport } from './run.ts';
export { SuiteError } from './suite-error.ts';
