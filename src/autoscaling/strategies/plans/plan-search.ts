/** Searches for the plan with the lowest cost: now, over the next slots, and without limits. */
import type { CurrentLimits } from './limits.ts';
import { expectedOverflow, instancesNeededFor, instancesUsd, type PlanRow, type PricedType, planCapacity, planRows } from './plan-cost.ts';

/** Input of the search. */
export interface PlanProblem {
  readonly types: readonly PricedType[];
  /** Quantiles of the demand in the next slot, ascending. */
  readonly near: readonly number[];
  /** Quantiles of the demand in slot H, the first that an instance started now serves completely. */
  readonly far: readonly number[];
  /** c_f: cost of a request on functions; 0 without functions. */
  readonly overflowUsdEach: number;
  /** Requests per slot that instances must serve at any cost, because functions cannot. */
  readonly mustCarry: number;
  /** Requests per slot that instances should serve within the limits, after the objective was missed. */
  readonly floor: number;
  readonly limits: CurrentLimits;
  readonly slotMs: number;
  /** Share of its price that an instance must save to stay; default 1. Below 1 because an instance that is removed too early has to start again. */
  readonly keepShare?: number;
}

/** A plan by counts, in the order of `PlanProblem.types`, with its cost per slot. */
export interface FoundPlan {
  readonly counts: readonly number[];
  readonly totalUsd: number;
}

/** The plans that a search found. H is the slot of `PlanProblem.far`. */
export interface PlanSearch {
  /** argmin cost(n | H): the plan for starting instances. */
  readonly up: FoundPlan;
  /** argmin max over h in {1, H} of cost(n | h), with `keepShare` of the price: the plan that limits which running instances can stay. */
  readonly keep: FoundPlan;
  /** `up` without limits, to report its cost. */
  readonly unbounded: FoundPlan;
  /** The cheapest plan at H with at least one instance; null if there is none. */
  readonly someInstances: FoundPlan | null;
}

/**
 * Maximum number of instances in plans without limits. Plans above the configured maximum are only evaluated to report their
 * cost.
 */
const unboundedMost = 200;

/** Up to this length, evaluating all plans of a row is as fast as narrowing the range first. */
const shortRow = 12;

/**
 * Limits take precedence over cost. Plans are compared by these criteria, in this order: smaller excess over the maximum, smaller
 * shortfall from the minimum, smaller excess over the budget, more of the required load, lower cost. Of equal plans the smaller
 * one is better.
 */
export function searchPlans(problem: PlanProblem): PlanSearch {
  const { types, near, far, mustCarry, floor, limits } = problem;
  const demandMax = Math.max(near.at(-1) ?? 0, far.at(-1) ?? 0, mustCarry, floor);
  const search = new Search(problem);
  for (const row of planRows(types, { demandMax, min: limits.min, max: Math.max(limits.max, unboundedMost) })) {
    if (row.varied === null) search.offer(row.counts);
    else search.offerRow({ ...row, varied: row.varied });
  }
  return search.found;
}

class Search {
  readonly #problem: PlanProblem;
  readonly #usdPerSlotMax: number;
  readonly #keepShare: number;
  readonly #up = new Best();
  readonly #keep = new Best();
  readonly #unbounded = new Best();
  readonly #some = new Best();

  constructor(problem: PlanProblem) {
    this.#problem = problem;
    this.#usdPerSlotMax = (problem.limits.usdPerHourMax * problem.slotMs) / 3_600_000;
    this.#keepShare = problem.keepShare ?? 1;
  }

