export { BatchController, type BatchControllerOptions, type DecisionStatus } from './batching/batch-controller.ts';
export type { BatchingAlternative, BatchingEffect, BatchingInputs, BatchingSetting } from './batching/batching-decision.ts';
export { chooseBatching } from './batching/choose-batching.ts';
export { Chooser } from './batching/chooser.ts';
export { type BatchingPlan, type PlannedArrivals, type PlannedFunctions, Planner, type PlanRequest } from './batching/planner.ts';
export {
  DeploymentPlanner,
  type DeploymentRequest,
  deploymentChooser,
  type PlannedDeployment,
} from './deployment-plan/deployment-planner.ts';
export type { PlannedMixture } from './deployment-plan/plan-types.ts';
export { type Controllers, openControllers } from './open-controllers.ts';
export { rayOngoingMax } from './rivals/ray.ts';
export type { SimulatedFacts } from './rivals/simulated-facts.ts';
export { type MeasuredScaling, type ScalingEffect, scalingEffectOf } from './scaling/decide-effect.ts';
export { type ChosenScaling, policyInputsOf, type ScalingDecision, type ScalingInputs, scalingRecord } from './scaling/decide-record.ts';
export { type DecidedScaling, decideScaling } from './scaling/decide-scaling.ts';
export { HourlyBudget } from './scaling/hourly-budget.ts';
export { type ScaledVariant, type ScaledVariantDeps, scaledVariants } from './scaling/scaled-variant.ts';
export { ScalingController, type ScalingControllerOptions } from './scaling/scaling-controller.ts';
export { ScalingStates } from './scaling/scaling-states.ts';
export { scalingPolicy } from './scaling-policies.ts';
export { checkLimits } from './strategies/check-observation.ts';
export { type ForecastView, forecastViewOf, horizonFor } from './strategies/forecast-view.ts';
export type {
  Budget,
  FunctionChoice,
  FunctionsObservation,
  Observation,
  OverflowObservation,
  Plan,
  Regime,
  ScalingAlternative,
  ScalingLimits,
  ScalingReason,
  ScalingTrigger,
  SloWindows,
  TypeObservation,
} from './strategies/observation.ts';
export { minimumWithin, remainingForFunctionsUsd } from './strategies/plans/limits.ts';
export { actionsFor, drainLimitMs, type ScalingAction, type ScalingInstance, scaleInOrder } from './strategies/plans/scale-in.ts';
export { formatPolicy, type Policy, parsePolicies, parsePolicy } from './strategies/policy.ts';
export {
  horizonsOf,
  initialCount,
  type PolicyPeriods,
  periodsOf,
  policyLeadMs,
  priceFactorOf,
  slotMsFor,
  usesShortSlots,
} from './strategies/policy-facts.ts';
export { initialScalingState, restoreScalingState, type ScalingState } from './strategies/scaling-state.ts';
