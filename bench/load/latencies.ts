export interface LatencySummary {
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** The value that `percentile` percent of the values do not exceed (nearest rank); NaN if there are none. */
export function percentileOf(sorted: ArrayLike<number>, percentile: number): number {
  const rank = Math.max(1, Math.ceil((percentile / 100) * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}

/** Exact, from all values rather than a sketch. */
export function summarize(valuesMs: readonly number[]): LatencySummary {
  const sorted = Float64Array.from(valuesMs).sort();
  const sum = sorted.reduce((total, value) => total + value, 0);
  const at = (percentile: number): number => percentileOf(sorted, percentile);
  return { mean: sum / sorted.length, p50: at(50), p95: at(95), p99: at(99), max: at(100) };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
