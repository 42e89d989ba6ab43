/** Looks through the plans for the one that costs least: now, over the next slots, and if nothing bounded it. */
import type { LimitsNow } from './limits.ts';
import { capacityOf, expectedOverflow, instancesUsd, neededFor, type PlanRow, type PricedType, planRows } from './plan-cost.ts';

export interface PlanProblem {
  readonly types: readonly PricedType[];
  /** Quantiles of the demand in the next slot, rising. */
  readonly near: readonly number[];
  /** The same in the slot that an instance started now would serve (H). */
  readonly far: readonly number[];
  /** c_f; 0 without functions. */
  readonly overflowUsdEach: number;
  /** Requests per slot that instances have to carry themselves, whatever it costs: functions cannot take them. */
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

/** Looking at all of so few is no more work than finding out which. */
const shortRow = 12;

/**
 * Limits before money: a plan is better than another if it is less over the maximum, less under the minimum, less over the budget,
 * carries more of what it must and should, and last, if it costs less. Of two alike the smaller one.
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
  readonly #up = new Best();
  readonly #keep = new Best();
  readonly #unbounded = new Best();
  readonly #some = new Best();

  constructor(problem: PlanProblem) {
    this.#problem = problem;
    this.#usdPerSlotMax = (problem.limits.usdPerHourMax * problem.slotMs) / 3_600_000;
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
    const capacity = capacityOf(types, counts);
    const own = instanceUsd + launchUsd;
    const atFar = own + overflowUsdEach * expectedOverflow(far, capacity);
    const notCarried = shortOf(mustCarry, capacity);
    this.#unbounded.offer(counts, 0, 0, 0, notCarried, 0, atFar);
    const tooMany = Math.max(0, total - limits.max);
    if (tooMany > 0 && !this.#up.isOver) return;
    const atWorst = near === far ? atFar : Math.max(atFar, own + overflowUsdEach * expectedOverflow(near, capacity));
    const tooFew = Math.max(0, limits.min - total);
    const underFloor = shortOf(floor, capacity);
    const tooDear = total > limits.min ? Math.max(0, instanceUsd - this.#usdPerSlotMax * (1 + 1e-9)) : 0;
    this.#up.offer(counts, tooMany, tooFew, tooDear, notCarried, underFloor, atFar);
    if (total > 0) this.#some.offer(counts, tooMany, tooFew, tooDear, notCarried, underFloor, atFar);
    this.#keep.offer(counts, tooMany, tooFew, tooDear, notCarried, underFloor, atWorst);
  }

  /**
   * Of a row only those plans that may be the best of it. Each cost is convex along a row, and each limit is kept on one side of
   * a count alone: so the best is where a cost is least, or at the last count that keeps a limit, or at the next.
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
    const carried = capacityOf(types, counts);
    const affordable = (this.#usdPerSlotMax - instancesUsd(types, counts).instanceUsd) / usdPerSlot;
    const places = [limits.max - total, limits.min - total, neededFor(mustCarry - carried, capacity), neededFor(floor - carried, capacity)];
    const candidates = [1, most, this.#cheapest(counts, varied, most, far)];
    if (near !== far) candidates.push(this.#cheapest(counts, varied, most, near), this.#cheapest(counts, varied, most, far, near));
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

  /** The least count at which one more costs no less, under the one demand or the worse of two. */
  #cheapest(counts: number[], varied: number, most: number, demand: readonly number[], other: readonly number[] | null = null): number {
    const { types, overflowUsdEach } = this.#problem;
    const usd = (count: number): number => {
      counts[varied] = count;
      const { instanceUsd, launchUsd } = instancesUsd(types, counts);
      const capacity = capacityOf(types, counts);
      const left = expectedOverflow(demand, capacity);
      return instanceUsd + launchUsd + overflowUsdEach * (other === null ? left : Math.max(left, expectedOverflow(other, capacity)));
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
