/**
 * What a plan costs in a slot of uncertain demand, and the search for the cheapest: the newsvendor's problem (Arrow, Harris
 * and Marschak, 1951) in whole instances. One instance too many costs its price, one request too many costs a function call.
 *
 *   cap(n)  = Σ_i n_i mu_i slot ρ
 *   exp(n)  = Σ_k W_k max(0, D[k] - cap(n))                           expected overflow; D[k] = quantile τ_k of the demand
 *   cost(n) = Σ_i p_i (n_i + max(0, n_i - have_i) lead_i / 600 s) + c_f exp(n)
 *
 * The start-up of an instance is paid for without use, and spread over ten minutes. For one type the real-valued optimum is the
 * quantile 1 - c_v/c_f of the demand; rounding that to whole instances loses up to a quarter of what is to be won.
 */
import { tauWeights } from './forecast-view.ts';
import type { Plan, PlanCost } from './observation.ts';

/** The start-up of an instance is paid back over so long. */
const startPaidOverMs = 600_000;

/** What a plan is made of: in the order of the types, the counts of a plan are arrays of the same order. */
export interface PricedType {
  readonly name: string;
  /** Requests that one carries in a slot, at the utilisation that is planned for. */
  readonly capacity: number;
  readonly usdPerSlot: number;
  readonly have: number;
  readonly leadMs: number;
}

/** Requests that a plan does not carry, on average over the demand. */
export function expectedOverflow(demand: readonly number[], capacity: number): number {
  let requests = 0;
  for (let k = 0; k < tauWeights.length; k++) {
    const excess = (demand[k] as number) - capacity;
    if (excess > 0) requests += (tauWeights[k] as number) * excess;
  }
  return requests;
}

/** Instances and their starts, without what goes to functions. */
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

export function capacityOf(types: readonly PricedType[], counts: ArrayLike<number>): number {
  let capacity = 0;
  for (let i = 0; i < types.length; i++) capacity += (types[i] as PricedType).capacity * (counts[i] as number);
  return capacity;
}

export function planCost(
  types: readonly PricedType[],
  counts: ArrayLike<number>,
  demand: readonly number[],
  overflowUsdEach: number,
): PlanCost {
  const { instanceUsd, launchUsd } = instancesUsd(types, counts);
  const overflow = expectedOverflow(demand, capacityOf(types, counts));
  const overflowUsd = overflow * overflowUsdEach;
  return { instanceUsd, launchUsd, expectedOverflow: overflow, overflowUsd, totalUsd: instanceUsd + launchUsd + overflowUsd };
}

export function countsOf(types: readonly PricedType[], plan: Plan): number[] {
  return types.map(({ name }) => plan[name] ?? 0);
}

export function planFrom(types: readonly PricedType[], counts: ArrayLike<number>): Plan {
  return Object.fromEntries(types.map(({ name }, i) => [name, counts[i] as number]));
}

/** Plans that differ in the count of one type alone. */
export interface PlanRow {
  /** Of the plan, which is used again: the count at `varied` is for whoever looks to set, from 1 to `most`. */
  readonly counts: number[];
  /** The place of the type whose count varies; null: the plan stands as it is. */
  readonly varied: number | null;
  readonly most: number;
}

/**
 * Every plan worth looking at for a demand of at most `demandMax`, smaller ones first: so many of the type that carries most,
 * and for the rest so many of one other type; the plan there is now as well.
 */
export function* planRows(
  types: readonly PricedType[],
  { demandMax, min, max }: { readonly demandMax: number; readonly min: number; readonly max: number },
): Generator<PlanRow> {
  const counts = types.map(() => 0);
  const largest = types.reduce((best, type, i) => (type.capacity > (types[best] as PricedType).capacity ? i : best), 0);
  const { capacity = Number.POSITIVE_INFINITY } = types[largest] ?? {};
  const mostOfLargest = Math.min(max, Math.max(min, neededFor(demandMax, capacity)));
  for (let n = 0; n <= mostOfLargest; n++) {
    counts[largest] = n;
    yield { counts, varied: null, most: 0 };
    for (let varied = 0; varied < types.length; varied++) {
      if (varied === largest) continue;
      const rest = neededFor(demandMax - n * capacity, (types[varied] as PricedType).capacity);
      const most = Math.min(max - n, Math.max(min - n, rest));
      if (most > 0) yield { counts, varied, most };
      counts[varied] = 0;
    }
  }
  yield { counts: types.map(({ have }) => have), varied: null, most: 0 };
}

/** Instances that carry so many requests; what is left over by the rounding of floats needs no further one. */
export function neededFor(requests: number, capacity: number): number {
  return requests <= 0 ? 0 : Math.ceil(requests / capacity - 1e-9);
}
