/**
 * How often a floor of accuracy is broken by the plan that was chosen under it: the rows of Fashion-MNIST are split at random, the cheapest
 * plan is chosen on one part, and measured on the other.
 */
import { SeededRandom } from '../../src/random.ts';
import { choosePlans, type JudgedPlan, judgePlans, type PlanConditions } from '../../src/selection/index.ts';
import { countOutcomes, type ModelOutcomes } from '../../src/statistics/index.ts';
import { type Outcomes, outcomesOf } from './index.ts';
import { rowsOf, selectableModels, shuffled } from './selectable.ts';

export interface SplitTrials {
  readonly floor: number;
  /** Rows that plans are judged on. */
  readonly rows: number;
  readonly splits: number;
  readonly seed: number;
}

/** Shares of the splits. */
export interface SplitResult extends SplitTrials {
  /** The cheapest certified plan is below the floor on the other rows. */
  readonly certifiedBroken: number;
  /** Any certified plan is. */
  readonly anyCertifiedBroken: number;
  readonly nothingCertified: number;
  /** The cheapest plan whose measured accuracy keeps the floor is below it on the other rows. */
  readonly measuredBroken: number;
  /** Mean work per row of the chosen plan, relative to the best model alone. */
  readonly certifiedCost: number;
  readonly measuredCost: number;
}

/** Costs follow the work: no plan carries this rate on one instance. */
const ratePerSecond = 1_000_000;
const best = 'fashion_cnn';

export function trySplits({ floor, rows, splits, seed }: SplitTrials): SplitResult {
  const random = new SeededRandom(seed);
  const all = outcomesOf('fashion');
  const counts = { certified: 0, any: 0, nothing: 0, measured: 0 };
  const costs: Record<'certified' | 'measured', number[]> = { certified: [], measured: [] };
  for (let split = 0; split < splits; split++) {
    const order = shuffled(all.labels.length, random);
    const judged = rowsOf(all, order.subarray(0, rows));
    const others = rowsOf(all, order.subarray(rows));
    const { plans } = judgePlans(judged.labels, selectableModels('fashion', 50, judged), conditionsOf(floor));
    const bestRate = plans.find(({ name }) => name === best)?.rowsPerSecond as number;
    const isBroken = (plan: JudgedPlan): boolean => accuracyOn(others, plan) < floor;
    const certified = choosePlans(plans, { kind: 'cheapest' }, ({ isCertified }) => isCertified)?.floorPlan;
    if (certified === undefined) counts.nothing++;
    else {
      if (isBroken(certified)) counts.certified++;
      if (plans.some((plan) => plan.isCertified && isBroken(plan))) counts.any++;
      costs.certified.push(bestRate / certified.rowsPerSecond);
    }
    const measured = choosePlans(plans, { kind: 'cheapest' }, ({ accuracy }) => accuracy >= floor)?.floorPlan;
    if (measured === undefined) continue;
    if (isBroken(measured)) counts.measured++;
    costs.measured.push(bestRate / measured.rowsPerSecond);
  }
  return {
    floor,
    rows,
    splits,
    seed,
    certifiedBroken: counts.certified / splits,
    anyCertifiedBroken: counts.any / splits,
    nothingCertified: counts.nothing / splits,
    measuredBroken: counts.measured / splits,
    certifiedCost: mean(costs.certified),
    measuredCost: mean(costs.measured),
  };
}

function conditionsOf(floor: number): PlanConditions {
  return { floor, confidence: 0.95, limitMs: 50, share: 0.95, overheadMs: 0.5, ratePerSecond, usdPerInstanceHour: 0.0425 };
}

function accuracyOn({ labels, models }: Outcomes, { first, second, threshold }: JudgedPlan): number {
  const outcomesIn = (name: string): ModelOutcomes => models.get(name) as ModelOutcomes;
  const { errors } = countOutcomes(labels, outcomesIn(first), second === null ? null : outcomesIn(second), threshold);
  return 1 - errors / labels.length;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}
