export { type DeployedPolicy, type DeployedVariant, deployedPolicy, profiledMemory, withObservedStarts } from './deployed-policy.ts';
export { expectedRequests, type Load, type LoadPart, type LoadText, loadOfTrace, parseLoad, parseLoadTask } from './load/load.ts';
export { inSlots, type LoadRecording, loadOfRecording, type RecordedCounts, type RecordedSpan } from './load/recorded-load.ts';
export { countsPerSecond, parseTrace, parseTraceTask, type Trace } from './load/trace.ts';
export type { SimulatedMinute } from './report/measures.ts';
export { type ReportFacts, reportHtml } from './report/report-html.ts';
export type { DecisionNote, SimulationResult } from './report/result.ts';
export { serviceTimes } from './selection/plan-law.ts';
export { type FleetRequest, parseSelectionPolicy, policyOf, selectionPolicies } from './selection/selection-policies.ts';
export { SelectionSimulation } from './selection/selection-simulation.ts';
export type { SelectionSimulationResult, SelectionSimulationSpec } from './selection/selection-spec.ts';
export { type SimulationBatchOptions, simulateAll } from './simulate.ts';
export {
  functionOf,
  infeasibleTypes,
  overflowMemoryMiB,
  parseProfile,
  referenceSimulated,
  type SimulatedProfile,
} from './simulated/profile.ts';
export { type ProfileDocument, profileFile, profileOfDocument } from './simulated/profile-file.ts';
export { Simulation } from './simulation.ts';
export { type SimulationRun, SimulationRuns } from './simulation-runs.ts';
export { type SimulatedFunctions, type SimulationSpec, unfitTypes } from './simulation-spec.ts';
