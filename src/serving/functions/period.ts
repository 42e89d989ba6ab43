/**
 * Measurements under one setting: requests count when answered, if their batch opened under it. Latencies are stored in a histogram
 * with geometric buckets, so memory does not grow with the number of requests.
 */
import type { InferenceResult } from '../request.ts';

/** What was measured in a period, in the form that decisions store as their effect. */
export interface PeriodMeasure {
  /** `clock.nowMs()` at its start. */
  readonly sinceMs: number;
  /** Number of requests answered with a result. The other figures refer to these requests, and are 0 if there are none. */
  readonly requests: number;
  readonly rows: number;
  readonly batches: number;
  /** Latencies from arrival to response, accurate to half a percent. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Share of requests answered within the objective; 1 without one. */
  readonly withinSlo: number;
  /** Mean number of rows per batch. */
  readonly meanBatch: number;
  /** From arrival to dispatch. */
  readonly meanWaitMs: number;
  /** US dollars per million rows. */
  readonly costUsdPerMillion: number;
  /** Number of batches billed with the start of their environment. */
  readonly coldStarts: number;
}

/** The upper bound of bucket i is firstMs · growth^i. */
const firstMs = 0.01;
const growth = 1.01;
const perStep = 1 / Math.log(growth);
/** Number of buckets; the last ends at about 3.3 hours. */
const steps = 2100;

/** Fixed memory: one histogram and a few sums. */
export class Period {
  readonly sinceMs: number;
  readonly #objectiveMs: number;
  readonly #counts = new Uint32Array(steps);
  #requests = 0;
  #rows = 0;
  #batches = 0;
  /** Rows of all dispatched batches, including rows of requests that were not answered. */
  #rowsSent = 0;
  #coldStarts = 0;
  #withinObjective = 0;
  #waitMs = 0;
  #usd = 0;

  constructor(sinceMs: number, objectiveMs: number | null) {
    this.sinceMs = sinceMs;
    this.#objectiveMs = objectiveMs ?? Number.POSITIVE_INFINITY;
  }

  /** Counts a dispatched batch. */
  batch(rows: number, isColdStart: boolean): void {
    this.#batches++;
    this.#rowsSent += rows;
    if (isColdStart) this.#coldStarts++;
  }

  request(rows: number, { timings, costUsd }: InferenceResult, latencyMs: number): void {
    this.#requests++;
    this.#rows += rows;
    if (latencyMs <= this.#objectiveMs) this.#withinObjective++;
    this.#waitMs += timings.queueMs;
    this.#usd += costUsd;
    const step = Math.min(Math.max(Math.ceil(Math.log(latencyMs / firstMs) * perStep), 0), steps - 1);
    this.#counts[step] = (this.#counts[step] as number) + 1;
  }

  /** The means and quantiles so far. A period without requests counts as within the objective. */
  measure(): PeriodMeasure {
    const requests = this.#requests;
    const mean = (sum: number, count: number): number => (count === 0 ? 0 : sum / count);
    return {
      sinceMs: this.sinceMs,
      requests,
      rows: this.#rows,
      batches: this.#batches,
      p50Ms: this.#quantileMs(0.5),
      p95Ms: this.#quantileMs(0.95),
      p99Ms: this.#quantileMs(0.99),
      withinSlo: requests === 0 ? 1 : this.#withinObjective / requests,
      meanBatch: mean(this.#rowsSent, this.#batches),
      meanWaitMs: mean(this.#waitMs, requests),
      costUsdPerMillion: 1e6 * mean(this.#usd, this.#rows),
      coldStarts: this.#coldStarts,
    };
  }

  /** The middle of the bucket that contains the nearest rank; 0 without requests. */
  #quantileMs(q: number): number {
    const rank = Math.ceil(q * this.#requests);
    if (rank === 0) return 0;
    let counted = 0;
    let step = -1;
    while (counted < rank) counted += this.#counts[++step] as number;
    return firstMs * growth ** (step - 0.5);
  }
}
