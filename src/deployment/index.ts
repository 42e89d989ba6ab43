export {
  type EndpointConfig,
  endpointTimeoutMsDefault,
  productionVariants,
  shadowShare,
  type VariantConfig,
  variantNameDefault,
} from './config/endpoint-config.ts';
export { foreignCodeCheck } from './config/foreign-code.ts';
export { type BatchPolicy, checkFunctions, type FunctionsConfig, functionsDefault, objectiveWithin } from './config/functions-config.ts';
export {
  checkLadder,
  isSameLadder,
  type LadderChallenger,
  type LadderConfig,
  type LadderRung,
  ladderKey,
  ladderModelsMax,
  planAlone,
  type SelectedLadder,
  shadowKey,
  versionIn,
} from './config/ladder-config.ts';
export type { ScalingConfig } from './config/scaling-config.ts';
export { formatFloor, parseFloor, type ScheduledFloor } from './config/scheduled-floor.ts';
export {
  type SelectionConfig,
  type SelectionDecision,
  type SelectionHold,
  type SelectionRequestConfig,
  type SelectionState,
  shadowShareDefault,
  shadowShareMax,
} from './config/selection-config.ts';
export { sharesWorkers } from './config/shared-workers.ts';
export { requireCompatibleSignature, signatureChange } from './config/signature-change.ts';
export {
  changedBy,
  type EndpointChange,
  type FunctionsChange,
  newVariant,
  type ScalingChange,
  type VariantChange,
} from './config/variant-change.ts';
export type { CountCause, CountInputs } from './counts/count-decision.ts';
export type { InstanceCounts, PolicyDecision } from './counts/instance-counts.ts';
export { Deployments } from './deployments.ts';
export type { DeploymentsOptions } from './deployments-options.ts';
export type { EndpointView, VariantView } from './endpoint-view.ts';
export { Readiness } from './readiness.ts';
export type { InstanceView } from './reconcile/instance-view.ts';
export { shadowPlan } from './reconcile/ladder-workers.ts';
export type { EndpointStatus } from './reconcile/status.ts';
export { commandOf } from './reconcile/worker-command.ts';
export type { CountedBefore } from './rollouts/earlier-counts.ts';
export {
  isUnderWay,
  type Rollout,
  type RolloutGuard,
  type RolloutStep,
  rolloutStepOf,
  trafficShares,
  watchedUntilMs,
} from './rollouts/rollout.ts';
export { answersMinDefault, type EvidenceRule, watchMaxMsOf } from './rollouts/rollout-evidence.ts';
export type { RollbackHook } from './rollouts/rollouts.ts';
export { type UpdateDetail, type UpdateKind, updateKinds } from './rollouts/update-events.ts';
export { type CountedVersion, requestsOf, sumOfCounts, type VersionCounts, zeroCounts } from './rollouts/version-counts.ts';
export type { LoadedShadow, ServedEndpoint, ServedWorker, ServingPort } from './serving-port.ts';
export { inOrder, type TransactionHook } from './transaction-hook.ts';
