export { type Load, type LoadText, loadOfTrace, type Part, parseLoad } from './load.ts';
export type { Minute } from './measures.ts';
export { infeasibleTypes, overflowMemoryMiB, parseProfile, referenceSimulated, type SimulatedProfile } from './profile.ts';
export { loadOfRecording, type RecordedCounts, type RecordedSpan, type Recording } from './recorded-load.ts';
export { type ReportFacts, reportHtml } from './report-html.ts';
export type { DecisionNote, SimulationResult } from './result.ts';
export { type SideBySide, simulateAll } from './simulate.ts';
export { Simulation, type SimulationOrder, unfitTypes } from './simulation.ts';
export { parseTrace, type Trace } from './trace.ts';
