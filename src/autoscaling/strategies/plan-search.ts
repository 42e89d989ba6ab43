/** Looks through the plans for the one that costs least: now, over the next slots, and if nothing bounded it. */
import type { LimitsNow } from './limits.ts';
import { capacityOf, expectedOverflow, forEachPlan, instancesUsd, type PricedType } from './plan-cost.ts';

export interface PlanProblem {
  readonly types: readonly PricedType[];
  /** Quantiles of the demand in the next slot, rising. */
  readonly near: readonly number[];
  /** The same in the slot that an instance started now would serve (H). */
  readonly far: readonly number[];
  /** c_f; 0 where `mustCarry` leaves nothing to functions. */
  readonly overflowUsdEach: number;
  /** Requests per slot that instances have to carry themselves, whatever it costs: without functions. */
  readonly mustCarry: number;
  /** Requests per slot that they should carry, where the limits allow it: after the objective was missed. */
  readonly floor: number;
  readonly limits: LimitsNow;
  readonly slotMs: number;
}

export interface Found {
  readonly counts: readonly number[];
  readonly totalUsd: number;
}

export interface PlanSearch {
  /** argmin cost(n | H). */
  readonly up: Found;
  /** argmin max over h in {1, H} of cost(n | h): what may be kept. */
  readonly keep: Found;
  /** The first again, if there were no limits. */
  readonly unbounded: Found;
  /** The cheapest at H of at least one instance; null where there is none. */
  readonly someInstances: Found | null;
}

/** Plans above the maximum are only looked at to say what it costs to have one. */
const unboundedMost = 200;

/**
 * Limits before money: a plan is better than another if it is less over the maximum, less under the minimum, less over the budget,
 * carries more of what it must and should, and last, if it costs less. Of two alike the smaller one.
 */
export function searchPlans(problem: PlanProblem): PlanSearch {
  const { types, near, far, overflowUsdEach, mustCarry, floor, limits, slotMs } = problem;
  const usdPerSlotMax = (limits.usdPerHourMax * slotMs) / 3_600_000;
  const demandMax = Math.max(near.at(-1) ?? 0, far.at(-1) ?? 0, mustCarry, floor);
  const up = new Best();
  const keep = new Best();
  const unbounded = new Best();
  const someInstances = new Best();
  let farBefore = 0;
  let worstBefore = 0;
  forEachPlan(types, { demandMax, min: limits.min, max: Math.max(limits.max, unboundedMost) }, (counts, isFirst) => {
    let total = 0;
    for (const count of counts) total += count;
    const { instanceUsd, launchUsd } = instancesUsd(types, counts);
    const capacity = capacityOf(types, counts);
    const own = instanceUsd + launchUsd;
    const atFar = own + overflowUsdEach * expectedOverflow(far, capacity);
    const notCarried = shortOf(mustCarry, capacity);
    unbounded.offer(counts, 0, 0, 0, notCarried, 0, atFar);
    const atWorst = near === far ? atFar : Math.max(atFar, own + overflowUsdEach * expectedOverflow(near, capacity));
    const tooMany = Math.max(0, total - limits.max);
    const tooFew = Math.max(0, limits.min - total);
    const underFloor = shortOf(floor, capacity);
    if (tooMany === 0 || up.isOver) {
      const tooDear = total > limits.min ? Math.max(0, instanceUsd - usdPerSlotMax * (1 + 1e-9)) : 0;
      up.offer(counts, tooMany, tooFew, tooDear, notCarried, underFloor, atFar);
      if (total > 0) someInstances.offer(counts, tooMany, tooFew, tooDear, notCarried, underFloor, atFar);
      keep.offer(counts, tooMany, tooFew, tooDear, notCarried, underFloor, atWorst);
    }
    // Both costs are convex along a row: once they rise, and nothing is short, they go on rising.
    const rises = !isFirst && atFar > farBefore && atWorst > worstBefore && tooFew + notCarried + underFloor === 0;
    farBefore = atFar;
    worstBefore = atWorst;
    return rises;
  });
  return { up: up.found, keep: keep.found, unbounded: unbounded.found, someInstances: someInstances.isEmpty ? null : someInstances.found };
}

function shortOf(wanted: number, capacity: number): number {
  const short = wanted - capacity;
  return short > wanted * 1e-9 ? short : 0;
}

/** The best of what was offered; the order of the arguments is their order of importance. */
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

  /** Whether the best so far is over the maximum; true while there is none. */
  get isOver(): boolean {
    return this.#tooMany > 0;
  }

  get found(): Found {
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
