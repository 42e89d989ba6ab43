export { Deployments, type DeploymentsOptions } from './deployments.ts';
export type { CountedBefore } from './earlier-counts.ts';
export {
  type EndpointChange,
  type EndpointConfig,
  instanceTypeDefault,
  timeoutMsDefault,
  type VariantConfig,
  variantNameDefault,
} from './endpoint-config.ts';
export type { EndpointView, VariantView } from './endpoint-view.ts';
export { type BatchPolicy, checkFunctions, type FunctionsConfig, functionsDefault, promiseWithin } from './functions-config.ts';
export type { InstanceView } from './instance-view.ts';
export { keepsSignature } from './keeps-signature.ts';
export type { KeptBeside } from './kept-beside.ts';
export { type Guard, isUnderWay, type Rollout, type RolloutStep, sharesOf, stepOf, watchedUntilMs } from './rollout.ts';
export type { KeptOnRollback } from './rollouts.ts';
export { instanceCountMax, type ScalingConfig, type ScalingDirections, scalingDirections } from './scaling-config.ts';
export { formatFloor, parseFloor, type ScheduledFloor } from './scheduled-floor.ts';
export type { ServedEndpoint, ServedWorker, ServingDoor } from './serving-door.ts';
export { signatureChange } from './signature-change.ts';
export type { EndpointStatus } from './status.ts';
export { type UpdateDetail, type UpdateKind, updateKinds } from './update-events.ts';
export { type CountedVersion, nothingCounted, requestsOf, sumOfCounts, type VersionCounts } from './version-counts.ts';
export { commandOf } from './worker-command.ts';
