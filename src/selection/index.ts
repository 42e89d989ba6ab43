export { mapToContract, type NamedSignature } from './candidates.ts';
export { bestAlone, type ChosenPlans, choosePlans, degradingLadder, modelsIn, paretoFront, type SelectionGoal } from './choose-plans.ts';
export { type AnswerPlan, type JudgedPlan, type JudgedPlans, judgePlans, type PlanConditions, type SelectableModel } from './plans.ts';
