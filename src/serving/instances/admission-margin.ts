/**
 * Margin for errors of completion predictions: added to the predicted completion when deciding whether instances finish a request
 * in time. margin = p99 of (completed - predicted), limited to min(8 ms, 0.1 L) .. 0.2 L, where L is the objective's latency. Based
 * on the last 1,000 requests that were predicted and then waited for an instance. Predictions use a quantile of the service time,
 * so most requests finish early and the minimum usually applies. Only errors above the minimum are sorted.
 */
import assert from 'node:assert/strict';

const samplesMax = 1000;
/** With fewer samples a 99th percentile is meaningless. */
const leastKnown = 100;
const quantile = 0.99;
/** All errors are dropped once the newest is older than this. */
const forgottenMs = 60_000;

const leastMsMost = 8;
const leastShare = 0.1;
const mostShare = 0.2;

/** The minimum margin, independent of measurements: deadlines include it. */
export function minimumMarginMs(latencyMs: number): number {
  return Math.min(leastMsMost, leastShare * latencyMs);
}

/** Only errors above the minimum are stored in order, so a quantile costs a lookup, and most updates nothing. */
export class AdmissionMargin {
  readonly #latencyMs: number;
  readonly #leastMs: number;
  /** The last errors in milliseconds; once full, the oldest is at `#next`. */
  readonly #errorsMs = new Float64Array(samplesMax);
  #count = 0;
  #next = 0;
  /** Errors above the minimum margin, ascending. */
  readonly #aboveMs: number[] = [];
  #observedAtMs = Number.NEGATIVE_INFINITY;

  /** `latencyMs` is L. */
  constructor(latencyMs: number) {
    assert(latencyMs > 0, `invalid objective: expected more than 0 ms, got ${latencyMs}`);
    this.#latencyMs = latencyMs;
    this.#leastMs = minimumMarginMs(latencyMs);
  }

  /** Records a predicted and an actual completion, `clock.nowMs()`. Ignores requests without a prediction (NaN or infinite). */
  observe(predictedAtMs: number, doneAtMs: number): void {
    const errorMs = doneAtMs - predictedAtMs;
    if (!Number.isFinite(errorMs)) return;
    if (doneAtMs - this.#observedAtMs > forgottenMs) this.#removeOldSamples();
    this.#observedAtMs = doneAtMs;
    const oldestMs = this.#errorsMs[this.#next] as number;
    if (this.#count === samplesMax && oldestMs > this.#leastMs) this.#aboveMs.splice(this.#placeOf(oldestMs), 1);
    if (errorMs > this.#leastMs) this.#aboveMs.splice(this.#placeOf(errorMs), 0, errorMs);
    this.#errorsMs[this.#next] = errorMs;
    this.#next = (this.#next + 1) % samplesMax;
    if (this.#count < samplesMax) this.#count++;
  }

  /** The current margin, including the minimum. */
  marginMs(nowMs: number): number {
    return this.#leastMs + this.extraMs(nowMs);
  }

  /** The part of the margin above the minimum; 0 with too few or outdated samples. */
  extraMs(nowMs: number): number {
    if (this.#aboveMs.length === 0 || this.#count < leastKnown) return 0;
    if (nowMs - this.#observedAtMs > forgottenMs) return 0;
    const place = Math.ceil(quantile * this.#count) - 1 - (this.#count - this.#aboveMs.length);
    if (place < 0) return 0;
    return Math.min(this.#aboveMs[place] as number, mostShare * this.#latencyMs) - this.#leastMs;
  }

  #removeOldSamples(): void {
    this.#count = 0;
    this.#next = 0;
    this.#aboveMs.length = 0;
  }

  /** Index of the first stored error that is not smaller than `errorMs`. */
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