  get found(): PlanSearch {
    const someInstances = this.#some.isEmpty ? null : this.#some.found;
    return { up: this.#up.found, keep: this.#keep.found, unbounded: this.#unbounded.found, someInstances };
  }

  offer(counts: readonly number[]): void {
    const { types, near, far, overflowUsdEach, mustCarry, floor, limits } = this.#problem;
    let total = 0;
    for (const count of counts) total += count;
    const { instanceUsd, launchUsd } = instancesUsd(types, counts);
    const capacity = planCapacity(types, counts);
    const own = instanceUsd + launchUsd;
    const atFar = own + overflowUsdEach * expectedOverflow(far, capacity);
    const notCarried = shortOf(mustCarry, capacity);
    this.#unbounded.offer(counts, 0, 0, 0, notCarried, 0, atFar);
    const tooMany = Math.max(0, total - limits.max);
    if (tooMany > 0 && !this.#up.isOver) return;
    const worst = near === far ? atFar : Math.max(atFar, own + overflowUsdEach * expectedOverflow(near, capacity));
    const atWorst = worst - (1 - this.#keepShare) * instanceUsd;
    const tooFew = Math.max(0, limits.min - total);
    const underFloor = shortOf(floor, capacity);
    const tooDear = total > limits.min ? Math.max(0, instanceUsd - this.#usdPerSlotMax * (1 + 1e-9)) : 0;
    this.#up.offer(counts, tooMany, tooFew, tooDear, notCarried, underFloor, atFar);
    if (total > 0) this.#some.offer(counts, tooMany, tooFew, tooDear, notCarried, underFloor, atFar);
    this.#keep.offer(counts, tooMany, tooFew, tooDear, notCarried, underFloor, atWorst);
  }

  /**
   * Evaluates only those plans of a row that can be the best. Each cost is convex along a row, and each limit divides a row at
   * one count. So the best plan is at a minimum of cost, at the last count within a limit, or one above that.
   */
  offerRow({ counts, varied, most }: PlanRow & { readonly varied: number }): void {
    const { types, near, far, mustCarry, floor, limits } = this.#problem;
    if (most <= shortRow) {
      for (let count = 1; count <= most; count++) {
        counts[varied] = count;
        this.offer(counts);
      }
      return;
    }
    const { capacity, usdPerSlot } = types[varied] as PricedType;
    counts[varied] = 0;
    let total = 0;
    for (const count of counts) total += count;
    const carried = planCapacity(types, counts);
    const affordable = (this.#usdPerSlotMax - instancesUsd(types, counts).instanceUsd) / usdPerSlot;
    const places = [
      limits.max - total,
      limits.min - total,
      instancesNeededFor(mustCarry - carried, capacity),
      instancesNeededFor(floor - carried, capacity),
    ];
    const candidates = [1, most, this.#cheapest(counts, varied, most, 1, far)];
    if (near !== far || this.#keepShare < 1) candidates.push(this.#cheapest(counts, varied, most, this.#keepShare, far, near));
    for (const place of [...places, Math.floor(affordable)]) candidates.push(place - 1, place, place + 1);
    candidates.sort((a, b) => a - b);
    let before = 0;
    for (const count of candidates) {
      if (!(count > before && count <= most)) continue;
      before = count;
      counts[varied] = count;
      this.offer(counts);
    }
  }

  /** The lowest count at which one more instance does not reduce the cost, at a share of the price, under one demand or the worse of two. */
  #cheapest(counts: number[], varied: number, most: number, share: number, demand: readonly number[], other = demand): number {
    const { types, overflowUsdEach } = this.#problem;
    const usd = (count: number): number => {
      counts[varied] = count;
      const { instanceUsd, launchUsd } = instancesUsd(types, counts);
      const capacity = planCapacity(types, counts);
      const left = expectedOverflow(demand, capacity);
      const worse = other === demand ? left : Math.max(left, expectedOverflow(other, capacity));
      return share * instanceUsd + launchUsd + overflowUsdEach * worse;
    };
    let [low, high] = [1, most];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (usd(middle + 1) >= usd(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function shortOf(wanted: number, capacity: number): number {
  const short = wanted - capacity;
  return short > wanted * 1e-9 ? short : 0;
}

/** The best plan so far. Earlier arguments of `offer` have precedence. */
class Best {
  #counts: readonly number[] = [];
  #tooMany = Number.POSITIVE_INFINITY;
  #tooFew = 0;
  #tooDear = 0;
  #notCarried = 0;
  #underFloor = 0;
  #usd = 0;

  get isEmpty(): boolean {
    return this.#tooMany === Number.POSITIVE_INFINITY;
  }

  /** True if the best plan so far exceeds the maximum, or if there is none. */
  get isOver(): boolean {
    return this.#tooMany > 0;
  }

  get found(): FoundPlan {
    return { counts: this.#counts, totalUsd: this.#usd };
  }

  offer(
    counts: readonly number[],
    tooMany: number,
    tooFew: number,
    tooDear: number,
    notCarried: number,
    underFloor: number,
    usd: number,
  ): void {
    const better =
      tooMany - this.#tooMany ||
      tooFew - this.#tooFew ||
      tooDear - this.#tooDear ||
      notCarried - this.#notCarried ||
      underFloor - this.#underFloor ||
      usd - this.#usd;
    if (!(better < 0)) return;
    this.#counts = counts.slice();
    this.#tooMany = tooMany;
    this.#tooFew = tooFew;
    this.#tooDear = tooDear;
    this.#notCarried = notCarried;
    this.#underFloor = underFloor;
    this.#usd = usd;
  }
}
