/** Measurements of a model version on one kind of executor. */
import { nearestRank } from '../quantiles.ts';

/** Service time of batches of b rows: from dispatch to answer, including transfer to and from the worker. */
export interface ServicePoint {
  /** Rows in the batch. */
  readonly b: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** All timed runs in milliseconds, ascending; at most `samplesMax`. */
  readonly samples: readonly number[];
  /** Memory of the worker after these runs. */
  readonly rssMiB: number;
}

/** The result of one measurement. Never changed: a new one replaces it. */
export interface Profile {
  /** Executor name: `instance:local.1` or `function:1024` (memory in MiB). */
  readonly executor: string;
  /** Ascending in b from b = 1. Empty if the model does not fit into the memory of the function. */
  readonly service: readonly ServicePoint[];
  readonly measuredAtMs: number;
  readonly loadMs: number;
  /** Time until a warm worker has loaded the model and answered once, without simulated start delays. */
  readonly coldMs?: number;
  /**
   * Factor by which other processes slowed down the runs; already subtracted from the times. 1 on a free machine, absent if
   * unknown.
   */
  readonly slowdown?: number;
  /** Threads of the worker that was measured. */
  readonly threads?: number;
  /** Processor limit of the worker; null without one. */
  readonly vcpuMax?: number | null;
  /** The largest measured b; 1 for a model without batching. */
  readonly batchMax: number;
  /** Notes, such as why measuring stopped early. */
  readonly notes: readonly string[];
}

/** Maximum runs per size: enough for an empirical p99; more would cost time and database space. */
export const samplesMax = 200;

/** Slowdown above which a machine counts as busy. Smaller factors are normal: garbage collection, kernel timers. */
const slowdownBusy = 1.2;

/** Note about a measurement on a busy machine; null if the machine was free or this is unknown. */
export function busyText({ slowdown = 1 }: Pick<Profile, 'slowdown'>): string | null {
  if (slowdown < slowdownBusy) return null;
  const times = slowdown < 10 ? slowdown.toFixed(1) : slowdown.toFixed(0);
  return `measured on a busy machine: runs took ${times} times as long; the waiting is subtracted`;
}

/** Summarizes the timed runs of one batch size; times in milliseconds, in any order. */
export function servicePoint(b: number, timesMs: readonly number[], rssMiB: number): ServicePoint {
  const samples = timesMs.map((ms) => Math.round(ms * 10_000) / 10_000).sort((left, right) => left - right);
  return { b, p50Ms: nearestRank(samples, 0.5), p95Ms: nearestRank(samples, 0.95), p99Ms: nearestRank(samples, 0.99), samples, rssMiB };
}
