export { BatchController, type BatchControllerOptions, type DecisionStatus } from './batch-controller.ts';
export type { BatchingAlternative, BatchingEffect, BatchingInputs, BatchingSetting } from './batching-decision.ts';
export { chooseBatching } from './choose-batching.ts';
export { Chooser } from './chooser.ts';
export { type MeasuredScaling, type ScalingEffect, scalingEffectOf } from './decide-effect.ts';
export { type ChosenScaling, policyInputsOf, type ScalingDecision, type ScalingInputs, scalingRecord } from './decide-record.ts';
export { type DecidedScaling, decideScaling } from './decide-scaling.ts';
export {
  DeploymentPlanner,
  type DeploymentRequest,
  deploymentChooser,
  type PlannedDeployment,
} from './deployment-plan/deployment-planner.ts';
export type { PlannedMixture } from './deployment-plan/plan-types.ts';
export { HourlyBudget } from './hourly-budget.ts';
export { type Controllers, openControllers } from './open-controllers.ts';
export { type BatchingPlan, type PlannedArrivals, type PlannedFunctions, Planner, type PlanRequest } from './planner.ts';
export { rayOngoingMax } from './rivals/ray.ts';
export type { SimulatedFacts } from './rivals/simulated-facts.ts';
export { type ScaledVariant, type ScaledVariantDeps, scaledVariants } from './scaled-variant.ts';
export { ScalingController, type ScalingControllerOptions } from './scaling-controller.ts';
export { scalingPolicy } from './scaling-policies.ts';
export { ScalingStates } from './scaling-states.ts';
export { checkLimits } from './strategies/check-observation.ts';
export { type ForecastView, forecastViewOf, horizonFor, slotMsFor } from './strategies/forecast-view.ts';
export { minimumWithin, remainingForFunctionsUsd } from './strategies/limits.ts';
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
export { formatPolicy, type Policy, parsePolicies, parsePolicy } from './strategies/policy.ts';
export { horizonsOf, initialCount, type PolicyPeriods, periodsOf, policyLeadMs, priceFactorOf } from './strategies/policy-facts.ts';
export { actionsFor, drainLimitMs, type ScalingAction, type ScalingInstance, scaleInOrder } from './strategies/scale-in.ts';
export { initialScalingState, restoreScalingState, type ScalingState } from './strategies/scaling-state.ts';
