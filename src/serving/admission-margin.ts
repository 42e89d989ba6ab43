/**
 * What predictions of completion are wrong by: kept back where it is asked whether instances make it in time.
 *
 *   margin = p99 of (completed - predicted), within min(8 ms, 0.1 L) .. 0.2 L;   L = the objective's latency
 *
 * of the last thousand requests that were predicted and then waited for an instance. A prediction goes by a quantile of the service
 * time, so that most are done earlier: the least margin is what mostly holds, and only those that are later than that are kept in order.
 */
import assert from 'node:assert/strict';

const kept = 1000;
/** Fewer tell nothing of a hundredth. */
const leastKnown = 100;
const quantile = 0.99;
/** What was seen so long ago, and nothing since, says nothing any more. */
const forgottenMs = 60_000;

const leastMsMost = 8;
const leastShare = 0.1;
const mostShare = 0.2;

/** What is kept back at least, whatever was measured: deadlines are made with it. */
export function leastMarginMs(latencyMs: number): number {
  return Math.min(leastMsMost, leastShare * latencyMs);
}

export class AdmissionMargin {
  readonly #latencyMs: number;
  readonly #leastMs: number;
  /** The last errors in milliseconds, the oldest at `#next` once it is full. */
  readonly #errorsMs = new Float64Array(kept);
  #count = 0;
  #next = 0;
  /** Those above the least margin, ascending. */
  readonly #aboveMs: number[] = [];
  #seenAtMs = Number.NEGATIVE_INFINITY;

  /** `latencyMs` is L. */
  constructor(latencyMs: number) {
    assert(latencyMs > 0, `an objective of more than 0 ms, got ${latencyMs}`);
    this.#latencyMs = latencyMs;
    this.#leastMs = leastMarginMs(latencyMs);
  }

  /** A request that was predicted to be done at one time was done at another; what is no number is passed over. */
  observe(predictedAtMs: number, doneAtMs: number): void {
    const errorMs = doneAtMs - predictedAtMs;
    if (!Number.isFinite(errorMs)) return;
    if (doneAtMs - this.#seenAtMs > forgottenMs) this.#forget();
    this.#seenAtMs = doneAtMs;
    const oldestMs = this.#errorsMs[this.#next] as number;
    if (this.#count === kept && oldestMs > this.#leastMs) this.#aboveMs.splice(this.#placeOf(oldestMs), 1);
    if (errorMs > this.#leastMs) this.#aboveMs.splice(this.#placeOf(errorMs), 0, errorMs);
    this.#errorsMs[this.#next] = errorMs;
    this.#next = (this.#next + 1) % kept;
    if (this.#count < kept) this.#count++;
  }

  marginMs(nowMs: number): number {
    return this.#leastMs + this.extraMs(nowMs);
  }

  /** What is kept back beyond the least margin. */
  extraMs(nowMs: number): number {
    if (this.#aboveMs.length === 0 || this.#count < leastKnown) return 0;
    if (nowMs - this.#seenAtMs > forgottenMs) return 0;
    const place = Math.ceil(quantile * this.#count) - 1 - (this.#count - this.#aboveMs.length);
    if (place < 0) return 0;
    return Math.min(this.#aboveMs[place] as number, mostShare * this.#latencyMs) - this.#leastMs;
  }

  #forget(): void {
    this.#count = 0;
    this.#next = 0;
    this.#aboveMs.length = 0;
  }

  /** The first place whose error is not less. */
  #placeOf(errorMs: number): number {
    let [low, high] = [0, this.#aboveMs.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#aboveMs[middle] as number) < errorMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
