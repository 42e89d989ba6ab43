/** How often a plan agrees with the most accurate one, on the rows of an evaluation. Pure. */
import type { AnswerPlan, SelectableModel } from './plans.ts';

/** The number of rows that a plan's first model answers, and on how many of them another plan disagrees. */
export interface PlanAgreement {
  readonly rows: number;
  readonly disagreed: number;
}

/** Throws if a model of a plan is not among `models`. */
export function agreementOf(plan: AnswerPlan, best: AnswerPlan, models: readonly SelectableModel[]): PlanAgreement {
  const own = answersOf(plan, models);
  const other = answersOf(best, models);
  let [rows, disagreed] = [0, 0];
  for (let row = 0; row < own.predictions.length; row++) {
    if (own.goesOn(row)) continue;
    rows++;
    if (own.predictions[row] !== other.answer(row)) disagreed++;
  }
  return { rows, disagreed };
}

function answersOf({ first, second, threshold }: AnswerPlan, models: readonly SelectableModel[]) {
  const named = (name: string): SelectableModel => {
    const model = models.find((each) => each.name === name);
    if (model === undefined) throw new Error(`no outcomes of ${name}`);
    return model;
  };
  const { predictions, unsureness } = named(first);
  const later = second === null ? null : named(second).predictions;
  const goesOn = (row: number): boolean => later !== null && (unsureness?.[row] ?? 1) > threshold;
  return { predictions, goesOn, answer: (row: number) => (goesOn(row) && later !== null ? later : predictions)[row] as number };
}
