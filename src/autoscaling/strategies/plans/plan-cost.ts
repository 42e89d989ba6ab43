/**
 * What a plan costs in a slot of uncertain demand, and the search for the cheapest: the newsvendor's problem (Arrow, Harris
 * and Marschak, 1951) in whole instances. One instance too many costs its price, one request too many costs a function call.
 *
 *   cap(n)  = Σ_i n_i mu_i slot ρ
 *   exp(n)  = Σ_k W_k max(0, D[k] - cap(n))                           expected overflow; D[k] = quantile τ_k of the demand
 *   cost(n) = Σ_i p_i (n_i + max(0, n_i - have_i) lead_i / 600 s) + c_f exp(n)
 *
 * The start-up of an instance is paid for without use, and spread over ten minutes. For one type the real-valued optimum is the
 * quantile 1 - c_v/c_f of the demand; rounding that to whole instances loses up to a quarter of the gain.
 */
import { tauWeights } from '../forecast-view.ts';
import type { Plan, PlanCost } from '../observation.ts';

/** Milliseconds over which the cost of a start is spread. */
const startPaidOverMs = 600_000;

/** An instance type in a plan. The counts of a plan are arrays in the order of the types. */
export interface PricedType {
  readonly name: string;
  /** Requests that one instance serves per slot at the planned utilisation. */
  readonly capacity: number;
  readonly usdPerSlot: number;
  readonly have: number;
  readonly leadMs: number;
}

/** Mean number of requests beyond the capacity, weighted over the quantiles of the demand. */
export function expectedOverflow(demand: readonly number[], capacity: number): number {
  let requests = 0;
  for (let k = 0; k < tauWeights.length; k++) {
    const excess = (demand[k] as number) - capacity;
    if (excess > 0) requests += (tauWeights[k] as number) * excess;
  }
  return requests;
}

/** Cost of instances and their starts, without function calls. */
export function instancesUsd(types: readonly PricedType[], counts: ArrayLike<number>): { instanceUsd: number; launchUsd: number } {
  let instanceUsd = 0;
  let launchUsd = 0;
  for (let i = 0; i < types.length; i++) {
    const count = counts[i] as number;
    if (count === 0) continue;
    const { usdPerSlot, have, leadMs } = types[i] as PricedType;
    instanceUsd += usdPerSlot * count;
    if (count > have) launchUsd += (usdPerSlot * (count - have) * leadMs) / startPaidOverMs;
  }
  return { instanceUsd, launchUsd };
}

/** Requests that the instances of a plan serve per slot at the planned utilisation. */
export function planCapacity(types: readonly PricedType[], counts: ArrayLike<number>): number {
  let capacity = 0;
  for (let i = 0; i < types.length; i++) capacity += (types[i] as PricedType).capacity * (counts[i] as number);
  return capacity;
}

/** Expected cost of a plan per slot, for the quantiles of the demand. */
export function planCost(
  types: readonly PricedType[],
  counts: ArrayLike<number>,
  demand: readonly number[],
  overflowUsdEach: number,
): PlanCost {
  const { instanceUsd, launchUsd } = instancesUsd(types, counts);
  const overflow = expectedOverflow(demand, planCapacity(types, counts));
  const overflowUsd = overflow * overflowUsdEach;
  return { instanceUsd, launchUsd, expectedOverflow: overflow, overflowUsd, totalUsd: instanceUsd + launchUsd + overflowUsd };
}

/** The counts of a plan, in the order of the types. */
export function countsOf(types: readonly PricedType[], plan: Plan): number[] {
  return types.map(({ name }) => plan[name] ?? 0);
}

/** The plan with these counts, which are in the order of the types. */
export function planFrom(types: readonly PricedType[], counts: ArrayLike<number>): Plan {
  return Object.fromEntries(types.map(({ name }, i) => [name, counts[i] as number]));
}

/** A set of plans that differ only in the count of one type. */
export interface PlanRow {
  /** Reused buffer: the search sets the count of type `varied` from 1 to `most`. */
  readonly counts: number[];
  /** Index of the varied type; null: the row is a single plan. */
  readonly varied: number | null;
  readonly most: number;
}

/**
 * All useful plans for a demand of at most `demandMax`, smaller ones first: some instances of the largest type, and one other
 * type for the remaining demand. Also the current plan.
 */
export function* planRows(
  types: readonly PricedType[],
  { demandMax, min, max }: { readonly demandMax: number; readonly min: number; readonly max: number },
): Generator<PlanRow> {
  const counts = types.map(() => 0);
  const largest = types.reduce((best, type, i) => (type.capacity > (types[best] as PricedType).capacity ? i : best), 0);
  const { capacity = Number.POSITIVE_INFINITY } = types[largest] ?? {};
  const mostOfLargest = Math.min(max, Math.max(min, instancesNeededFor(demandMax, capacity)));
  for (let n = 0; n <= mostOfLargest; n++) {
    counts[largest] = n;
    yield { counts, varied: null, most: 0 };
    for (let varied = 0; varied < types.length; varied++) {
      if (varied === largest) continue;
      const rest = instancesNeededFor(demandMax - n * capacity, (types[varied] as PricedType).capacity);
      const most = Math.min(max - n, Math.max(min - n, rest));
      if (most > 0) yield { counts, varied, most };
      counts[varied] = 0;
    }
  }
  yield { counts: types.map(({ have }) => have), varied: null, most: 0 };
}

/** Number of instances for this number of requests. Tolerates rounding errors, which would otherwise add an instance. */
export function instancesNeededFor(requests: number, capacity: number): number {
  return requests <= 0 ? 0 : Math.ceil(requests / capacity - 1e-9);
}
