export { BatchController, type BatchControllerOptions, type Standing } from './batch-controller.ts';
export type { BatchingAlternative, BatchingEffect, BatchingInputs, BatchingSetting } from './batching-decision.ts';
export { Chooser } from './chooser.ts';
export { type BatchingPlan, type PlannedArrivals, Planner, type PlanWish } from './planner.ts';
