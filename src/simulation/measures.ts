/** What came of a simulation: counted as it happens, in a room that does not grow with the requests. */
import type { SloWindows } from '../autoscaling/index.ts';
import { Latencies } from './latencies.ts';

/** One minute of the simulation. */
export interface Minute {
  readonly minute: number;
  arrivals: number;
  /** Instances at the end of the minute. */
  active: number;
  launching: number;
  /** The most rows that waited at once. */
  queueMax: number;
  /** Rows that functions served. */
  overflow: number;
  /** Late, dropped, rejected or failed in this minute. */
  violations: number;
  costUsd: number;
  /** Of answers in this minute; null where there were none. */
  p95Ms: number | null;
  /** Requests in this minute as foreseen when it began: the mean, and the quantiles .1 and .9; null without a forecast. */
  forecastMean: number | null;
  forecastP10: number | null;
  forecastP90: number | null;
}

/** Of one minute: answers beyond so many are not looked at for its p95. */
const sampleMost = 4096;

export class Measures {
  requests = 0;
  rows = 0;
  /** Answered within the objective. */
  fulfilled = 0;
  late = 0;
  /** Given up at their timeout. */
  dropped = 0;
  /** Refused at arrival, or failed. */
  rejected = 0;
  /** Rows that functions served. */
  overflowed = 0;
  coldStarts = 0;
  instanceUsd = 0;
  overflowUsd = 0;
  /** Requests. */
  inSystem = 0;
  readonly instanceMs: Record<string, number> = {};
  readonly latencies: Latencies = new Latencies();
  readonly timeline: Minute[] = [];
  readonly #latencyMs: number;
  readonly #sample: number[] = [];
  #current: Minute;
  #rowsInSystem = 0;
  #concurrencyMs = 0;
  #concurrencyAtMs = 0;

  constructor(latencyMs: number) {
    this.#latencyMs = latencyMs;
    this.#current = newMinute(0);
    this.timeline.push(this.#current);
  }

  /** Rows in the system, integrated over time, in milliseconds. */
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
    this.#left(nowMs, rows);
    this.latencies.add(latencyMs);
    if (this.#sample.length < sampleMost) this.#sample.push(latencyMs);
    if (latencyMs <= this.#latencyMs) this.fulfilled++;
    else {
      this.late++;
      this.#current.violations++;
    }
  }

  unanswered(nowMs: number, kind: 'dropped' | 'rejected', rows: number): void {
    this.#left(nowMs, rows);
    this[kind]++;
    this.#current.violations++;
  }

  /** A function serves so many rows for so much. */
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

  /** An instance of this type is paid for so long. */
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

  /** The minute is over: what follows is counted in the next one. */
  endMinute(active: number, launching: number, isLast: boolean): void {
    this.#current.active = active;
    this.#current.launching = launching;
    this.#current.p95Ms = percentile95(this.#sample);
    this.#sample.length = 0;
    if (isLast) return;
    this.#current = newMinute(this.timeline.length);
    this.timeline.push(this.#current);
  }

  /** What came of the requests of late. */
  windows(nowMs: number): SloWindows {
    return { minute: this.#last(1), fiveMinutes: this.#last(5), hour: this.#last(60), watchedMs: Math.min(nowMs, 3_600_000) };
  }

  /** Of the last so many minutes, and of the one that runs. */
  #last(minutes: number): SloWindows['hour'] {
    let [requests, violations] = [0, 0];
    for (let i = Math.max(0, this.timeline.length - 1 - minutes); i < this.timeline.length; i++) {
      requests += (this.timeline[i] as Minute).arrivals;
      violations += (this.timeline[i] as Minute).violations;
    }
    return { requests, violations };
  }

  #left(nowMs: number, rows: number): void {
    this.#move(nowMs);
    this.inSystem--;
    this.#rowsInSystem -= rows;
  }

  #move(nowMs: number): void {
    this.#concurrencyMs += this.#rowsInSystem * (nowMs - this.#concurrencyAtMs);
    this.#concurrencyAtMs = nowMs;
  }
}

function newMinute(minute: number): Minute {
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
  const sorted = Float64Array.from(sample).sort();
  return Number((sorted[Math.ceil(0.95 * sorted.length) - 1] as number).toPrecision(4));
}
