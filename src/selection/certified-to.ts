/**
 * The largest accuracy that each plan would be certified for by the same rows, so that the price of every accuracy can be shown at once.
 * Plans of a pair are tested in a sequence that ends with its first failure: none reaches further than those before it. Pure.
 */
import { accuracyLowerBound } from '../statistics/index.ts';
import type { JudgedPlan } from './plans.ts';

/** In the order of the plans; null for a plan without a test. */
export function certifiedTo(plans: readonly JudgedPlan[], rows: number): readonly (number | null)[] {
  const bounds = new Map<string, number>();
  const boundOf = (errors: number, level: number): number => {
    const key = `${errors} ${level}`;
    const known = bounds.get(key) ?? accuracyLowerBound(errors, rows, level);
    bounds.set(key, known);
    return known;
  };
  const errorsAlone = new Map(plans.filter(({ second }) => second === null).map(({ first, errors }) => [first, errors]));
  const reached = new Map<string, number>();
  const found = new Map<JudgedPlan, number>();
  for (const plan of plans.toSorted((a, b) => a.threshold - b.threshold)) {
    const { first, second, errors, level } = plan;
    if (level === null) continue;
    const own = boundOf(errors, level);
    if (second === null) {
      found.set(plan, own);
      continue;
    }
    const pair = `${first} ${second}`;
    // The first test of a pair sends every row on: it is the second model.
    const before = reached.get(pair) ?? boundOf(errorsAlone.get(second) ?? errors, level);
    reached.set(pair, Math.min(before, own));
    found.set(plan, Math.min(before, own));
  }
  return plans.map((plan) => found.get(plan) ?? null);
}
