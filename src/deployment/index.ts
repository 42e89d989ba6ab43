export type { CountCause, CountInputs } from './count-decision.ts';
export { Deployments, type DeploymentsOptions } from './deployments.ts';
export type { CountedBefore } from './earlier-counts.ts';
export { changedBy, type EndpointChange } from './endpoint-change.ts';
export {
  type EndpointConfig,
  endpointTimeoutMsDefault,
  productionVariants,
  shadowShare,
  type VariantConfig,
  variantNameDefault,
} from './endpoint-config.ts';
export type { EndpointView, VariantView } from './endpoint-view.ts';
export { type BatchPolicy, checkFunctions, type FunctionsConfig, functionsDefault, objectiveWithin } from './functions-config.ts';
export type { InstanceCounts, PolicyDecision } from './instance-counts.ts';
export type { InstanceView } from './instance-view.ts';
export { isUnderWay, type Rollout, type RolloutGuard, type RolloutStep, rolloutStepOf, trafficShares, watchedUntilMs } from './rollout.ts';
export { answersMinDefault, type EvidenceRule, watchMaxMsOf } from './rollout-evidence.ts';
export type { RollbackHook } from './rollouts.ts';
export type { ScalingConfig } from './scaling-config.ts';
export { formatFloor, parseFloor, type ScheduledFloor } from './scheduled-floor.ts';
export type { ServedEndpoint, ServedWorker, ServingPort } from './serving-port.ts';
export { signatureChange } from './signature-change.ts';
export { requireCompatibleSignature } from './signature-compatibility.ts';
export type { EndpointStatus } from './status.ts';
export type { TransactionHook } from './transaction-hook.ts';
export { type UpdateDetail, type UpdateKind, updateKinds } from './update-events.ts';
export { type FunctionsChange, newVariant, type ScalingChange, type VariantChange } from './variant-change.ts';
export { type CountedVersion, requestsOf, sumOfCounts, type VersionCounts, zeroCounts } from './version-counts.ts';
export { commandOf } from './worker-command.ts';
