/** What was measured about a model version on one kind of executor. */

/** The service time of batches of b rows: from dispatch to answer, the link to the worker included. */
export interface ServicePoint {
  /** Rows in the batch. */
  readonly b: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Each run that was timed, ascending; at most `samplesMax`. */
  readonly samples: readonly number[];
  /** Memory of the worker after these runs. */
  readonly rssMiB: number;
}

export interface Profile {
  /** `instance:local.1` or `function:1024` (MiB). */
  readonly executor: string;
  /** Ascending in b; the first is b = 1. Empty for a function whose memory the model does not fit into. */
  readonly service: readonly ServicePoint[];
  readonly measuredAtMs: number;
  readonly loadMs: number;
  /** From a warm worker without a model to the answer of its first inference, held back by nothing but what the executor is. */
  readonly coldMs?: number;
  /**
   * How many times as long its runs took while it was measured, as others had the processors; that waiting is taken off here. 1 on
   * a machine that was free, absent where nobody looked.
   */
  readonly slowdown?: number;
  /** What the worker was given when this was measured. */
  readonly threads?: number;
  /** What it was held to; null for nothing. */
  readonly vcpuMax?: number | null;
  /** The largest b that was measured; 1 for a model that may not be batched. */
  readonly batchMax: number;
  /** Why it stops where it stops. */
  readonly notes: readonly string[];
}

/** Enough for an empirical p99; more would cost time and room in the database. */
export const samplesMax = 200;

/** Below, something always is in the way: the garbage collector, a timer of the kernel's. */
const slowdownBusy = 1.2;

/** Says that a profile was measured while others had the processors; null where they were free, or nobody knows. */
export function busyText({ slowdown = 1 }: Pick<Profile, 'slowdown'>): string | null {
  if (slowdown < slowdownBusy) return null;
  const times = slowdown < 10 ? slowdown.toFixed(1) : slowdown.toFixed(0);
  return `measured on a busy machine: its runs took ${times} times as long, waiting for processors that others had; that waiting is taken off`;
}

/** The value that the share q of the ascending values does not exceed (nearest rank, no interpolation). */
export function nearestRank(ascending: ArrayLike<number>, q: number): number {
  // 0.55 of 100 are 55.00000000000001.
  const index = Math.ceil(q * ascending.length - 1e-9) - 1;
  return ascending[Math.min(Math.max(index, 0), ascending.length - 1)] as number;
}

export function servicePoint(b: number, timesMs: readonly number[], rssMiB: number): ServicePoint {
  const samples = timesMs.map((ms) => Math.round(ms * 10_000) / 10_000).sort((left, right) => left - right);
  return { b, p50Ms: nearestRank(samples, 0.5), p95Ms: nearestRank(samples, 0.95), p99Ms: nearestRank(samples, 0.99), samples, rssMiB };
}
