/**
 * What came of a setting: the requests whose batches opened under it, counted as they are answered. Latencies are kept
 * as a histogram of geometric steps, so that a period costs the same memory however many requests it has.
 */
import type { InferenceResult } from './request.ts';

export interface PeriodMeasure {
  /** `clock.nowMs()` of its beginning. */
  readonly sinceMs: number;
  /** Requests answered with a result; the other figures are of these. 0 where there are none. */
  readonly requests: number;
  readonly rows: number;
  readonly batches: number;
  /** Latencies from arrival to answer, right to half a percent. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** The share of requests answered within the objective; 1 without one. */
  readonly withinSlo: number;
  /** Rows in a batch. */
  readonly meanBatch: number;
  /** From arrival to dispatch. */
  readonly meanWaitMs: number;
  /** Of a million rows. */
  readonly costUsdPerMillion: number;
  /** Batches that were billed with the start of their environment. */
  readonly coldStarts: number;
}

/** The upper ends of the steps are firstMs · growth^i. */
const firstMs = 0.01;
const growth = 1.01;
const perStep = 1 / Math.log(growth);
/** Up to an hour and a half. */
const steps = 2100;

export class Period {
  readonly sinceMs: number;
  readonly #objectiveMs: number;
  readonly #counts = new Uint32Array(steps);
  #requests = 0;
  #rows = 0;
  #batches = 0;
  /** Of all batches, also of those whose requests were not all answered. */
  #rowsSent = 0;
  #coldStarts = 0;
  #within = 0;
  #waitMs = 0;
  #usd = 0;

  constructor(sinceMs: number, objectiveMs: number | null) {
    this.sinceMs = sinceMs;
    this.#objectiveMs = objectiveMs ?? Number.POSITIVE_INFINITY;
  }

  /** A batch of so many rows has left. */
  batch(rows: number, isColdStart: boolean): void {
    this.#batches++;
    this.#rowsSent += rows;
    if (isColdStart) this.#coldStarts++;
  }

  request(rows: number, { timings, costUsd }: InferenceResult, latencyMs: number): void {
    this.#requests++;
    this.#rows += rows;
    if (latencyMs <= this.#objectiveMs) this.#within++;
    this.#waitMs += timings.queueMs;
    this.#usd += costUsd;
    const step = Math.min(Math.max(Math.ceil(Math.log(latencyMs / firstMs) * perStep), 0), steps - 1);
    this.#counts[step] = (this.#counts[step] as number) + 1;
  }

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
      withinSlo: requests === 0 ? 1 : this.#within / requests,
      meanBatch: mean(this.#rowsSent, this.#batches),
      meanWaitMs: mean(this.#waitMs, requests),
      costUsdPerMillion: 1e6 * mean(this.#usd, this.#rows),
      coldStarts: this.#coldStarts,
    };
  }

  /** The middle of the step in which the nearest rank lies. */
  #quantileMs(q: number): number {
    const rank = Math.ceil(q * this.#requests);
    if (rank === 0) return 0;
    let seen = 0;
    let step = -1;
    while (seen < rank) seen += this.#counts[++step] as number;
    return firstMs * growth ** (step - 0.5);
  }
}
