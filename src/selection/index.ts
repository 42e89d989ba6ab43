export { agreementOf, type PlanAgreement } from './agreement.ts';
export { type AllottedTest, allotLevels, isSameSet, sharedShare } from './allot-levels.ts';
export { floatTypes, mapToContract, type NamedSignature, scoreOutputOf } from './candidates.ts';
export { certifiedTo } from './certified-to.ts';
export {
  bestAlone,
  type ChosenPlans,
  choosePlans,
  degradingLadder,
  type FitsTogether,
  modelsIn,
  type PlansInForce,
  paretoFront,
  type SelectionGoal,
} from './choose-plans.ts';
export { type AnswerPlan, type JudgedPlan, type JudgedPlans, judgePlans, type PlanConditions, type SelectableModel } from './plans.ts';
