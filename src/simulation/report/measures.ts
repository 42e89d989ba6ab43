/** Counts the results of a simulation as they occur, in constant memory. */

import type { SloWindows } from '../../autoscaling/index.ts';
import { nearestRank } from '../../quantiles.ts';

/** One minute of the simulation. */
export interface SimulatedMinute {
  readonly minute: number;
  arrivals: number;
  /** Number of instances at the end of the minute. */
  active: number;
  launching: number;
  /** Maximum number of waiting rows. */
  queueMax: number;
  /** Rows served by functions. */
  overflow: number;
  /** Requests that were late, dropped, rejected or failed in this minute. */
  violations: number;
  costUsd: number;
  /** Latency of the responses in this minute; null if there were none. */
  p95Ms: number | null;
  /** Requests of this minute as forecast at its beginning: the mean and the quantiles 0.1 and 0.9. null without a forecast. */
  forecastMean: number | null;
  forecastP10: number | null;
  forecastP90: number | null;
}

/** Maximum latency samples per minute; the p95 ignores later responses. */
const sampleMost = 4096;

/** Counters of one simulation, read at its end. */
export class Measures {
  requests = 0;
  rows = 0;
  /** Requests answered within the objective. */
  fulfilled = 0;
  late = 0;
  /** Requests dropped at their timeout. */
  dropped = 0;
  /** Requests rejected on arrival, or failed. */
  rejected = 0;
  /** Rows served by functions. */
  overflowed = 0;
  coldStarts = 0;
  instanceUsd = 0;
  overflowUsd = 0;
  /** Requests waiting or running. */
  inSystem = 0;
  readonly instanceMs: Record<string, number> = {};
  readonly latencies: Latencies = new Latencies();
  readonly timeline: SimulatedMinute[] = [];
  readonly #latencyMs: number;
  readonly #sample: number[] = [];
  #current: SimulatedMinute;
  #rowsInSystem = 0;
  #concurrencyMs = 0;
  #concurrencyAtMs = 0;

  constructor(latencyMs: number) {
    this.#latencyMs = latencyMs;
    this.#current = newMinute(0);
    this.timeline.push(this.#current);
  }

  /** Integral of the rows in the system over time, in row-milliseconds. */
  concurrencyMs(nowMs: number): number {
    this.#move(nowMs);
    return this.#concurrencyMs;
  }

  arrived(nowMs: number, rows: number): void {
    this.#move(nowMs);
    this.requests++;
    this.rows += rows;
    this.inSystem++;
    this.#rowsInSystem += rows;
    this.#current.arrivals++;
  }

  waiting(rows: number): void {
    if (rows > this.#current.queueMax) this.#current.queueMax = rows;
  }

  answered(nowMs: number, latencyMs: number, rows: number): void {
    this.#departed(nowMs, rows);
    this.latencies.add(latencyMs);
    if (this.#sample.length < sampleMost) this.#sample.push(latencyMs);
    if (latencyMs <= this.#latencyMs) this.fulfilled++;
    else {
      this.late++;
      this.#current.violations++;
    }
  }

  unanswered(nowMs: number, kind: 'dropped' | 'rejected', rows: number): void {
    this.#departed(nowMs, rows);
    this[kind]++;
    this.#current.violations++;
  }

  /** Records that a function serves these rows at this price. */
  invoked(rows: number, usd: number, isCold: boolean): void {
    this.overflowed += rows;
    this.#current.overflow += rows;
    if (isCold) this.coldStarts++;
    this.functionsCost(usd);
  }

  functionsCost(usd: number): void {
    this.overflowUsd += usd;
    this.#current.costUsd += usd;
  }

  /** Records the billed time and price of an instance of this type. */
  instanceCost(type: string, ms: number, usd: number): void {
    this.instanceMs[type] = (this.instanceMs[type] ?? 0) + ms;
    this.instanceUsd += usd;
    this.#current.costUsd += usd;
  }

  forecast(mean: number, p10: number, p90: number): void {
    this.#current.forecastMean = mean;
    this.#current.forecastP10 = p10;
    this.#current.forecastP90 = p90;
  }

  /** Ends the current minute; later events count in the next one. */
  endMinute(active: number, launching: number, isLast: boolean): void {
    this.#current.active = active;
    this.#current.launching = launching;
    this.#current.p95Ms = percentile95(this.#sample);
    this.#sample.length = 0;
    if (isLast) return;
    this.#current = newMinute(this.timeline.length);
    this.timeline.push(this.#current);
  }

  /** Outcomes of recent requests, for the policy's objective windows. */
  windows(nowMs: number): SloWindows {
    return { minute: this.#last(1), fiveMinutes: this.#last(5), hour: this.#last(60), watchedMs: Math.min(nowMs, 3_600_000) };
  }

  /** Outcomes of the last `minutes` complete minutes and the current one. */
  #last(minutes: number): SloWindows['hour'] {
    let [requests, violations] = [0, 0];
    for (let i = Math.max(0, this.timeline.length - 1 - minutes); i < this.timeline.length; i++) {
      requests += (this.timeline[i] as SimulatedMinute).arrivals;
      violations += (this.timeline[i] as SimulatedMinute).violations;
    }
    return { requests, violations };
  }

  #departed(nowMs: number, rows: number): void {
    this.#move(nowMs);
    this.inSystem--;
    this.#rowsInSystem -= rows;
  }

  #move(nowMs: number): void {
    this.#concurrencyMs += this.#rowsInSystem * (nowMs - this.#concurrencyAtMs);
    this.#concurrencyAtMs = nowMs;
  }
}

function newMinute(minute: number): SimulatedMinute {
  return {
    minute,
    arrivals: 0,
    active: 0,
    launching: 0,
    queueMax: 0,
    overflow: 0,
    violations: 0,
    costUsd: 0,
    p95Ms: null,
    forecastMean: null,
    forecastP10: null,
    forecastP90: null,
  };
}

function percentile95(sample: readonly number[]): number | null {
  if (sample.length === 0) return null;
  return Number(nearestRank(Float64Array.from(sample).sort(), 0.95).toPrecision(4));
}

/** Latency quantiles in constant memory: a histogram whose buckets are half a percent wide. */

/** Buckets per doubling of the latency. */
const perOctave = 128;
/** Doublings covered: from a microsecond to about four and a half hours. */
const octaves = 34;
const leastMs = 0.001;

/** A histogram with geometric buckets: any number of requests takes the same memory. */
export class Latencies {
  readonly #counts = new Float64Array(perOctave * octaves);
  #total = 0;
  #sumMs = 0;

  add(ms: number): void {
    const place = ms <= leastMs ? 0 : Math.floor(Math.log2(ms / leastMs) * perOctave);
    const index = Math.min(place, this.#counts.length - 1);
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#total++;
    this.#sumMs += ms;
  }

  /** Mean in milliseconds; null if there are no latencies. */
  get meanMs(): number | null {
    return this.#total === 0 ? null : this.#sumMs / this.#total;
  }

  /** The latency in milliseconds that the share q (0..1) of requests does not exceed; null if there are none. */
  quantileMs(q: number): number | null {
    if (this.#total === 0) return null;
    let left = Math.max(1, Math.ceil(q * this.#total));
    for (let i = 0; i < this.#counts.length; i++) {
      left -= this.#counts[i] as number;
      if (left <= 0) return Number((leastMs * 2 ** ((i + 0.5) / perOctave)).toPrecision(4));
    }
    return null;
  }
}
